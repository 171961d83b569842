import type { Codec } from '../codecs/codec.ts';
import { parseUri } from '../protocol/sip/uri.ts';
import { type AudioLibrary, createAudioLibrary } from './audio/audio-library.ts';
import { type Callbacks, createCallbacks } from './callbacks/callbacks.ts';
import type { Call } from './calls/call.ts';
import type { CallContext, CallHandlers } from './calls/call-context.ts';
import { Conferences } from './calls/conferences.ts';
import { ControlEvents } from './calls/control-events.ts';
import { diceOf, endingCode, refusalCode } from './calls/end-reason.ts';
import { LiveCallControl } from './calls/live-call-control.ts';
import { CallRegistry } from './calls/registry.ts';
import { StreamCircuits } from './calls/stream-circuits.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { GatewayError } from './errors.ts';
import type { Log } from './log.ts';
import type { StreamTls } from './media/media-messages.ts';
import type { MediaPool } from './media/media-pool.ts';
import type { Metrics } from './metrics.ts';
import { createRecordings, type Recordings } from './recording/recordings.ts';
import { Destinations } from './routing/destinations.ts';
import { createEndpointGuard } from './routing/endpoint-guard.ts';
import { OutboundGuard } from './routing/outbound-guard.ts';
import { createRouter } from './routing/router.ts';
import { findRoute } from './routing/static-routes.ts';
import type { RegisteredContact } from './signaling/registrar.ts';
import type { UserAgent } from './signaling/session.ts';
import type { TextMessage } from './signaling/text-messages.ts';

export interface CallPlaneOptions {
  readonly config: Config;
  readonly codecs: readonly Codec[];
  readonly clock: Clock;
  readonly log: Log;
  readonly pool: MediaPool;
  readonly metrics: Metrics;
  readonly watching: Partial<CallHandlers> | undefined;
  /** In place of our own; they are closed with the plane. */
  readonly callbacks?: Callbacks | undefined;
  readonly audio?: AudioLibrary | undefined;
  readonly recordings?: Recordings | undefined;
  /** Certificates towards stream servers; none where it is left out. */
  readonly streamTls?: ((endpoint: string) => StreamTls | undefined) | undefined;
  /** The Call-ID of a dialog that belongs to a call. */
  named(callId: string, sipCallId: string): void;
}

/** All that calls work with, put together. SIP is added once it runs. */
export class CallPlane {
  readonly registry: CallRegistry;
  readonly control: LiveCallControl;
  readonly conferences: Conferences;
  readonly #callbacks: Callbacks;
  readonly #audio: AudioLibrary;
  readonly #recordings: Recordings;
  readonly #events: ControlEvents;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #counted: (code: string) => void;
  #userAgent: Pick<UserAgent, 'invite'> | undefined;
  #lookup: (username: string) => readonly RegisteredContact[] = () => [];

