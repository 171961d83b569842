import { cpus } from 'node:os';
import { ApplicationSide } from './application-side.ts';
import { createCertificate } from './certificate.ts';
import { type AskedApplication, GatewayProcess } from './gateway-process.ts';
import { HarnessThread } from './harness-thread.ts';
import { Histogram } from './histogram.ts';
import type {
  PhoneCommand,
  PhoneMessage,
  PhonePhase,
  PhonePlan,
  PhoneReport,
  PhoneResult,
  StreamCommand,
  StreamCounters,
  StreamMessage,
  StreamPlan,
} from './load-messages.ts';
import { type LoadOptions, parseTarget } from './load-options.ts';
import { callbackFigures, findDoubts, judge, type LoadReport } from './load-report.ts';
import { joinMarkers, joinMoments } from './marker-join.ts';
import { joinRows } from './rows.ts';
import { UsageRecorder } from './usage-recorder.ts';

/** For the line that is shown while a run goes on, about once a second. */
export interface LoadProgress {
  readonly phase: PhonePhase;
  readonly secondsInPhase: number;
  readonly phones: PhoneReport;
  /** The gateway's share of one core in the last second. */
  readonly gatewayPercent: number | undefined;
}

export interface RunControl {
  readonly progress?: (progress: LoadProgress) => void;
  /** Aborting it hangs up and gives the report of what was measured until then. */
  readonly signal?: AbortSignal;
}

const QUIT_MS = 3000;
/** From the start of the gateway to the reading of its idle memory. */
const SETTLE_MS = 1000;
/** From the last hang-up to the last DICE. */
const NEWS_MS = 5000;
/** Of the application behind `--callbacks`. The gateway that knows it is reached by the harness alone. */
const benchApplication = { key: 'bench', secret: Buffer.from('of the load harness').toString('base64') };

type PhoneThread = HarnessThread<PhoneMessage, PhoneCommand>;
type StreamThread = HarnessThread<StreamMessage, StreamCommand>;

