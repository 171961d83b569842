import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  RtpCounters,
  StreamCounters,
  WorkerCounters,
} from './media-messages.ts';
import type { MediaGroup, MediaReport } from './media-pool.ts';
import { noTotals } from './media-totals.ts';
import { latenessMsBounds } from './timing-wheel.ts';

type Report = Extract<MediaEvent, { readonly type: 'report' }>;

interface Group {
  readonly worker: number;
  readonly receive: (event: MediaEvent) => void;
  /** Opened and not yet closed, by kind. */
  readonly endpoints: Map<EndpointId, EndpointKind>;
  released: boolean;
}

/** Is given, for each worker that is asked, what ends the wait for it; true where it had not answered. */
type ReportLimit = (worker: number, giveUp: () => boolean) => void;

/** Which endpoint belongs to whom, and on which worker: the bookkeeping of every media pool. */
export class PoolGroups {
  readonly #post: (worker: number, command: MediaCommand) => void;
  readonly #groupOf = new Map<EndpointId, Group>();
  readonly #load: number[];
  readonly #reports = new Map<number, (report: Report | undefined) => void>();
  /** Report requests that each worker has not answered. */
  readonly #reportsDue: Set<number>[];
  /** What each worker said last. */
  readonly #counted: WorkerCounters[];
  /** Workers that run late. */
  readonly #late = new Set<number>();
  /** Workers that died and are not back yet. */
  readonly #down = new Set<number>();
  #nextRequestId = 1;

  constructor(workers: number, post: (worker: number, command: MediaCommand) => void) {
    this.#post = post;
    this.#load = new Array<number>(workers).fill(0);
    this.#counted = new Array<WorkerCounters>(workers).fill(nothingCounted);
    this.#reportsDue = Array.from({ length: workers }, () => new Set<number>());
  }

  /** Endpoints that are open. */
  get endpoints(): number {
    return this.#groupOf.size;
  }

  /** No worker has room for another call. */
  get overloaded(): boolean {
    return this.#late.size > 0 && this.#late.size + this.#down.size >= this.#load.length;
  }

  open(receive: (event: MediaEvent) => void, beside?: MediaGroup): MediaGroup {
    const worker = beside?.worker ?? this.#leastLoaded();
    this.#load[worker]!++;
    const group: Group = { worker, receive, endpoints: new Map(), released: false };
    return {
      worker,
      send: (command) => this.#send(group, command),
      release: () => this.#release(group),
    };
  }

  /** An event from a worker. */
  receive(worker: number, event: MediaEvent): void {
    if (event.type === 'report') {
      this.#counted[worker] = event.worker;
      this.#reports.get(event.requestId)?.(event);
      return;
    }
    if (event.type === 'load') {
      if (event.overloaded) this.#late.add(worker);
      else this.#late.delete(worker);
      return;
    }
    const group = this.#groupOf.get(event.endpointId);
    if (group === undefined) return;
    if (lastEvents.has(event.type)) {
      this.#groupOf.delete(event.endpointId);
      group.endpoints.delete(event.endpointId);
    }
    if (!group.released) group.receive(event);
  }