  constructor(options: CallPlaneOptions) {
    const { config, clock, log, pool, metrics } = options;
    const counted = (code: string): void => metrics.counted(code);
    const { applications } = config;
    const guard = createEndpointGuard(config.stream.endpoints);
    const webGuard = createEndpointGuard({ ...config.stream.endpoints, kind: 'web' });
    const secrets = new Map(applications.map(({ key, secret }) => [key, Buffer.from(secret, 'base64')]));
    this.#callbacks =
      options.callbacks ??
      createCallbacks({
        applications,
        limits: config.callbacks,
        clock,
        log,
        guard: webGuard,
        counted,
        tried: (...post) => metrics.callbackTried(...post),
      });
    this.#audio =
      options.audio ??
      createAudioLibrary({ settings: config.audio, speech: config.speech, guard: webGuard, clock, counted });
    this.#recordings = options.recordings ?? createRecordings({ ...config.recording, log, clock, counted });
    metrics.watchBacklog(() => ({
      callbacksWaiting: this.#callbacks.waiting,
      recordings: this.#recordings.counters().active,
      recordingBytes: this.#recordings.counters().waitingBytes,
      audioCacheBytes: this.#audio.counters().cacheBytes,
    }));
    this.conferences = new Conferences(pool);
    const events = new ControlEvents(log);
    this.#events = events;
    this.#config = config;
    this.#clock = clock;
    this.#counted = counted;
    const router = createRouter(config);
    const context: CallContext = {
      clock,
      log,
      pool,
      callbacks: this.#callbacks,
      audio: this.#audio,
      recordings: this.#recordings,
      guard,
      conferences: this.conferences,
      destinations: new Destinations({ config, lookup: (username) => this.#lookup(username) }),
      outbound: new OutboundGuard(config, counted),
      route: (party) => router.route(party),
      invite: (...args) => {
        if (this.#userAgent === undefined) throw new GatewayError('closed', 'SIP does not run');
        return this.#userAgent.invite(...args);
      },
      happened: events.happened,
      counted,
      applicationKey: applications[0]?.key ?? '',
      sip: {
        codecs: options.codecs,
        rtpAddress: config.rtp.address,
        externalAddress: config.sip.externalAddress,
        symmetric: config.rtp.symmetric,
        srtp: config.rtp.srtp,
      },
      streamAccess: {
        circuits: circuitsOf(options),
        secretOf: (key) => secrets.get(key),
        tlsFor: options.streamTls ?? (() => undefined),
      },
      streamLimits: {
        connectTimeoutMs: config.stream.connectTimeoutMs,
        answerTimeoutMs: config.stream.answerTimeoutMs,
        idleTimeoutMs: config.stream.idleTimeout * 1000,
        bufferBytes: config.stream.bufferBytes,
        pingTimeoutMs: config.stream.pingTimeout * 1000,
        messagesPerSecond: config.stream.messagesPerSecond,
      },
    };
    this.registry = new CallRegistry({
      nodeId: config.node.id,
      maxCalls: config.sip.maxCalls,
      overloaded: () => pool.overloaded,
      context,
      counted: (reason) => metrics.counted(refusalCode(reason) ?? reason),
      handlers: handlersOf(options),
    });
    this.control = new LiveCallControl({
      registry: this.registry,
      conferences: this.conferences,
      hasCallbacks: (key) =>
        applications.some((application) => application.key === key && application.callbackUrl !== undefined),
      followsTransfers: (key) => applications.some((known) => known.key === key && known.transfers),
      watch: events.watch,
    });
  }

  /** Calls can be placed from now on, and phones that registered be found. */
  useSip(
    userAgent: Pick<UserAgent, 'invite'>,
    peers: { lookup(username: string): readonly RegisteredContact[] },
  ): void {
    this.#userAgent = userAgent;
    this.#lookup = (username) => peers.lookup(username);
  }

  /** A MESSAGE outside any call goes to the application that its route names, as an event. False where there is none. */
  messageReceived(message: TextMessage): boolean {
    const { routes = [], applications } = this.#config;
    const [from, to] = [userOf(message.from), userOf(message.to)];
    const applicationKey = findRoute(routes, { from, to })?.application ?? applications[0]?.key;
    if (applicationKey === undefined) {
      this.#counted('no-route');
      return false;
    }
    const timestamp = new Date(this.#clock.wallMs()).toISOString();
    this.#events.happened({ ...message, type: 'message.received', callId: '', applicationKey, timestamp });
    return true;
  }

  /** Once no call is left: news and recordings get a last try. */
  async close(): Promise<void> {
    await Promise.all([this.#callbacks.close(), this.#recordings.close(), this.#audio.close()]);
  }
}

function userOf(uri: string): string {
  const { user, host } = parseUri(uri);
  return user ?? host;
}

function circuitsOf({ clock, log, metrics }: CallPlaneOptions): StreamCircuits {
  return new StreamCircuits({
    clock,
    changed: (endpoint, state, failures) => {
      if (state === 'closed') return log.info({ endpoint }, 'stream endpoint works again');
      metrics.counted('stream-circuit-open');
      log.warn({ endpoint, failures }, 'stream endpoint is left alone for a while');
    },
  });
}

function handlersOf({ metrics, watching, named }: CallPlaneOptions): CallHandlers {
  return {
    ...watching,
    named: (call, sipCallId) => named(call.callId, sipCallId),
    started: (call) => {
      metrics.callStarted(call.direction);
      watching?.started?.(call);
    },
    answered: (call) => {
      metrics.setupSeconds(((call.answeredMs ?? 0) - call.startedMs) / 1000);
      watching?.answered?.(call);
    },
    ending: (call) => {
      const { direction, answeredMs, endReason = 'internalError' } = call;
      const { result, reason } = diceOf(endReason, answeredMs !== undefined);
      metrics.callEnded({ direction, result, reason, ending: endingCode(endReason) });
      const code = answeredMs === undefined && refusalCode(endReason);
      if (code) metrics.counted(code);
      watching?.ending?.(call);
    },
    ended: (call: Call) => watching?.ended?.(call),
  };
}
