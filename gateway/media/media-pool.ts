import { Worker } from 'node:worker_threads';
import type { Log } from '../log.ts';
import { closeDescriptors, createDescriptorMarks } from '../polled-system.ts';
import type { MediaSettings } from './media-core.ts';
import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  RtpCounters,
  StreamCounters,
  WorkerCounters,
} from './media-messages.ts';
import type { FromWorker, ToWorker, WorkerStart } from './media-worker.ts';
import { PoolGroups } from './pool-groups.ts';
import { portShare } from './rtp-ports.ts';
import { postMedia } from './unit-messages.ts';

export type { MediaSettings } from './media-core.ts';

/** The control plane's only way to the media workers. */
export interface MediaPool {
  /** Resolves when every worker runs. */
  start(): Promise<void>;
  /** A place for the endpoints of one call, or of calls that may be bridged: all on the worker with the fewest, or
   *  on that of `beside`. Commands may name endpoints of other groups on the same worker. */
  openGroup(receive: (event: MediaEvent) => void, beside?: MediaGroup): MediaGroup;
  report(): Promise<MediaReport>;
  /** Every worker runs late: another call would be heard by those there are. */
  readonly overloaded: boolean;
  /** Closes what is still open and stops the workers. */
  close(): Promise<void>;
}

export interface MediaGroup {
  readonly worker: number;
  send(command: MediaCommand): void;
  /** No event is delivered after this; endpoints that are still open are closed. */
  release(): void;
}

export interface MediaReport {
  readonly rtp: ReadonlyMap<EndpointId, RtpCounters>;
  readonly streams: ReadonlyMap<EndpointId, StreamCounters>;
  /** By worker number; a worker that just died counts nothing, one that does not answer what it said last. */
  readonly workers: readonly WorkerCounters[];
}

/** Workers that die sooner than this are not replaced at once. */
const restartDelayMs = 1000;
const stopLimitMs = 3000;
/** What a packet leaves behind is gone at once, and little of it: room for more garbage is only memory held. At 250
 *  calls 120 KB a call instead of 357, and no more CPU. */
const youngGenerationMb = 4;
/** A worker that says nothing for so long hangs, or the machine does. */
const reportLimitMs = 2000;

/** Media workers in threads of their own. The port range is divided between them: throws `RangeError` where it is
 *  too small for that. */
export function createMediaPool(
  options: MediaSettings & { readonly workers: number; readonly log: Log },
): MediaPool {
  return new ThreadPool(options);
}

class ThreadPool implements MediaPool {
  readonly #log: Log;
  readonly #settings: readonly MediaSettings[];
  readonly #workers: (Worker | undefined)[] = [];
  readonly #groups: PoolGroups;
  #closing = false;

  constructor({
    workers,
    log,
    ports,
    rtpTimeoutMs,
    encoding,
    receiveBufferBytes,
    warmUpMs,
    accelerator,
  }: Parameters<typeof createMediaPool>[0]) {
    this.#log = log;
    this.#settings = Array.from({ length: workers }, (_, index) => ({
      ports: portShare(ports, workers, index),
      rtpTimeoutMs,
      encoding,
      receiveBufferBytes,
      warmUpMs,
      accelerator,
    }));
    this.#groups = new PoolGroups(workers, (worker, command) => this.#post(worker, command));
  }

  async start(): Promise<void> {
    try {
      await Promise.all(this.#settings.map((_settings, worker) => this.#startWorker(worker)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  openGroup(receive: (event: MediaEvent) => void, beside?: MediaGroup): MediaGroup {
    return this.#groups.open(receive, beside);
  }

  get overloaded(): boolean {
    return this.#groups.overloaded;
  }

  report(): Promise<MediaReport> {
    return this.#groups.report((worker, giveUp) => {
      const expire = () => giveUp() && this.#log.warn({ worker }, 'media worker does not answer');
      setTimeout(expire, reportLimitMs).unref();
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#workers.map((worker) => stopWorker(worker)));
  }

  #post(worker: number, command: MediaCommand): void {
    const thread = this.#workers[worker];
    if (thread !== undefined) postMedia(thread, command);
    // Between two lives of the worker: whoever asks gets the same answer as those who were there when it died.
    else queueMicrotask(() => this.#groups.lose(worker));
  }

  #startWorker(worker: number): Promise<void> {
    const startedMs = performance.now();
    const descriptors = createDescriptorMarks();
    const thread = new Worker(workerUrl(), {
      workerData: { settings: this.#settings[worker]!, descriptors } satisfies WorkerStart,
      name: `media-${worker}`,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    this.#workers[worker] = thread;
    thread.on('error', (error) => this.#log.error({ worker, err: error }, 'media worker died'));
    thread.on('exit', () => {
      this.#workers[worker] = undefined;
      this.#groups.lose(worker);
      if (this.#closing) return;
      // Else its servers never hear that their calls are over, and its ports stay taken.
      closeDescriptors(descriptors);
      const delayMs = performance.now() - startedMs < restartDelayMs ? restartDelayMs : 0;
      setTimeout(() => {
        if (!this.#closing) this.#startWorker(worker).catch(() => {});
      }, delayMs).unref();
    });
    return new Promise((resolve, reject) => {
      thread.on('message', (message: FromWorker) => {
        if (message.type === 'started') {
          this.#groups.back(worker);
          resolve();
        } else if (message.type === 'failed') this.#logFailure(worker, message.endpointId, message.error);
        else this.#receive(worker, message);
      });
      thread.once('error', reject);
      thread.once('exit', (code) => reject(new Error(`media worker ended with ${code} before it started`)));
    });
  }

  #receive(worker: number, event: MediaEvent): void {
    this.#groups.receive(worker, event);
    if (event.type !== 'load') return;
    if (event.overloaded) this.#log.warn({ worker }, 'media worker runs late and gets no new calls');
    else this.#log.info({ worker }, 'media worker is in time again');
  }

  #logFailure(worker: number, endpointId: EndpointId, err: Error): void {
    this.#log.error({ worker, endpointId, err }, 'media endpoint failed');
  }
}

/** Node runs no TypeScript: from the sources (tests) the worker is the one that was built. */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/gateway/media/media-worker.js', import.meta.url)
    : new URL('./media-worker.js', import.meta.url);
}

async function stopWorker(thread: Worker | undefined): Promise<void> {
  if (thread === undefined) return;
  const gone = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  thread.postMessage({ type: 'stop' } satisfies ToWorker);
  const limit = setTimeout(() => void thread.terminate(), stopLimitMs);
  await gone;
  clearTimeout(limit);
}
