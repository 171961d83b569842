import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { WorkerCounters } from './media/media-messages.ts';
import { WorkerTotals } from './worker-totals.ts';

export type CallDirection = 'inbound' | 'outbound';

export interface CallOutcome {
  readonly direction: CallDirection;
  /** As in the end-of-call record: `ANSWERED`, `BUSY`, `NOANSWER`, `FAILED`, `N/A`. */
  readonly result: string;
  /** `CALLERHANGUP`, `TIMEOUT`, … */
  readonly reason: string;
  /** The same in our own words, which tell more apart: `rtp-timeout`. */
  readonly ending?: string;
}

/** The gateway's figures. Names and labels are those of the outside contract; nothing here throws, and no label
 *  takes its values from a peer without a limit. */
export interface Metrics {
  callStarted(direction: CallDirection): void;
  /** Once for every `callStarted`. */
  callEnded(outcome: CallOutcome): void;
  /** A SIP message on the wire; for a response the method of its CSeq. */
  sipMessage(method: string, direction: 'in' | 'out'): void;
  /** Anything dropped or refused, by its code: `no-route`, `bad-request-line`, `draining`. */
  counted(code: string): void;
  /** Bindings of phones that registered with us. */
  phonesRegistered(count: number): void;
  /** `trunk` is a name of the configuration. */
  trunkRegistered(trunk: string, registered: boolean): void;
  /** A datagram of SIP that the system did not take, by its code. */
  udpFailed(code: string): void;
  /** INVITE received to 200 sent. */
  setupSeconds(seconds: number): void;
  /** One POST to an application's server: `event` as in the message. */
  callbackTried(event: string, outcome: 'taken' | 'failed', seconds: number): void;
  /** What the media workers report, in the order of their numbers. Call it just before `text()`.
   *  `calls[i]` is the number of calls placed on worker `i`. */
  workers(counters: readonly WorkerCounters[], calls?: readonly number[]): void;
  /** The text exposition format of Prometheus, `contentType`. */
  text(): Promise<string>;
  readonly contentType: string;
  /** `read` is asked whenever the figures are. */
  watchBacklog(read: () => Backlog): void;
}

/** What waits, or is at work, in the control plane now. */
export interface Backlog {
  readonly callbacksWaiting: number;
  readonly recordings: number;
  /** Samples that wait for the disk, as bytes. */
  readonly recordingBytes: number;
  /** Audio in memory, fetched or decoded. */
  readonly audioCacheBytes: number;
}

export interface MetricsOptions {
  /** Also CPU, memory and event loop delay of this process. Once a process: it installs observers. */
  readonly process?: boolean;
  /** Asked whenever the figures are: log lines dropped so far. */
  readonly logLinesDropped?: () => number;
}

const methods = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO REFER NOTIFY SUBSCRIBE MESSAGE PUBLISH'.split(
    ' ',
  ),
);
const codesMax = 300;
/** With which a datagram may fail, `man 7 udp` and `man 7 ip`. */
const systemCodes = new Set(
  'EACCES EADDRNOTAVAIL EAFNOSUPPORT EAGAIN ECONNREFUSED EHOSTDOWN EHOSTUNREACH EINVAL EMSGSIZE ENETDOWN ENETUNREACH ENOBUFS ENOMEM EPERM'.split(
    ' ',
  ),
);

