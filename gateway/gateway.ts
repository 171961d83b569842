import { opusLibrary } from '../codecs/opus-native.ts';
import { headerValue, type SipMessage } from '../protocol/sip/message.ts';
import type { AudioLibrary } from './audio/audio-library.ts';
import { callCodecs, missingCodec } from './call-codecs.ts';
import { CallPlane } from './call-plane.ts';
import { callSummary } from './call-summary.ts';
import type { Callbacks } from './callbacks/callbacks.ts';
import type { Call } from './calls/call.ts';
import type { CallHandlers } from './calls/call-context.ts';
import type { CallControl } from './calls/call-control.ts';
import type { CallRegistry } from './calls/registry.ts';
import { type Certificate, readCertificate } from './certificate-files.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { callTrace } from './control/call-trace.ts';
import { type CallSummary, startHttpServer } from './control/http-server.ts';
import { parseHttpListener, parseSipListener } from './listen-address.ts';
import { createLog, type Log } from './log.ts';
import { createMediaPool, type MediaPool, type MediaReport, type MediaSettings } from './media/media-pool.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { type Network, systemNetwork } from './network.ts';
import type { Recordings } from './recording/recordings.ts';
import { CertificateWatch } from './signaling/certificate-watch.ts';
import { MessageTrace, traceMessage } from './signaling/message-trace.ts';
import { traceBlock } from './signaling/readable-message.ts';
import type { RegistrationView } from './signaling/registrar.ts';
import type { UserAgent, UserAgentHandlers } from './signaling/session.ts';
import { receiveTextMessage } from './signaling/text-messages.ts';
import type { TrunkView } from './signaling/trunks.ts';
import { createUserAgent } from './signaling/user-agent.ts';
import { SipPeers } from './sip-peers.ts';
import { readStreamCertificates } from './stream-certificates.ts';

// A program that runs the gateway inside itself imports this file, and needs a configuration to start one.
export { type Config, ConfigError, type ConfigInput, defaultConfig, loadConfig } from './config.ts';

/** What the gateway touches of the world; tests bring a fake clock and a network in memory. */
export interface GatewayIo {
  readonly clock: Clock;
  readonly network: Network;
  readonly log: Log;
  createMediaPool(settings: MediaSettings & { readonly workers: number }): MediaPool;
  /** What happens in calls, for who runs the gateway inside a program of its own. */
  watching?: Pick<CallHandlers, 'digit' | 'held' | 'referred' | 'requested'> & {
    started?(call: Call): void;
    answered?(call: Call): void;
    ended?(call: Call): void;
  };
  /** Also figures of the whole process in the metrics. For one gateway of a process: it installs observers. */
  readonly processFigures?: boolean;
  /** In place of our own. */
  callbacks?: Callbacks;
  audio?: AudioLibrary;
  recordings?: Recordings;
  /** Takes every SIP message as a block of lines, credentials hidden. */
  traceSip?: (block: string) => void;
  /** Our address that faces a peer, where a listener is bound to all of them. */
  localAddressFor?: (peer: string) => Promise<string>;
}

export interface Gateway {
  /** Addresses really bound, as they are written in the configuration. */
  readonly listening: { readonly sip: readonly string[]; readonly http: string | undefined };
  readonly state: 'ready' | 'draining' | 'closed';
  readonly activeCalls: number;
  calls(): Promise<CallSummary[]>;
  /** What the API may do to calls. */
  readonly control: CallControl;
  /** Ends a call as the API would; false if there is none of that id. */
  hangup(callId: string): boolean;
  /** What is open below: all zero when every call has left nothing behind. */
  counts(): ReturnType<UserAgent['counts']> & { readonly calls: number };
  mediaReport(): Promise<MediaReport>;
  /** Phones that registered with us. */
  registrations(): RegistrationView[];
  /** The trunks of the configuration, and whether they are registered. */
  trunks(): TrunkView[];
  /** Reads the certificate of the SIP listeners anew, as it does by itself within a minute of a change. False where it
   *  cannot be used; the old one stays then. */
  reloadCertificates(): Promise<boolean>;
  /** Takes no new calls, lets live ones go on for up to `limitMs`, ends the rest, closes. */
  drain(limitMs: number): Promise<void>;
  /** Ends every call and closes at once. */
  close(): Promise<void>;
}

/** How long BYEs that we sent may wait for their answers before the sockets are closed. */
const farewellMs = 1_000;

