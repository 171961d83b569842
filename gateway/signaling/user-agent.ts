import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import type { OutboundSession } from '../../protocol/sip/outbound-session.ts';
import { isSoundResponse } from '../../protocol/sip/request-check.ts';
import type { RequestSeries } from '../../protocol/sip/request-series.ts';
import { createResponse } from '../../protocol/sip/response.ts';
import type { RequestFailure, SessionProfile } from '../../protocol/sip/session-actions.ts';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { Admission } from './admission.ts';
import { createInbound } from './inbound-call.ts';
import { InvitePlacement } from './invite-placement.ts';
import { LiveSession, type SessionHost } from './live-session.ts';
import { systemLocalAddressFor } from './local-address.ts';
import { systemNameService } from './name-service.ts';
import { createOutbound } from './outbound-call.ts';
import { type OutsideRequestOptions, OutsideRequests } from './outside-requests.ts';
import { findReplaced } from './replaced-session.ts';
import { RequestReceiver } from './request-receiver.ts';
import { isSecureUri, type NextServer, RequestSender, type RequestUser } from './request-sender.ts';
import type {
  InviteOptions,
  InviteSession,
  InviteSessionHandlers,
  SipAddress,
  UserAgent,
  UserAgentCounts,
  UserAgentHandlers,
} from './session.ts';
import { createProfile } from './session-profile.ts';
import { SessionTable } from './session-table.ts';
import type { SipFlow } from './sip-flow.ts';
import type { SipTls } from './sip-tls.ts';
import { SipTransport } from './sip-transport.ts';
import { TargetResolver } from './target-resolver.ts';
import { Transactions } from './transactions.ts';
import { limitsDefault, type UserAgentLimits, type UserAgentOptions } from './user-agent-options.ts';

/** Binds every listener. Rejects with the system's error (`EADDRINUSE`, `EACCES`), leaving none bound. */
export async function createUserAgent(options: UserAgentOptions): Promise<UserAgent> {
  const userAgent = new SipUserAgent(options);
  await userAgent.listen();
  return userAgent;
}

class SipUserAgent implements UserAgent, SessionHost {
  readonly clock: Clock;
  readonly #options: UserAgentOptions;
  readonly #handlers: UserAgentHandlers;
  readonly #limits: UserAgentLimits;
  readonly #profile: SessionProfile;
  readonly #transport: SipTransport;
  readonly #transactions: Transactions;
  readonly #sender: RequestSender;
  readonly #receiver: RequestReceiver;
  readonly #admission: Admission;
  readonly #outside: OutsideRequests;
  readonly #sessions = new SessionTable();
  /** INVITEs whose local address is being looked up. */
  readonly #arriving = new Set<SipRequest>();
  #open = true;