  /** A worker is gone: each of its endpoints gets its last event, each report that waits for it goes without, and new
   *  groups go to the others until it is `back`. */
  lose(worker: number): void {
    this.#down.add(worker);
    this.#late.delete(worker);
    this.#counted[worker] = nothingCounted;
    for (const [endpointId, group] of [...this.#groupOf]) {
      if (group.worker !== worker) continue;
      const kind = group.endpoints.get(endpointId)!;
      for (const event of lost[kind](endpointId)) this.receive(worker, event);
    }
    for (const requestId of [...this.#reportsDue[worker]!]) this.#reports.get(requestId)?.(undefined);
  }

  /** Another worker took the place of the one that was lost. */
  back(worker: number): void {
    this.#down.delete(worker);
  }

  /** Where the wait is given up, the report has what the worker counted when it last spoke, and none of its endpoints. */
  async report(limit: ReportLimit = () => {}): Promise<MediaReport> {
    const answers = await Promise.all(this.#load.map((_calls, worker) => this.#reportOf(worker, limit)));
    const rtp = new Map<EndpointId, RtpCounters>();
    const streams = new Map<EndpointId, StreamCounters>();
    for (const answer of answers) {
      for (const [endpointId, counters] of Object.entries(answer?.rtp ?? {})) rtp.set(endpointId, counters);
      for (const [endpointId, counters] of Object.entries(answer?.streams ?? {}))
        streams.set(endpointId, counters);
    }
    return {
      rtp,
      streams,
      workers: answers.map((answer, worker) => answer?.worker ?? this.#counted[worker] ?? nothingCounted),
    };
  }

  #leastLoaded(): number {
    const all = this.#load.map((_calls, worker) => worker);
    const up = all.filter((worker) => !this.#down.has(worker));
    const inTime = up.filter((worker) => !this.#late.has(worker));
    return [inTime, up, all]
      .find(({ length }) => length > 0)!
      .reduce((best, worker) => (this.#load[worker]! < this.#load[best]! ? worker : best));
  }

  #reportOf(worker: number, limit: ReportLimit): Promise<Report | undefined> {
    const requestId = this.#nextRequestId++;
    return new Promise((resolve) => {
      this.#reportsDue[worker]!.add(requestId);
      this.#reports.set(requestId, (report) => {
        this.#reports.delete(requestId);
        this.#reportsDue[worker]!.delete(requestId);
        resolve(report);
      });
      limit(worker, () => {
        const waits = this.#reports.get(requestId);
        waits?.(undefined);
        return waits !== undefined;
      });
      this.#post(worker, { type: 'report', requestId });
    });
  }

  #send(group: Group, command: MediaCommand): void {
    if (group.released) return;
    const kind = opens[command.type];
    if (kind !== undefined && 'endpointId' in command) {
      group.endpoints.set(command.endpointId, kind);
      this.#groupOf.set(command.endpointId, group);
    }
    this.#post(group.worker, command);
  }

  #release(group: Group): void {
    if (group.released) return;
    for (const [endpointId, kind] of group.endpoints) this.#post(group.worker, closing[kind](endpointId));
    group.released = true;
    this.#load[group.worker]!--;
  }
}

const nothingCounted: WorkerCounters = {
  endpoints: 0,
  latenessMsBounds,
  latenessMsBuckets: [...latenessMsBounds.map(() => 0), 0],
  latenessMsSum: 0,
  framesSkipped: 0,
  portsInUse: 0,
  ...noTotals(),
};

type EndpointKind = 'rtp' | 'stream' | 'player' | 'mixer' | 'recorder' | 'tap';

const opens: Readonly<Partial<Record<MediaCommand['type'], EndpointKind>>> = {
  openRtp: 'rtp',
  openStream: 'stream',
  openPlayer: 'player',
  openMixer: 'mixer',
  openRecorder: 'recorder',
  openTap: 'tap',
};

const closing: Readonly<Record<EndpointKind, (endpointId: EndpointId) => MediaCommand>> = {
  rtp: (endpointId) => ({ type: 'closeRtp', endpointId }),
  stream: (endpointId) => ({ type: 'closeStream', endpointId, code: 1011, reason: 'ERROR' }),
  player: (endpointId) => ({ type: 'closePlayer', endpointId }),
  mixer: (endpointId) => ({ type: 'closeMixer', endpointId }),
  recorder: (endpointId) => ({ type: 'closeRecorder', endpointId }),
  tap: (endpointId) => ({ type: 'closeTap', endpointId }),
};

/** Each is the last of its endpoint. */
const lastEvents: ReadonlySet<MediaEvent['type']> = new Set<MediaEvent['type']>([
  'rtpClosed',
  'rtpFailed',
  'streamClosed',
  'playerClosed',
  'mixerClosed',
  'recorderClosed',
  'tapClosed',
]);

/** What is said in the place of a worker that died. */
const lost: Readonly<Record<EndpointKind, (endpointId: EndpointId) => readonly MediaEvent[]>> = {
  rtp: (endpointId) => [
    { type: 'rtpFailed', endpointId, code: 'WORKERDIED', message: 'the media worker of the call died' },
  ],
  stream: (endpointId) => [streamLost(endpointId)],
  player: (endpointId) => [
    { type: 'playerDone', endpointId, playedMs: 0, stopped: true },
    { type: 'playerClosed', endpointId },
  ],
  mixer: (endpointId) => [{ type: 'mixerClosed', endpointId }],
  recorder: (endpointId) => [{ type: 'recorderClosed', endpointId, durationMs: 0 }],
  tap: (endpointId) => [{ type: 'tapClosed', endpointId }],
};

function streamLost(endpointId: EndpointId): MediaEvent {
  return {
    type: 'streamClosed',
    endpointId,
    end: { cause: 'local' },
    counters: {
      framesSent: 0,
      framesDropped: 0,
      messagesReceived: 0,
      bytesReceived: 0,
      messagesEarly: 0,
      messagesInvalid: 0,
      bufferedMs: 0,
      droppedMs: 0,
      clears: 0,
      marks: 0,
      resumes: 0,
      floods: 0,
      stuck: 0,
      silences: 0,
    },
  };
}