/** Starts a gateway and resolves when every listener is bound. Rejects, with nothing left open, where one cannot. */
export async function startGateway(config: Config, given: Partial<GatewayIo> = {}): Promise<Gateway> {
  const io: GatewayIo = {
    clock: systemClock,
    network: systemNetwork,
    log: given.log ?? createLog({ level: config.log.level }),
    createMediaPool: (settings) => createMediaPool({ ...settings, log: io.log }),
    ...given,
  };
  const codecs = callCodecs(config.rtp.codecs);
  const missing = missingCodec(config.rtp.codecs);
  if (missing !== undefined) io.log.warn({ codec: 'opus' }, missing);
  const opusFec = codecs.some(({ name }) => name === 'opus') && opusLibrary !== undefined;
  io.log.info({ codecs: codecs.map(({ name }) => name), opusFec }, 'codecs of calls');
  const metrics = createMetrics({
    process: io.processFigures ?? false,
    logLinesDropped: () => io.log.linesDropped ?? 0,
  });
  const pool = io.createMediaPool({
    workers: config.media.workers,
    ports: config.rtp.ports,
    rtpTimeoutMs: config.rtp.timeout * 1000,
    encoding: config.rtp.opus,
    accelerator: config.media.accelerator,
  });
  const { calls: callsMax, messages: messagesMax } = config.sip.trace;
  const trace = new MessageTrace({ clock: io.clock, callsMax, messagesMax });
  let gateway: RunningGateway | undefined;
  try {
    await pool.start();
    const plane = new CallPlane({
      config,
      codecs,
      pool,
      metrics,
      ...io,
      watching: io.watching,
      named: (callId, sipCallId) => trace.name(callId, sipCallId),
      streamTls: await readStreamCertificates(config.stream.tls),
    });
    gateway = new RunningGateway(io, pool, plane, metrics, trace);
    await gateway.listen(config);
    return gateway;
  } catch (error) {
    // Why it did not start is what matters to the caller; closing logs its own failures.
    await (gateway ?? pool).close().catch(() => {});
    throw error;
  }
}

