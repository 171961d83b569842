import type { SipRequest } from '../../protocol/sip/message.ts';
import type { LiveSession } from './live-session.ts';
import { contactFor, isSecureUri, type NextServer } from './request-sender.ts';
import type { InviteOptions } from './session.ts';
import type { SipFlow } from './sip-flow.ts';

export interface InvitePlacementOptions {
  readonly session: LiveSession;
  readonly options: InviteOptions;
  /** User part of our Contact. */
  readonly user: string;
  readonly externalAddress: string | undefined;
}

/** What an INVITE of ours says of our address, at the server where it is now: another server may be reached over another
 *  transport, or from another address of ours. */
export class InvitePlacement {
  readonly #options: InvitePlacementOptions;
  #next: NextServer | undefined;
  #contact = '';
  #offer = '';
  /** Since when what the session knows of it is not what goes out. */
  #moved = false;

  constructor(options: InvitePlacementOptions) {
    this.#options = options;
  }

  get contact(): string {
    return this.#contact;
  }

  get offer(): string {
    return this.#offer;
  }

  /** Throws what `offer` of the owner throws. */
  place(flow: SipFlow, next: NextServer | undefined): void {
    const { session, options, user, externalAddress } = this.#options;
    const sameAddress = this.#contact !== '' && session.local.address === flow.local.address;
    if (!sameAddress) this.#offer = options.offer(flow.local.address);
    this.#contact = contactFor(flow, { user, externalAddress, secure: isSecureUri(options.target) });
    this.#next = next;
    session.flow = flow;
    session.remote = flow.remote;
    session.local = flow.local;
  }

  /** The servers after this one, for the first INVITE alone. */
  takeNext(): NextServer | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  /** The first INVITE for the next server. Undefined where the call is over meanwhile. */
  move(invite: SipRequest, flow: SipFlow): SipRequest | undefined {
    if (this.#options.session.state !== 'early') return undefined;
    this.place(flow, undefined);
    this.#moved = true;
    return this.readdress(invite);
  }

  /** As it goes out where the call is now. */
  readdress(invite: SipRequest): SipRequest {
    if (!this.#moved) return invite;
    const headers = invite.headers.map((header) =>
      header.name === 'Contact' ? { name: 'Contact', value: this.#contact } : header,
    );
    return { ...invite, headers, body: new TextEncoder().encode(this.#offer) };
  }
}