  constructor(options: UserAgentOptions) {
    this.clock = options.clock;
    this.#options = options;
    this.#handlers = options.handlers;
    this.#limits = { ...limitsDefault, ...options.limits };
    this.#profile = createProfile(options);
    const { random } = this.#profile;
    this.#admission = new Admission({
      access: options.access ?? {},
      clock: options.clock,
      log: options.log,
      counted: (code) => this.#counted(code),
    });
    this.#transport = new SipTransport({
      clock: options.clock,
      network: options.network,
      listen: options.listen,
      tls: options.tls,
      connectionsMax: this.#limits.connectionsMax,
      connectionsPerSourceMax: this.#limits.connectionsPerSourceMax,
      random,
      localAddressFor: options.localAddressFor ?? systemLocalAddressFor,
      received: (message, flow) => this.#guard(() => this.#receive(message, flow)),
      rejected: (error, flow) => this.#guard(() => this.#receiver.reject(error, flow)),
      closed: (flow) => this.#guard(() => this.#transactions.flowClosed(flow)),
      inUse: (flow) => this.#sessions.use(flow),
      acceptsConnection: (address) => this.#admission.acceptsConnection(address),
      counted: (code) => this.#counted(code),
      traced: (direction, message, { remote, local }) =>
        this.#handlers.traced?.(direction, message, remote, local),
    });
    this.#transactions = new Transactions({
      clock: options.clock,
      timings: this.#profile.timings,
      sendRequest: (request, flow) => this.#send(request, flow),
      sendResponse: (response, flow) => this.#send(response, flow),
      counted: (code) => this.#counted(code),
    });
    this.#sender = new RequestSender({
      transport: this.#transport,
      transactions: this.#transactions,
      externalAddress: options.externalAddress,
      clock: options.clock,
      resolver: new TargetResolver({
        clock: options.clock,
        names: options.names ?? systemNameService(),
        random,
      }),
      createToken: this.#profile.createToken,
    });
    this.#outside = new OutsideRequests({
      sender: this.#sender,
      externalAddress: options.externalAddress,
      userAgentName: options.userAgentName,
      createToken: this.#profile.createToken,
      counted: (code) => this.#counted(code),
    });
    this.#receiver = new RequestReceiver({
      transport: this.#transport,
      admission: this.#admission,
      methodsServed: options.methodsServed ?? [],
      requested: (request, source) => this.#handlers.requestedOutside?.(request, source) ?? { status: 405 },
      transactions: this.#transactions,
      profile: this.#profile,
      transactionsMax: this.#limits.transactionsMax,
      inDialog: (key) => this.#sessions.ofDialog(key),
      ofInvite: (invite) => this.#sessions.ofInvite(invite),
      invited: (invite, flow) => this.#invited(invite, flow),
      cancelledEarly: (invite) => this.#cancelledEarly(invite),
      full: () => this.#sessions.size >= this.#limits.sessionsMax,
      readiness: () => this.#handlers.readiness(),
      counted: (code) => this.#counted(code),
    });
  }

  listen(): Promise<void> {
    return this.#transport.listen();
  }

  get listening(): readonly SipAddress[] {
    return this.#transport.listening;
  }

  reloadTls(tls: SipTls): void {
    this.#transport.reloadTls(tls);
  }

  counts(): UserAgentCounts {
    return {
      sessions: this.#sessions.size,
      transactions: this.#transactions.size,
      dialogs: this.#sessions.dialogs,
      connections: this.#transport.connections,
    };
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    for (const session of this.#sessions.sessions) session.close();
    this.#sessions.clear();
    this.#arriving.clear();
    this.#outside.close();
    this.#sender.close();
    this.#admission.close();
    this.#transactions.close();
    await this.#transport.close();
  }

  // ---- requests outside calls

  request(options: OutsideRequestOptions): Promise<SipResponse> {
    return this.#outside.request(options);
  }

  createSeries(options: Parameters<UserAgent['createSeries']>[0]): RequestSeries {
    return this.#outside.createSeries(options);
  }

  // ---- calls we place

  /** Throws `ProtocolError` for a bad URI, `TypeError` for line breaks in a header. */
  invite(options: InviteOptions, handlers: InviteSessionHandlers): InviteSession {
    const { session, machine, user } = createOutbound(options, {
      host: this,
      profile: this.#profile,
      listening: this.listening,
    });
    this.#sessions.add(session);
    session.attach(handlers);
    // The caller has its session before anything happens to it.
    queueMicrotask(() => this.#guard(() => this.#start(session, machine, options, user)));
    return session;
  }

  #start(session: LiveSession, machine: OutboundSession, options: InviteOptions, user: string): void {
    if (!this.#open || session.state === 'ended') return;
    const fail = ({ message }: RequestFailure): void => session.run(machine.fail(message));
    if (this.#sessions.size > this.#limits.sessionsMax) {
      this.#counted('session-limit');
      return fail({ why: 'transport', message: `no more than ${this.#limits.sessionsMax} sessions` });
    }
    const { externalAddress } = this.#options;
    const placement = new InvitePlacement({ session, options, user, externalAddress });
    session.placement = placement;
    const found = (flow: SipFlow, next?: NextServer): void => {
      try {
        placement.place(flow, next);
      } catch (error) {
        this.handlerFailed(error, session);
        return fail({ why: 'transport', message: `no offer could be made: ${errorMessage(error)}` });
      }
      session.flowHops.add(options.target);
      session.run(machine.start(placement.contact, placement.offer));
    };
    const use = (flow: SipFlow, next?: NextServer): void => this.#guard(() => found(flow, next));
    session.keepsFlow = options.flow?.open === true;
    if (options.flow?.open) this.#sender.locateOver(options.flow, use, fail);
    else this.#sender.locate(options.target, use, fail);
  }

  // ---- calls that come in

  #invited(invite: SipRequest, flow: SipFlow): void {
    if (isSecureUri(invite.uri) && flow.protocol !== 'tls') {
      // Whoever sent it on has broken the caller's trust already; no answer of ours may hide that.
      this.#counted('sips-without-tls');
      const reasonPhrase = 'SIPS Needs TLS On Every Hop';
      const toTag = this.#receiver.tagFor(invite);
      this.#transactions.respond(invite, createResponse(invite, 403, { toTag, reasonPhrase }));
      return;
    }
    const located = this.#transport.resolveLocal(flow);
    if (!(located instanceof Promise)) return this.#begin(invite, located);
    this.#arriving.add(invite);
    located.then(
      (ready) => this.#guard(() => (this.#arriving.delete(invite) ? this.#begin(invite, ready) : undefined)),
      () => this.#guard(() => this.#refuseArriving(invite, 500)),
    );
  }

  #cancelledEarly(invite: SipRequest): void {
    this.#refuseArriving(invite, 487);
  }

  #refuseArriving(invite: SipRequest, status: number): void {
    if (!this.#arriving.delete(invite)) return;
    const toTag = this.#receiver.tagFor(invite);
    this.#transactions.respond(invite, createResponse(invite, status, { toTag }));
  }

  #begin(invite: SipRequest, flow: SipFlow): void {
    const session = createInbound(invite, flow, {
      host: this,
      profile: this.#profile,
      externalAddress: this.#options.externalAddress,
    });
    if (!(session instanceof LiveSession)) {
      const { status, headers, code } = session;
      this.#counted(code);
      const toTag = this.#receiver.tagFor(invite);
      this.#transactions.respond(invite, createResponse(invite, status, { toTag, headers }));
      return;
    }
    this.#sessions.add(session, invite);
    const { replacing } = this.#handlers;
    const found =
      replacing === undefined ? undefined : findReplaced(invite, (key) => this.#sessions.ofDialog(key));
    if (found?.refuseWith !== undefined) {
      this.#counted('replaces-refused');
      session.attach({ ended() {} });
      return session.end({ status: found.refuseWith });
    }
    try {
      session.attach(
        found === undefined ? this.#handlers.invited(session) : replacing!(session, found.session),
      );
    } catch (error) {
      this.handlerFailed(error, session);
      session.attach({ ended() {} });
      session.end({ status: 500 });
    }
  }

  // ---- what sessions ask for

  respond(request: SipRequest, response: SipResponse): void {
    this.#transactions.respond(request, response);
  }

  send(request: SipRequest, nextHop: string, session: LiveSession): void {
    const { placement } = session;
    const placing = placement !== undefined && request.method === 'INVITE' && session.state === 'early';
    const user: RequestUser = {
      received: (response) => session.receiveResponse(request, response),
      failed: (failure) => session.requestFailed(request, failure),
      ...(placing && { moved: (flow) => placement.move(request, flow) }),
    };
    this.#withFlow(
      nextHop,
      session,
      (flow, next) =>
        this.#sender.send(request, flow, user, {
          next: placing ? placement.takeNext() : next,
          keepsFlow: session.keepsFlow || (session.direction === 'inbound' && session.flowHops.has(nextHop)),
          ...(placing && { as: placement.readdress(request) }),
        }),
      user.failed,
    );
  }

  sendAck(ack: SipRequest, nextHop: string, session: LiveSession): void {
    const lost = (): void => this.#counted('ack-undeliverable');
    this.#withFlow(nextHop, session, (flow) => this.#sender.sendAck(ack, flow), lost);
  }

  #withFlow(
    nextHop: string,
    session: LiveSession,
    use: (flow: SipFlow, next?: NextServer) => void,
    failed: (failure: RequestFailure) => void,
  ): void {
    const { flow, flowHops } = session;
    if (flow?.open && flowHops.has(nextHop)) return use(flow);
    const failedThere = (failure: RequestFailure): void => {
      // A Contact with a name that nobody knows: where the far side last spoke from is worth a try.
      if (flow?.open) use(flow);
      else failed(failure);
    };
    const guarded = (located: SipFlow, next?: NextServer): void => this.#guard(() => use(located, next));
    this.#sender.locate(nextHop, guarded, failedThere, flow);
  }

  cancel(invite: SipRequest, headers: readonly SipHeader[]): void {
    this.#sender.cancel(invite, headers);
  }

  abandon(invite: SipRequest): void {
    this.#sender.abandon(invite);
  }

  changed(session: LiveSession): void {
    if (!this.#sessions.changed(session)) return;
    const { machine, flow } = session;
    if (machine.direction !== 'outbound' || !(session.keepsFlow || flow?.reliable === true)) return;
    for (const { routeSet, nextHop } of machine.dialogs)
      if (routeSet.length === 0) session.flowHops.add(nextHop);
  }

  handlerFailed(error: unknown, session: LiveSession): void {
    this.#counted('handler-failed');
    this.#options.log.error({ err: error, sipCallId: session.sipCallId }, 'a session handler failed');
  }

  // ---- messages

  #receive(message: SipMessage, flow: SipFlow): void {
    if (!this.#open) return;
    if (message.kind === 'request') return this.#receiver.receive(message, flow);
    if (!isSoundResponse(message)) return this.#counted('bad-response');
    if (!this.#transactions.receiveResponse(message)) this.#counted('stray-response');
  }

  #send(message: SipMessage, flow: SipFlow): void {
    this.#guard(() => {
      if (message.kind === 'request') this.#transport.send(message, flow);
      else this.#transport.respond(message, flow);
    });
  }

  /** One bad message, or one mistake of ours, must not take the other calls with it. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof ProtocolError) return this.#counted(error.code);
      this.#counted('internal-error');
      this.#options.log.error({ err: error }, 'signalling failed on one message');
    }
  }

  #counted(code: string): void {
    this.#handlers.counted?.(code);
  }
}