/** One run from the first process to the last. Rejects where a part could not start or the gateway died. */
export async function runLoad(options: LoadOptions, control: RunControl = {}): Promise<LoadReport> {
  const startedAt = new Date().toISOString();
  const closers: (() => Promise<void>)[] = [];
  try {
    const streams = options.spawn || options.streamListen !== undefined ? startStreams(options) : undefined;
    const servers = streams === undefined ? undefined : new StreamSide(streams.thread);
    if (servers !== undefined) closers.push(() => servers.quit());
    const ready = await streams?.thread.first('ready');
    servers?.listen();
    const streamUrl = `${options.tls ? 'wss' : 'ws'}://127.0.0.1:${ready?.port}/`;
    const application = await startApplication(options, streamUrl);
    if (application !== undefined) closers.push(() => application.side.quit());
    const gateway =
      options.spawn && ready !== undefined
        ? await GatewayProcess.start({
            streamUrl,
            sampleRateHz: options.sampleRateHz,
            application: application?.asked,
            workers: options.workers,
            calls: options.calls + Math.ceil(options.churnPerSecond * options.holdSeconds),
            trusted: streams?.certificate,
          })
        : undefined;
    if (gateway !== undefined) closers.push(() => gateway.stop());
    if (gateway !== undefined) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (control.signal?.aborted) throw new Error('interrupted before the first call');
    const target = gateway === undefined ? options.target! : `sip:echo@${gateway.sip}`;
    const usage = new UsageRecorder(gateway?.pid ?? options.pid, ready?.threadId);
    const phones = await runPhones(
      phonePlan(options, target),
      usage,
      control,
      () => gateway?.running ?? true,
    );
    usage.finish();
    await application?.side.settle(NEWS_MS);
    await application?.side.quit();
    await servers?.quit();
    return createReport(options, startedAt, phones, servers, application?.side, usage);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function startStreams(options: LoadOptions): { thread: StreamThread; certificate: string | undefined } {
  const listen = /^(.*):(\d+)$/.exec(options.streamListen ?? '127.0.0.1:0')!;
  const certificate = options.tls ? createCertificate(Date.now()) : undefined;
  const plan: StreamPlan = {
    host: listen[1]!.replace(/^\[|\]$/g, ''),
    port: Number(listen[2]),
    sampleRateHz: options.sampleRateHz,
    mode: options.mode,
    tls: certificate,
  };
  return { thread: new HarnessThread('streams-thread', plan), certificate: certificate?.cert };
}

async function startApplication(
  { callbackDelayMs, sampleRateHz }: LoadOptions,
  streamUrl: string,
): Promise<{ side: ApplicationSide; asked: AskedApplication } | undefined> {
  if (callbackDelayMs === undefined) return undefined;
  const plan = { ...benchApplication, delayMs: callbackDelayMs, streamUrl, sampleRateHz };
  const side = await ApplicationSide.start(plan);
  return { side, asked: { ...benchApplication, callbackUrl: side.url, delayMs: callbackDelayMs } };
}

/** What the stream servers' thread has told. */
class StreamSide {
  readonly #thread: StreamThread;
  readonly heard: Float64Array[] = [];
  readonly sent: Float64Array[] = [];
  readonly clears: Float64Array[] = [];
  counters: StreamCounters | undefined;
  #quit: Promise<void> | undefined;

  constructor(thread: StreamThread) {
    this.#thread = thread;
  }

  listen(): void {
    this.#thread.listen(
      (message) => {
        if (message.type !== 'report') return;
        this.counters = message.counters;
        this.heard.push(message.markersHeard);
        this.sent.push(message.markersSent);
        this.clears.push(message.clears);
      },
      // The calls that it loses are counted as such.
      () => {},
    );
  }

  quit(): Promise<void> {
    this.#quit ??= this.#thread.quit({ type: 'quit' }, QUIT_MS);
    return this.#quit;
  }
}

function phonePlan(options: LoadOptions, target: string): PhonePlan {
  const { host, port } = parseTarget(target)!;
  return {
    target,
    host,
    port,
    codec: options.codec,
    calls: options.calls,
    callsPerSecond: options.callsPerSecond,
    durationMs: options.durationSeconds * 1000,
    warmUpMs: options.warmUpSeconds * 1000,
    churnPerSecond: options.churnPerSecond,
    holdMs: options.holdSeconds * 1000,
    impairment: options.impairment,
    mode: options.mode,
    seed: options.seed,
  };
}

interface PhoneSide {
  readonly last: PhoneReport;
  readonly result: PhoneResult;
  readonly sent: readonly Float64Array[];
  readonly heard: readonly Float64Array[];
  readonly silences: readonly Float64Array[];
  readonly steadyFromMs: number;
  readonly steadyUntilMs: number;
}

function runPhones(
  plan: PhonePlan,
  usage: UsageRecorder,
  { progress, signal }: RunControl,
  gatewayRuns: () => boolean,
): Promise<PhoneSide> {
  const thread: PhoneThread = new HarnessThread('phones-thread', plan);
  const stop = (): void => thread.send({ type: 'stop' });
  signal?.addEventListener('abort', stop, { once: true });
  const sent: Float64Array[] = [];
  const heard: Float64Array[] = [];
  const silences: Float64Array[] = [];
  let phase: PhonePhase = 'ramp';
  let phaseMs = 0;
  let steadyFromMs = Number.POSITIVE_INFINITY;
  let steadyUntilMs = Number.NEGATIVE_INFINITY;
  let last: PhoneReport | undefined;
  return new Promise<PhoneSide>((resolve, reject) => {
    thread.listen((message) => {
      switch (message.type) {
        case 'ready':
          usage.phonesThread(message.threadId);
          break;
        case 'phase':
          phase = message.phase;
          phaseMs = message.atMs;
          if (phase === 'steady') {
            steadyFromMs = message.atMs;
            usage.beginSteady();
          } else if (phase === 'hangUp') {
            steadyUntilMs = message.atMs;
            usage.endSteady();
          }
          break;
        case 'report':
          last = message;
          sent.push(message.markersSent);
          heard.push(message.markersHeard);
          silences.push(message.silences);
          progress?.({
            phase,
            secondsInPhase: (message.atMs - phaseMs) / 1000,
            phones: message,
            gatewayPercent: usage.sample(),
          });
          if (!gatewayRuns()) reject(new Error('the gateway ended while it was being loaded'));
          break;
        case 'result':
          resolve({ last: last!, result: message, sent, heard, silences, steadyFromMs, steadyUntilMs });
          break;
      }
    }, reject);
  }).finally(async () => {
    signal?.removeEventListener('abort', stop);
    await thread.quit({ type: 'quit' }, QUIT_MS);
  });
}

function createReport(
  options: LoadOptions,
  startedAt: string,
  phones: PhoneSide,
  servers: StreamSide | undefined,
  application: ApplicationSide | undefined,
  usage: UsageRecorder,
): LoadReport {
  const { last, result, steadyFromMs, steadyUntilMs } = phones;
  const said = joinRows(phones.sent);
  const heard = joinRows(phones.heard);
  const echo = options.mode === 'echo';
  const up =
    servers === undefined
      ? undefined
      : joinMarkers(said, joinRows(servers.heard), steadyFromMs, steadyUntilMs);
  const down =
    servers === undefined
      ? undefined
      : joinMarkers(joinRows(servers.sent), heard, steadyFromMs, steadyUntilMs);
  const clear =
    servers === undefined || options.mode !== 'clear'
      ? undefined
      : joinMoments(joinRows(servers.clears), joinRows(phones.silences), 1000);
  const { packets } = last;
  const failedTotal = Object.values(last.calls.failed).reduce((sum, count) => sum + count, 0);
  const calls = { ...last.calls, failedTotal };
  const share = (count: number, of: number): number => (of > 0 ? (count * 100) / of : 0);
  const lostUp =
    servers?.counters === undefined ? undefined : Math.max(0, packets.sent - servers.counters.framesReceived);
  const packetFigures = {
    ...packets,
    lostPercent: share(packets.lost, packets.received + packets.lost),
    lostUp,
    lostUpPercent: lostUp === undefined ? undefined : share(lostUp, packets.sent),
    silentPercent: share(packets.silent, packets.received),
  };
  const spacing = Histogram.from(result.spacing).distribution();
  const roundTrip = echo ? Histogram.from(result.roundTrip).distribution() : undefined;
  const downlink = down?.audio.distribution();
  const callbacks = application && callbackFigures(application.counters);
  const gateway = usage.gateway(last.callSeconds, options.calls);
  const harness = {
    ...usage.harness(last.callSeconds),
    readGap: Histogram.from(result.ownReadGap).distribution(),
    sendLate: Histogram.from(result.ownSendLate).distribution(),
  };
  return {
    version: 1,
    startedAt,
    machine: { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length },
    options,
    steady: {
      seconds: Math.max(0, steadyUntilMs - steadyFromMs) / 1000 || 0,
      callSeconds: last.callSeconds,
    },
    calls,
    setup: Histogram.from(result.setup).distribution(),
    packets: packetFigures,
    jitter: Histogram.from(result.jitter).distribution(),
    spacing,
    roundTrip,
    uplinkAudio: up?.audio.distribution(),
    uplink: up?.transit.distribution(),
    downlink,
    clear: clear?.distribution(),
    markers: {
      up: up && { sent: up.sent, lost: up.lost },
      down: down && { sent: down.sent, lost: down.lost },
      unknown: result.markersUnknown + (servers?.counters?.markersUnknown ?? 0),
    },
    streams: servers?.counters,
    callbacks,
    gateway,
    harness,
    verdicts: judge(options, {
      calls,
      packets: packetFigures,
      delay: roundTrip ?? downlink,
      spacing,
      callbacks,
    }),
    doubts: findDoubts({ gateway, harness, packets: packetFigures }),
  };
}
