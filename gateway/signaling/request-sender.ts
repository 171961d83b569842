import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import type { RequestFailure } from '../../protocol/sip/session-actions.ts';
import { serializeHostPort } from '../../protocol/sip/uri.ts';
import { branchCookie, serializeVia } from '../../protocol/sip/via.ts';
import type { Clock, Timer } from '../clock.ts';
import { errorMessage, type GatewayError } from '../errors.ts';
import { advertisedAddress } from './advertised-address.ts';
import { flowText, type SipFlow } from './sip-flow.ts';
import type { SipTransport } from './sip-transport.ts';
import { RecentMap } from './source-limits.ts';
import type { SipDestination } from './stream-connections.ts';
import type { TargetResolver } from './target-resolver.ts';
import type { ClientUser, Transactions } from './transactions.ts';

export interface RequestSenderOptions {
  readonly clock: Clock;
  readonly transport: SipTransport;
  readonly transactions: Transactions;
  readonly externalAddress: string | undefined;
  readonly resolver: TargetResolver;
  createToken(): string;
}

/** The way to the server after the one that was found: taken where that one does not answer. */
export type NextServer = (use: UseFlow, failed: (failure: RequestFailure) => void) => void;
export type UseFlow = (flow: SipFlow, next: NextServer | undefined) => void;

export interface RequestUser extends ClientUser {
  /** Another server is tried, over this flow. Gives the request for it, with the Contact that leads to us there;
   *  undefined: not wanted any more. Default: the same request. */
  moved?(flow: SipFlow): SipRequest | undefined;
}

export interface SendOptions {
  readonly next?: NextServer | undefined;
  /** Over this flow and no other: a phone behind NAT hears nothing else. */
  readonly keepsFlow?: boolean;
  /** What goes out instead, at the server where it goes. */
  readonly as?: SipRequest;
}

/** Larger requests go over TCP, where that is to be had: RFC 3261 §18.1.1. */
const datagramBytesMax = 1_300;
/** How long TCP may take before the datagram is sent all the same. */
const switchMs = 2_000;
/** No TCP there: not asked again for so long. */
const withoutTcpMs = 600_000;
const withoutTcpMax = 1_000;
/** A server that has not even said 100 by then is passed over, where there is another: 8·T1. Timer B is for the last. */
const silentMs = 4_000;

/** Takes a request from its URI to the wire: servers, flow, Via, transaction, and the next server where one fails. */
export class RequestSender {
  readonly #options: RequestSenderOptions;
  /** As they went out, by what they were made from: CANCEL needs the same Via. */
  readonly #sent = new WeakMap<SipRequest, SipRequest>();
  readonly #withoutTcp = new RecentMap<number>(withoutTcpMax);
  readonly #silences = new Set<Timer>();

  constructor(options: RequestSenderOptions) {
    this.#options = options;
  }

  /** Calls `use` with a flow towards the URI, in this turn if its host is an address and the way is known. `like`:
   *  from the same UDP socket. */
  locate(uri: string, use: UseFlow, failed: (failure: RequestFailure) => void, like?: SipFlow): void {
    const fail = (error: unknown): void => failed({ why: 'transport', message: errorMessage(error) });
    try {
      const servers = this.#options.resolver.resolve(uri);
      if (servers instanceof Promise) {
        servers.then((found) => this.#tryServers(found, use, failed, like)).catch(fail);
      } else this.#tryServers(servers, use, failed, like);
    } catch (error) {
      fail(error);
    }
  }

  #tryServers(
    [server, ...others]: readonly SipDestination[],
    use: UseFlow,
    failed: (failure: RequestFailure) => void,
    like: SipFlow | undefined,
  ): void {
    const { transport, resolver } = this.#options;
    if (server === undefined) return failed({ why: 'transport', message: 'no server is left' });
    const next: NextServer | undefined =
      others.length === 0
        ? undefined
        : (useNext, nextFailed) => {
            resolver.avoid(server);
            this.#tryServers(others, useNext, nextFailed, like);
          };
    const unreachable = (error: GatewayError): void => {
      if (next === undefined) failed({ why: 'transport', message: error.message });
      else next(use, failed);
    };
    transport.withFlow(server, (flow) => use(flow, next), unreachable, { like });
  }

  /** Calls `use` with this flow, our address that faces its far side looked up. */
  locateOver(flow: SipFlow, use: (flow: SipFlow) => void, failed: (failure: RequestFailure) => void): void {
    const located = this.#options.transport.resolveLocal(flow);
    if (!(located instanceof Promise)) return use(located);
    located.then(use).catch((error) => failed({ why: 'transport', message: errorMessage(error) }));
  }

  /** A request to a `sips:` URI fails where the flow is not TLS. `request` stays its name, for `cancel` and `abandon`. */
  send(request: SipRequest, flow: SipFlow, user: RequestUser, options: SendOptions = {}): void {
    this.#send(request, options.as ?? request, flow, user, options);
  }

  #send(
    original: SipRequest,
    request: SipRequest,
    flow: SipFlow,
    user: RequestUser,
    { next, keepsFlow = false }: SendOptions,
  ): void {
    if (isSecureUri(request.uri) && flow.protocol !== 'tls') {
      const message = `sips: needs TLS on every hop, which ${flowText(flow.remote)} is not`;
      queueMicrotask(() => user.failed({ why: 'transport', message }));
      return;
    }
    const watched = next === undefined ? user : this.#failingOver(original, request, user, next);
    const overDatagram = this.#withVia(request, flow);
    const transmit = (way: SipFlow, sent: SipRequest): void => {
      this.#sent.set(original, sent);
      this.#options.transactions.openClient(sent, way, watched);
    };
    const server = flowText(flow.remote);
    const small = flow.reliable || keepsFlow || serializeMessage(overDatagram).length <= datagramBytesMax;
    if (small || (this.#withoutTcp.get(server) ?? 0) > this.#options.clock.nowMs()) {
      return transmit(flow, overDatagram);
    }
    this.#options.transport.withFlow(
      { ...flow.remote, protocol: 'tcp' },
      (connection) => transmit(connection, this.#withVia(request, connection)),
      () => {
        this.#withoutTcp.set(server, this.#options.clock.nowMs() + withoutTcpMs);
        transmit(flow, overDatagram);
      },
      { limitMs: switchMs },
    );
  }

  /** Tries the next server where this one does not answer or says 503: RFC 3263 §4.3. What has begun to ring has
   *  answered. */
  #failingOver(original: SipRequest, request: SipRequest, user: RequestUser, next: NextServer): ClientUser {
    let answered = false;
    const heard = (): void => {
      silence.cancel();
      this.#silences.delete(silence);
    };
    const tryNext = (giveUp: () => void): void => {
      heard();
      next((flow, after) => {
        const moved = user.moved === undefined ? request : user.moved(flow);
        if (moved === undefined) giveUp();
        else this.#send(original, moved, flow, user, { next: after });
      }, giveUp);
    };
    const silence = this.#options.clock.after(silentMs, () => {
      this.abandon(original);
      tryNext(() => user.failed({ why: 'timeout', message: `no server answered ${request.method}` }));
    });
    this.#silences.add(silence);
    return {
      received: (response) => {
        heard();
        if (response.status === 503 && !answered) return tryNext(() => user.received(response));
        answered ||= response.status > 100;
        user.received(response);
      },
      failed: (failure) => {
        if (answered) user.failed(failure);
        else tryNext(() => user.failed(failure));
      },
    };
  }

  close(): void {
    for (const timer of this.#silences) timer.cancel();
    this.#silences.clear();
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