export function createMetrics({ process = false, logLinesDropped }: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const udpErrors = new Counter({
    name: 'callwire_udp_errors_total',
    help: 'Datagrams that the system did not take, by its code; of RTP one in 50 is asked about until one fails.',
    labelNames: ['code'],
    registers,
  });
  const udpFailed = (code: string, count = 1): void =>
    udpErrors.inc({ code: systemCodes.has(code) ? code : 'other' }, count);
  const totals = new WorkerTotals(registry, udpFailed);
  const codes = new Set<string>();
  if (process) collectDefaultMetrics({ register: registry });

  const callsActive = new Gauge({ name: 'callwire_calls_active', help: 'Calls now.', registers });
  const calls = new Counter({
    name: 'callwire_calls_total',
    help: 'Calls that ended, by how.',
    labelNames: ['direction', 'result', 'reason'],
    registers,
  });
  const endings = new Counter({
    name: 'callwire_call_endings_total',
    help: 'Calls that ended, by what ended them.',
    labelNames: ['ending'],
    registers,
  });
  const sipMessages = new Counter({
    name: 'callwire_sip_messages_total',
    help: 'SIP messages received and sent; a response counts for the method that it answers.',
    labelNames: ['method', 'direction'],
    registers,
  });
  const refused = new Counter({
    name: 'callwire_refused_total',
    help: 'Everything that was dropped or refused, by its reason.',
    labelNames: ['reason'],
    registers,
  });
  new Counter({
    name: 'callwire_log_lines_dropped_total',
    help: 'Log lines thrown away because their reader did not keep up.',
    registers,
    collect() {
      this.reset();
      this.inc(logLinesDropped?.() ?? 0);
    },
  });
  const phones = new Gauge({
    name: 'callwire_registrations',
    help: 'Contacts of phones that are registered here.',
    registers,
  });
  const trunks = new Gauge({
    name: 'callwire_trunk_registered',
    help: '1 while the registration at that trunk holds.',
    labelNames: ['trunk'],
    registers,
  });
  const setup = new Histogram({
    name: 'callwire_setup_seconds',
    help: 'From the INVITE to its 200 OK.',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers,
  });
  const callbacks = new Histogram({
    name: 'callwire_callback_seconds',
    help: 'POSTs to applications, from the wait for a connection to the whole answer.',
    labelNames: ['event', 'outcome'],
    buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
    registers,
  });

  return {
    contentType: registry.contentType,
    callStarted: () => callsActive.inc(),
    callEnded({ direction, result, reason, ending }) {
      callsActive.dec();
      if (ending !== undefined) endings.inc({ ending });
      calls.inc({ direction, result, reason });
    },
    sipMessage(method, direction) {
      sipMessages.inc({ method: methods.has(method) ? method : 'other', direction });
    },
    counted(code) {
      // Codes are ours, but a bug that put a peer's text into one must not grow the page without end.
      if (!codes.has(code) && codes.size < codesMax) codes.add(code);
      refused.inc({ reason: codes.has(code) ? code : 'other' });
    },
    phonesRegistered: (count) => phones.set(count),
    trunkRegistered: (trunk, registered) => trunks.set({ trunk }, registered ? 1 : 0),
    udpFailed: (code) => udpFailed(code),
    setupSeconds: (seconds) => setup.observe(seconds),
    callbackTried: (event, outcome, seconds) => callbacks.observe({ event, outcome }, seconds),
    workers: (counters, placed) => totals.take(counters, placed),
    watchBacklog: (read) => backlogGauges(registry, read),
    text: async () => `${await registry.metrics()}\n${totals.latenessText()}`,
  };
}

function backlogGauges(registry: Registry, read: () => Backlog): void {
  const gauge = (name: string, help: string, pick: (backlog: Backlog) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(pick(read()));
      },
    });
  };
  gauge(
    'callwire_callbacks_waiting',
    'DICE and notify that no server of their application has taken yet.',
    ({ callbacksWaiting }) => callbacksWaiting,
  );
  gauge(
    'callwire_recordings_active',
    'Recordings that are written or uploaded.',
    ({ recordings }) => recordings,
  );
  gauge(
    'callwire_recording_waiting_bytes',
    'Recorded samples that wait for the disk.',
    ({ recordingBytes }) => recordingBytes,
  );
  gauge(
    'callwire_audio_cache_bytes',
    'Audio that was fetched or decoded and is kept in memory.',
    ({ audioCacheBytes }) => audioCacheBytes,
  );
}
