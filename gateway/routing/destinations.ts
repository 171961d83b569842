import { networkInterfaces } from 'node:os';
import type { SipHeader } from '../../protocol/sip/message.ts';
import { parseUri, serializeUri } from '../../protocol/sip/uri.ts';
import { escapeText } from '../../protocol/sip/uri-escape.ts';
import type { Endpoint } from '../callbacks/callback-messages.ts';
import type { Config } from '../config.ts';
import type { RegisteredContact } from '../signaling/registrar.ts';
import type { InviteOptions } from '../signaling/session.ts';
import { isWildcard } from '../signaling/sip-flow.ts';
import type { OutboundDestination } from './outbound-guard.ts';

/** Who is to be called. */
export type Wanted =
  | {
      readonly kind: 'sip';
      readonly uri: string;
      readonly transport?: 'udp' | 'tcp' | 'tls' | undefined;
      /** It names a dialog there: that address and no other, also where it is ours. */
      readonly asWritten?: boolean;
    }
  /** `trunk`: by name; the first where none is named. */
  | { readonly kind: 'number'; readonly number: string; readonly trunk?: string | undefined }
  /** A phone that registered with us. */
  | { readonly kind: 'user'; readonly username: string };

export interface CallerId {
  /** A number or a name, a SIP URI, `private`, or nothing. */
  readonly cli: string;
  readonly callHeaders: readonly { readonly key: string; readonly value: string }[];
}

/** What the INVITE of such a call says, but for its offer. */
export type Placement = Pick<InviteOptions, 'target' | 'from' | 'headers' | 'credentials' | 'flow'>;

export type FoundDestination =
  | {
      readonly found: true;
      readonly placement: Placement;
      /** Host of the target, without brackets. */
      readonly host: string;
      /** As callbacks name it. */
      readonly to: Endpoint;
      /** What the outbound guard is asked about. */
      readonly guarded: OutboundDestination;
    }
  | { readonly found: false; readonly reason: 'noTrunk' | 'calleeUnknown'; readonly detail: string };

export interface DestinationsOptions {
  readonly config: Pick<Config, 'sip' | 'trunks'>;
  /** Ways to a phone that registered with us, the preferred first. */
  lookup(username: string): readonly RegisteredContact[];
}

/** Who calls where nobody is named. */
const nameless = 'callwire';

/** Where calls of ours go: any SIP address, numbers through the trunks, phones that registered with us. */
export class Destinations {
  readonly #options: DestinationsOptions;

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  /** Throws `ProtocolError` for a URI that is none. */
  find(wanted: Wanted, caller: CallerId): FoundDestination {
    switch (wanted.kind) {
      case 'sip':
        return this.#address(wanted, caller);
      case 'number':
        return this.#number(wanted, caller);
      case 'user':
        return this.#user(wanted.username, caller);
    }
  }

  #address(
    { uri, transport, asWritten = false }: Extract<Wanted, { kind: 'sip' }>,
    caller: CallerId,
  ): FoundDestination {
    const parsed = parseUri(uri);
    const ours = this.#isOurs(parsed.host) && !parsed.parameters.has('maddr');
    if (parsed.user !== undefined && ours && !asWritten) {
      const registered = this.#user(parsed.user, caller);
      if (registered.found) return registered;
    }
    const named = transport === undefined || parsed.parameters.has('transport');
    const target = named ? uri : `${uri};transport=${transport}`;
    return {
      found: true,
      placement: { target, ...this.#caller(caller, this.#ourHost(parsed.host)) },
      host: parsed.host,
      to: { type: 'sip', endpoint: uri.replace(/^sips?:/i, '') },
      guarded:
        ours && asWritten
          ? { kind: 'user' }
          : {
              kind: 'sip',
              user: parsed.user,
              // Where it really goes, RFC 3263 §4.
              host: parsed.parameters.get('maddr')?.replace(/^\[|\]$/g, '') ?? parsed.host,
              port: parsed.port,
            },
    };
  }

  #user(username: string, caller: CallerId): FoundDestination {
    const [contact] = this.#options.lookup(username);
    if (contact === undefined) {
      return { found: false, reason: 'calleeUnknown', detail: `no phone is registered as ${username}` };
    }
    const { host } = parseUri(contact.uri);
    return {
      found: true,
      placement: {
        target: contact.uri,
        ...this.#caller(caller, this.#ourHost(host)),
        flow: contact.flow,
      },
      host: contact.flow?.remote.address ?? host,
      to: { type: 'username', endpoint: username },
      guarded: { kind: 'user' },
    };
  }

  #number({ number, trunk: name }: Extract<Wanted, { kind: 'number' }>, caller: CallerId): FoundDestination {
    const { trunks } = this.#options.config;
    const trunk = name === undefined ? trunks[0] : trunks.find((known) => known.name === name);
    if (trunk === undefined) {
      const detail = name === undefined ? 'there are no trunks' : `there is no trunk ${name}`;
      return { found: false, reason: 'noTrunk', detail };
    }
    const uri = parseUri(trunk.uri);
    const target = serializeUri({ ...uri, user: number });
    const { username, password } = trunk;
    const cli = caller.cli === '' ? (username ?? 'anonymous') : caller.cli;
    return {
      found: true,
      placement: {
        target,
        ...this.#caller({ ...caller, cli }, uri.host),
        ...(username !== undefined && password !== undefined && { credentials: { username, password } }),
      },
      host: uri.host,
      to: { type: 'number', endpoint: number },
      guarded: { kind: 'number', number },
    };
  }

  #caller({ cli: shown, callHeaders }: CallerId, host: string): Pick<Placement, 'from' | 'headers'> {
    const cli = shown === '' ? nameless : shown;
    const headers: SipHeader[] = callHeaders.map(({ key, value }) => ({
      name: /^x-/i.test(key) ? key : `X-${key}`,
      value,
    }));
    if (cli === 'private') {
      headers.push({ name: 'Privacy', value: 'id' });
      return { from: '"Anonymous" <sip:anonymous@anonymous.invalid>', headers };
    }
    if (/^sips?:/i.test(cli)) return { from: `<${cli}>`, headers };
    const inUri = host.includes(':') ? `[${host}]` : host;
    return { from: `<sip:${escapeText(cli, 'user')}@${inUri}>`, headers };
  }

  /** The address that phones and gateways know us by, as far as it is known before the way is. */
  #ourHost(peer: string): string {
    const { externalAddress, auth } = this.#options.config.sip;
    const bound = this.#listening.find((host) => !isWildcard(host));
    return auth?.realm ?? externalAddress ?? bound ?? peer;
  }

  #isOurs(host: string): boolean {
    const { externalAddress, auth } = this.#options.config.sip;
    const known = [auth?.realm, externalAddress, ...this.#listening].map((name) => name?.toLowerCase());
    if (known.includes(host.toLowerCase())) return true;
    if (!this.#listening.some(isWildcard)) return false;
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return host === 'localhost' || own.some(({ address }) => address === host);
  }

  get #listening(): readonly string[] {
    return this.#options.config.sip.listen.map((text) =>
      text
        .replace(/^\w+:/, '')
        .replace(/:\d+$/, '')
        .replace(/^\[|\]$/g, ''),
    );
  }
}
