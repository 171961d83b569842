import { expect } from 'vitest';
import type { Clock } from '../../../gateway/clock.ts';
import type { Network } from '../../../gateway/network.ts';
import type {
  InviteOptions,
  InviteSession,
  InviteSessionHandlers,
  OutsideReply,
  Referral,
  RequestSource,
  SessionEnd,
  UserAgent,
} from '../../../gateway/signaling/session.ts';
import { createUserAgent } from '../../../gateway/signaling/user-agent.ts';
import type { UserAgentOptions } from '../../../gateway/signaling/user-agent-options.ts';
import type { SipMessage, SipRequest } from '../../../protocol/sip/message.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type LinkOptions, MemoryNetwork } from '../../support/memory-network.ts';
import { createRandom } from '../../support/random.ts';

export const offerSdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
export const answerSdp = offerSdp.replace('4000', '5000');

/** One user agent of a test, and all that happened to it. */
export interface Agent {
  readonly userAgent: UserAgent;
  readonly uri: string;
  readonly port: number;
  /** What the handlers were told, in order: `accepted`, `ended:bye`. */
  readonly events: string[];
  readonly ends: SessionEnd[];
  readonly sessions: InviteSession[];
  readonly counted: string[];
  readonly sent: { readonly atMs: number; readonly message: SipMessage }[];
  readonly received: SipMessage[];
  readonly errors: unknown[];
  /** Overrides of the handlers for the sessions to come. */
  on: Partial<InviteSessionHandlers> & {
    invited?: (session: InviteSession) => void;
    /** An INVITE with Replaces. Default: takes over at once. */
    replacing?: (session: InviteSession, replaced: InviteSession) => void;
    requestedOutside?: (request: SipRequest, source: RequestSource) => OutsideReply;
  };
  readiness: number;
  handlers(): InviteSessionHandlers;
  call(
    to: { readonly uri: string },
    options?: Partial<Pick<InviteOptions, 'credentials' | 'headers' | 'offer' | 'ringLimitMs'>>,
  ): InviteSession;
  /** Times of what was sent, in ms since the first such message: `'200'`, `'INVITE'`. */
  times(what: string): number[];
}

export function createWorld(link: LinkOptions = {}): {
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
} {
  const clock = new FakeClock();
  return { clock, network: new MemoryNetwork(clock, link) };
}

export async function createAgent(
  { clock, network }: { readonly clock: Clock; readonly network: Network },
  options: Partial<UserAgentOptions> & { readonly seed?: number } = {},
): Promise<Agent> {
  const agent: Agent = {
    userAgent: undefined as unknown as UserAgent,
    uri: '',
    port: 0,
    events: [],
    ends: [],
    sessions: [],
    counted: [],
    sent: [],
    received: [],
    errors: [],
    on: {},
    readiness: 200,
    handlers: () => handlersFor(agent),
    call(to, callOptions = {}) {
      const session = agent.userAgent.invite(
        { target: to.uri, from: agent.uri, offer: () => offerSdp, ...callOptions },
        agent.handlers(),
      );
      agent.sessions.push(session);
      return session;
    },
    times(what) {
      const times = agent.sent.filter(({ message }) => labelOf(message) === what).map(({ atMs }) => atMs);
      return times.map((atMs) => atMs - times[0]!);
    },
  };
  const userAgent = await createUserAgent({
    clock,
    network,
    listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
    userAgentName: 'test',
    log: { debug() {}, info() {}, warn() {}, error: (fields) => agent.errors.push(fields) },
    random: createRandom(options.seed ?? 7),
    ...options,
    handlers: {
      invited(session) {
        agent.sessions.push(session);
        const handlers = agent.handlers();
        queueMicrotask(() => agent.on.invited?.(session));
        return handlers;
      },
      replacing(session, replaced) {
        agent.sessions.push(session);
        agent.events.push('replacing');
        const handlers = agent.handlers();
        queueMicrotask(() => {
          if (agent.on.replacing !== undefined) return agent.on.replacing(session, replaced);
          session.accept({ sdp: answerSdp });
          replaced.end({ status: 200 });
        });
        return handlers;
      },
      requestedOutside(request, source) {
        agent.events.push(`outside:${request.method}`);
        return agent.on.requestedOutside?.(request, source) ?? { status: 405 };
      },
      readiness: () => agent.readiness,
      counted: (code) => agent.counted.push(code),
      traced(direction, message) {
        if (direction === 'out') agent.sent.push({ atMs: clock.nowMs(), message });
        else agent.received.push(message);
      },
    },
  });
  const [listener] = userAgent.listening;
  opened.push(agent);
  const { protocol, address, port } = listener!;
  const host = address.includes(':') ? `[${address}]` : address;
  const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
  return Object.assign(agent, { userAgent, port, uri: `sip:agent${port}@${host}:${port}${transport}` });
}

function handlersFor(agent: Agent): InviteSessionHandlers {
  const { on, events } = agent;
  return {
    progressed(response) {
      events.push(`progressed:${response.status}`);
      on.progressed?.(response);
    },
    accepted(response, answer) {
      events.push('accepted');
      on.accepted?.(response, answer);
    },
    confirmed(answer) {
      events.push(answer === undefined ? 'confirmed' : 'confirmed:answer');
      on.confirmed?.(answer);
    },
    offered(offer) {
      events.push(offer === undefined ? 'offered:none' : 'offered');
      return on.offered?.(offer) ?? { answer: answerSdp };
    },
    requested(request: SipRequest) {
      events.push(`requested:${request.method}`);
      return on.requested?.(request) ?? { status: 200 };
    },
    refreshed(answer) {
      events.push('refreshed');
      on.refreshed?.(answer);
    },
    ...(on.referred && {
      referred(referral: Referral) {
        events.push('referred');
        return on.referred!(referral);
      },
    }),
    ended(end) {
      events.push(`ended:${end.cause === 'refused' ? end.response.status : end.cause}`);
      agent.ends.push(end);
      on.ended?.(end);
    },
  };
}

export function labelOf(message: SipMessage): string {
  return message.kind === 'request' ? message.method : String(message.status);
}

export const nothing = { sessions: 0, transactions: 0, dialogs: 0, connections: 0 };

const opened: Agent[] = [];

/** For `afterEach`: closes every agent of the test; none may have met an error of its own. */
export async function closeAgents(): Promise<void> {
  for (const agent of opened.splice(0)) {
    await agent.userAgent.close();
    expect(agent.errors).toEqual([]);
  }
}

/** 64·T1 and a while: every timer has run out. */
export async function expectNothingLeft(clock: FakeClock, ...agents: Agent[]): Promise<void> {
  await clock.advance(40_000);
  expect(agents.map(({ userAgent }) => userAgent.counts())).toEqual(agents.map(() => nothing));
  expect(clock.timers).toBe(0);
}

export const accept = { sdp: answerSdp };

export async function createPair(link: LinkOptions = {}) {
  const world = createWorld({ delayMs: 5, ...link });
  return {
    ...world,
    alice: await createAgent(world, { seed: 1 }),
    bob: await createAgent(world, { seed: 2 }),
  };
}

/** A call that is answered; both sides have the dialog. */
export async function createCall(link: LinkOptions = {}) {
  const pair = await createPair(link);
  pair.bob.on.invited = (session) => session.accept(accept);
  const caller = pair.alice.call(pair.bob);
  await pair.clock.until(() => pair.bob.events.includes('confirmed'), 30_000);
  return { ...pair, caller, callee: pair.bob.sessions[0]! };
}