class RunningGateway implements Gateway {
  readonly #io: GatewayIo;
  readonly #pool: MediaPool;
  readonly #plane: CallPlane;
  readonly #registry: CallRegistry;
  readonly #metrics: Metrics;
  readonly #trace: MessageTrace;
  #userAgent: UserAgent | undefined;
  #peers: SipPeers | undefined;
  #certificate: CertificateWatch | undefined;
  #http: { readonly address: string; close(): Promise<void> } | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(io: GatewayIo, pool: MediaPool, plane: CallPlane, metrics: Metrics, trace: MessageTrace) {
    this.#io = io;
    this.#pool = pool;
    this.#plane = plane;
    this.#registry = plane.registry;
    this.#metrics = metrics;
    this.#trace = trace;
  }

  async listen(config: Config): Promise<void> {
    const peers = new SipPeers({
      config,
      clock: this.#io.clock,
      log: this.#io.log,
      metrics: this.#metrics,
    });
    const { tls } = config.sip;
    this.#userAgent = await createUserAgent({
      clock: this.#io.clock,
      network: this.#signalingNetwork(),
      log: this.#io.log,
      listen: config.sip.listen.map((text) => parseSipListener(text)!),
      ...(tls && { tls: { ...tls, ...(await readCertificate(tls, 'sip.tls')) } }),
      externalAddress: config.sip.externalAddress,
      userAgentName: 'Callwire',
      sessionTimer: sessionTimerOf(config.sip.sessionTimer),
      access: peers.access,
      limits: { connectionsPerSourceMax: config.sip.limits.connectionsPerSource },
      methodsServed: [...peers.methodsServed, 'MESSAGE'],
      ...(this.#io.localAddressFor && { localAddressFor: this.#io.localAddressFor }),
      handlers: {
        ...this.#signaling(),
        requestedOutside: (request, source) =>
          request.method === 'MESSAGE'
            ? receiveTextMessage(request, source, (message) => this.#plane.messageReceived(message))
            : peers.receive(request, source),
      },
    });
    await this.#watchCertificate(tls);
    this.#peers = peers;
    peers.start(this.#userAgent);
    this.#plane.useSip(this.#userAgent, peers);
    this.#http = await startHttpServer({
      listen: parseHttpListener(config.http.listen)!,
      tls: config.http.tls,
      applications: config.applications,
      limits: config.http.limits,
      control: this.#plane.control,
      metrics: this.#metrics,
      log: this.#io.log,
      view: {
        calls: () => this.calls(),
        hangup: (callId) => this.hangup(callId),
        trace: (callId) => {
          const messages = this.#trace.of(callId);
          return messages && callTrace(callId, messages);
        },
        drain: () => this.#startDraining(),
        state: () => (this.state === 'ready' ? 'ready' : 'draining'),
        workers: async () => (await this.#pool.report()).workers,
        callsByWorker: () => this.#registry.callsByWorker(),
      },
    });
  }

  async #watchCertificate(tls: Config['sip']['tls']): Promise<void> {
    if (tls === undefined) return;
    const { clock, log } = this.#io;
    const reload = (certificate: Certificate): void => this.#userAgent?.reloadTls({ ...tls, ...certificate });
    this.#certificate = new CertificateWatch({ files: tls, setting: 'sip.tls', clock, log, reload });
    await this.#certificate.start();
  }

  async reloadCertificates(): Promise<boolean> {
    return (await this.#certificate?.reload()) ?? true;
  }

  /** Counts what the system does not take of SIP; of RTP the workers report it. */
  #signalingNetwork(): Network {
    const sendFailed = (code: string): void => this.#metrics.udpFailed(code);
    return { openUdp: (options, receive) => this.#io.network.openUdp({ ...options, sendFailed }, receive) };
  }

  #signaling(): UserAgentHandlers {
    return {
      invited: (session) => this.#registry.invited(session),
      replacing: (session, replaced) => this.#registry.replacing(session, replaced),
      readiness: () => (this.#registry.draining ? 503 : 200),
      counted: (code) => this.#metrics.counted(code),
      traced: (direction, message, remote, local) => {
        this.#metrics.sipMessage(methodOf(message), direction);
        this.#trace.record(direction, message, remote, local);
        this.#io.traceSip?.(traceBlock(traceMessage(this.#io.clock, { direction, message, remote, local })));
      },
    };
  }

  get listening(): Gateway['listening'] {
    const sip = (this.#userAgent?.listening ?? []).map(
      ({ protocol, address, port }) =>
        `${protocol}:${address.includes(':') ? `[${address}]` : address}:${port}`,
    );
    return { sip, http: this.#http?.address };
  }

  get state(): Gateway['state'] {
    if (this.#closed) return 'closed';
    return this.#registry.draining ? 'draining' : 'ready';
  }

  get activeCalls(): number {
    return this.#registry.size;
  }

  async calls(): Promise<CallSummary[]> {
    const report = await this.#pool.report();
    return [...this.#registry.calls].map((call) => callSummary(call, report));
  }

  get control(): CallControl {
    return this.#plane.control;
  }

  hangup(callId: string): boolean {
    return this.#plane.control.hangup(callId);
  }

  counts(): ReturnType<Gateway['counts']> {
    const below = this.#userAgent?.counts() ?? { sessions: 0, transactions: 0, dialogs: 0, connections: 0 };
    return { calls: this.#registry.size, ...below };
  }

  registrations(): RegistrationView[] {
    return this.#peers?.registrations() ?? [];
  }

  trunks(): TrunkView[] {
    return this.#peers?.trunks() ?? [];
  }

  mediaReport(): Promise<MediaReport> {
    return this.#pool.report();
  }

  async drain(limitMs: number): Promise<void> {
    this.#startDraining(limitMs);
    await this.#within(limitMs, this.#registry.whenIdle());
    await this.close();
  }

  #startDraining(limitMs?: number): void {
    if (this.#registry.draining && limitMs === undefined) return;
    this.#registry.startDraining();
    this.#io.log.info({ calls: this.#registry.size, limitMs }, 'draining');
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Whatever fails, the rest is closed; rejects with the first failure then. */
  async #close(): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async (what: string, run: () => unknown): Promise<void> => {
      try {
        await run();
      } catch (error) {
        failures.push(error);
        this.#io.log.error({ err: error, what }, 'could not close');
      }
    };
    this.#certificate?.close();
    this.#registry.startDraining();
    await attempt('calls', () => this.#registry.endAll('shutdown'));
    const farewells = [
      attempt('calls', () => this.#whenQuiet()),
      attempt('registrations', () => this.#peers?.close()),
    ];
    await this.#within(
      farewellMs,
      Promise.all(farewells).then(() => {}),
    );
    await attempt('SIP', () => this.#userAgent?.close());
    await attempt('callbacks and recordings', () => this.#plane.close());
    await attempt('HTTP', () => this.#http?.close());
    await attempt('media', () => this.#pool.close());
    this.#closed = true;
    this.#io.log.info({}, 'closed');
    if (failures.length > 0) throw failures[0];
  }

  /** Every call is gone and every BYE answered. */
  async #whenQuiet(): Promise<void> {
    await this.#registry.whenIdle();
    while (!this.#closed && this.counts().sessions > 0) {
      await new Promise<void>((resolve) => this.#io.clock.after(20, resolve));
    }
  }

  async #within(limitMs: number, work: Promise<void>): Promise<void> {
    let give = (): void => {};
    const limit = new Promise<void>((resolve) => {
      give = resolve;
    });
    const timer = this.#io.clock.after(limitMs, give);
    await Promise.race([work, limit]);
    timer.cancel();
  }
}

function sessionTimerOf({ expires, minSe, refresher }: Config['sip']['sessionTimer']) {
  if (expires === 0) return undefined;
  return { expiresSeconds: expires, minSeSeconds: minSe, refresher };
}

function methodOf(message: SipMessage): string {
  if (message.kind === 'request') return message.method;
  return headerValue(message, 'CSeq')?.split(/\s+/)[1] ?? 'unknown';
}
