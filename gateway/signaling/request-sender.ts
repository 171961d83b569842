import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import type { RequestFailure } from '../../protocol/sip/session-actions.ts';
import { serializeHostPort } from '../../protocol/sip/uri.ts';
import { branchCookie, serializeVia } from '../../protocol/sip/via.ts';
import { errorMessage } from '../errors.ts';
import { advertisedAddress } from './advertised-address.ts';
import { flowText, type SipFlow } from './sip-flow.ts';
import type { SipTransport } from './sip-transport.ts';
import type { SipDestination } from './stream-connections.ts';
import { type HostLookup, resolveTarget } from './target-resolver.ts';
import type { ClientUser, Transactions } from './transactions.ts';

export interface RequestSenderOptions {
  readonly transport: SipTransport;
  readonly transactions: Transactions;
  readonly externalAddress: string | undefined;
  readonly findHost: HostLookup;
  createToken(): string;
}

/** Takes a request from its URI to the wire: address, flow, Via, transaction. */
export class RequestSender {
  readonly #options: RequestSenderOptions;
  /** As they went out, by what they were made from: CANCEL needs the same Via. */
  readonly #sent = new WeakMap<SipRequest, SipRequest>();

  constructor(options: RequestSenderOptions) {
    this.#options = options;
  }

  /** Calls `use` with a flow towards the URI, in this turn if its host is an address and the way is known. `like`:
   *  from the same UDP socket. */
  locate(
    uri: string,
    use: (flow: SipFlow) => void,
    failed: (failure: RequestFailure) => void,
    like?: SipFlow,
  ): void {
    const fail = (error: unknown): void => failed({ why: 'transport', message: errorMessage(error) });
    const found = (destination: SipDestination): void =>
      this.#options.transport.withFlow(destination, use, fail, { like });
    try {
      const destination = resolveTarget(uri, this.#options.findHost);
      if (destination instanceof Promise) destination.then(found).catch(fail);
      else found(destination);
    } catch (error) {
      fail(error);
    }
  }

  /** Calls `use` with this flow, our address that faces its far side looked up. */
  locateOver(flow: SipFlow, use: (flow: SipFlow) => void, failed: (failure: RequestFailure) => void): void {
    const located = this.#options.transport.resolveLocal(flow);
    if (!(located instanceof Promise)) return use(located);
    located.then(use).catch((error) => failed({ why: 'transport', message: errorMessage(error) }));
  }

  /** A request to a `sips:` URI fails where the flow is not TLS. */
  send(request: SipRequest, flow: SipFlow, user: ClientUser): void {
    if (isSecureUri(request.uri) && flow.protocol !== 'tls') {
      const message = `sips: needs TLS on every hop, which ${flowText(flow.remote)} is not`;
      queueMicrotask(() => user.failed({ why: 'transport', message }));
      return;
    }
    const sent = this.#withVia(request, flow);
    this.#sent.set(request, sent);
    this.#options.transactions.openClient(sent, flow, user);
  }

  /** ACK of a 2xx: no transaction, its own branch. */
  sendAck(ack: SipRequest, flow: SipFlow): void {
    this.#options.transport.send(this.#withVia(ack, flow), flow);
  }

  cancel(invite: SipRequest, headers: readonly SipHeader[]): void {
    const sent = this.#sent.get(invite);
    if (sent !== undefined) this.#options.transactions.cancel(sent, headers);
  }

  abandon(invite: SipRequest): void {
    const sent = this.#sent.get(invite);
    if (sent !== undefined) this.#options.transactions.abandon(sent);
  }

  #listensFor({ protocol, local }: SipFlow): boolean {
    return this.#options.transport.listening.some(
      (listener) => listener.protocol === protocol && listener.port === local.port,
    );
  }

  #withVia(request: SipRequest, flow: SipFlow): SipRequest {
    const { externalAddress, createToken } = this.#options;
    const value = serializeVia({
      transport: flow.protocol.toUpperCase(),
      host: hostFor(flow, externalAddress),
      port: flow.local.port,
      branch: `${branchCookie}${createToken()}`,
      rport: 'requested',
      // Where we listen for the same protocol, answers may as well be calls (RFC 5923 §6).
      parameters: new Map(flow.reliable && this.#listensFor(flow) ? [['alias', '']] : []),
    });
    return { ...request, headers: [{ name: 'Via', value }, ...request.headers] };
  }
}

/** Contact of ours for requests that come back over this flow. `secure`: only over TLS, however many hops away their
 *  sender is (RFC 3261 §26.2.2). */
export function contactFor(
  flow: SipFlow,
  options: {
    readonly user: string;
    readonly externalAddress: string | undefined;
    readonly secure?: boolean;
  },
): string {
  const { user, externalAddress, secure = false } = options;
  const { protocol, port } = flow.local;
  const hostPort = serializeHostPort(hostFor(flow, externalAddress), port);
  const transport = protocol === 'udp' || secure ? '' : `;transport=${protocol}`;
  return `<${secure ? 'sips' : 'sip'}:${user === '' ? '' : `${user}@`}${hostPort}${transport}>`;
}

function hostFor({ local, remote }: SipFlow, external: string | undefined): string {
  return advertisedAddress({ local: local.address, peer: remote.address, external });
}

/** TLS on this hop, as `sips:` wants it on every one. */
export function isSecureUri(uri: string): boolean {
  return /^sips:/i.test(uri);
}
