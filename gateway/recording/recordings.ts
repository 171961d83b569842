import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { codecs } from '../../codecs/catalogue.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Log } from '../log.ts';
import { pendingFolder, recordingTarget, type S3Settings } from './destination.ts';
import { type EngineSettings, RecordingEngine } from './recording-engine.ts';
import { RecordingError } from './recording-error.ts';
import type { OpenFile } from './recording-file.ts';
import type { FromEngine, RecordingEvent, RecordingFormat, ToEngine } from './recording-messages.ts';

export { RecordingError } from './recording-error.ts';
export type { RecordingEvent, RecordingFormat } from './recording-messages.ts';

export interface RecordingOptions {
  readonly callId: string;
  /** A file name below the recording directory, an `s3://bucket/key` URL, or undefined: a name made of the callId.
   *  A name that ends in `/` is a folder. */
  readonly destination: string | undefined;
  /** Of the bucket, `ACCESSKEY:SECRET:REGION` at Amazon; otherwise those of the configuration. */
  readonly credentials?: string | undefined;
  readonly format: RecordingFormat;
  readonly channels: 1 | 2;
  /** Of the samples; for `ogg` one of 8000, 16000, 24000 and 48000. */
  readonly sampleRateHz: number;
  readonly events: (event: RecordingEvent) => void;
}

export interface RecordingWriter {
  /** Interleaved samples, which are the writer's from now on. Never blocks and never throws. What finds no room, as
   *  the disk does not keep up, fails the recording. */
  write(samples: Int16Array): void;
  /** `finished` follows when all is on the disk, then `available`. */
  finish(): void;
}

export interface Recordings {
  /** @throws RecordingError */
  begin(options: RecordingOptions): RecordingWriter;
  counters(): RecordingCounters;
  /** Finishes what is written and gives uploads a bounded last try. */
  close(): Promise<void>;
}

export interface RecordingCounters {
  readonly active: number;
  readonly finished: number;
  readonly failedWrites: number;
  readonly failedUploads: number;
  /** Samples that wait for the disk, as bytes. */
  readonly waitingBytes: number;
}

export interface RecordingsOptions {
  readonly directory: string;
  readonly s3?: S3Settings | undefined;
  readonly log?: Log;
  readonly clock?: Clock;
  /** `recording-write-failed` and `recording-upload-failed`. */
  readonly counted?: (code: string) => void;
  /** False: writes in this thread, for tests. */
  readonly thread?: boolean;
  /** In place of the file system's; without a thread only. */
  readonly openFile?: OpenFile;
}

/** Two minutes of stereo at 16 kHz, and of all recordings together. */
const waitingBytesMax = 8 * 1024 * 1024;
const waitingBytesMaxInAll = 256 * 1024 * 1024;
const opusRatesHz = [8000, 12_000, 16_000, 24_000, 48_000];
const closeLimitMs = 10_000;
/** A writer that died at once is not started again at once. */
const restartMs = 1_000;

/** Begins at once to complete what an earlier life left behind. */
export function createRecordings(options: RecordingsOptions): Recordings {
  return new RecordingDesk(options);
}

/** Of all writers in this process. */
const alive = new Set<string>();

interface Active {
  readonly events: (event: RecordingEvent) => void;
  waitingBytes: number;
  /** It failed, or was finished: what comes now is dropped. */
  over: boolean;
  /** Only an upload may follow. */
  written: boolean;
}

interface Engine {
  readonly token: string;
  send(message: ToEngine): void;
  stop(): void;
}

class RecordingDesk implements Recordings {
  readonly #options: RecordingsOptions;
  readonly #directory: string;
  readonly #active = new Map<number, Active>();
  readonly #clock: Clock;
  #engine: Engine | undefined;
  #ids = 0;
  #waitingBytes = 0;
  #finished = 0;
  #failedWrites = 0;
  #failedUploads = 0;
  #restarting = false;
  #closing: { readonly resolve: () => void } | undefined;

  constructor(options: RecordingsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#directory = resolve(options.directory);
    // A thread costs time and memory: most gateways record nothing.
    if (this.#leftBehind()) this.#engine = this.#start();
  }

  begin({
    callId,
    destination,
    credentials,
    format,
    channels,
    sampleRateHz,
    events,
  }: RecordingOptions): RecordingWriter {
    const target = recordingTarget({ callId, destination, credentials, format }, this.#options.s3);
    checkFormat(format, sampleRateHz);
    if (this.#restarting || this.#closing !== undefined)
      throw new RecordingError('recording-unavailable', 'the recorder is not running; try again in a second');
    this.#engine ??= this.#start();
    const engine = this.#engine;
    const id = ++this.#ids;
    const active: Active = { events, waitingBytes: 0, over: false, written: false };
    this.#active.set(id, active);
    engine.send({ type: 'begin', id, plan: { callId, format, channels, sampleRateHz, target } });
    return {
      write: (samples) => {
        if (active.over) return;
        const room =
          active.waitingBytes + samples.byteLength <= waitingBytesMax &&
          this.#waitingBytes + samples.byteLength <= waitingBytesMaxInAll;
        if (!room) {
          active.over = true;
          engine.send({ type: 'finish', id, failure: 'the disk does not keep up with the recordings' });
          return;
        }
        active.waitingBytes += samples.byteLength;
        this.#waitingBytes += samples.byteLength;
        engine.send({ type: 'write', id, samples });
      },
      finish: () => {
        if (active.over) return;
        active.over = true;
        engine.send({ type: 'finish', id });
      },
    };
  }

  counters(): RecordingCounters {
    return {
      active: [...this.#active.values()].filter(({ written }) => !written).length,
      finished: this.#finished,
      failedWrites: this.#failedWrites,
      failedUploads: this.#failedUploads,
      waitingBytes: this.#waitingBytes,
    };
  }

  close(): Promise<void> {
    const engine = this.#engine;
    if (this.#closing !== undefined) return Promise.resolve();
    if (engine === undefined) {
      this.#closing = { resolve: () => {} };
      return Promise.resolve();
    }
    return new Promise((resolveClose) => {
      const finish = () => {
        limit.cancel();
        engine.stop();
        alive.delete(engine.token);
        this.#engine = undefined;
        resolveClose();
      };
      const limit = this.#clock.after(closeLimitMs, finish);
      this.#closing = { resolve: finish };
      engine.send({ type: 'close' });
    });
  }

  #leftBehind(): boolean {
    try {
      return readdirSync(resolve(this.#directory, pendingFolder)).length > 0;
    } catch {
      return false;
    }
  }

  #start(): Engine {
    const token = randomBytes(4).toString('hex');
    const settings = { directory: this.#directory, s3: this.#options.s3, token, alive: [...alive] };
    alive.add(token);
    return this.#options.thread === false ? this.#startInline(settings) : this.#startThread(settings);
  }

  #startInline(settings: EngineSettings): Engine {
    const engine = new RecordingEngine({
      settings,
      clock: this.#clock,
      emit: (message) => this.#receive(message),
      ...(this.#options.openFile !== undefined && { openFile: this.#options.openFile }),
    });
    void engine.start();
    return { token: settings.token, send: (message) => engine.handle(message), stop: () => {} };
  }

  #startThread(settings: EngineSettings): Engine {
    const worker = new Worker(workerUrl(), { name: 'recorder', workerData: settings });
    worker.unref();
    worker.on('message', (message: FromEngine) => this.#receive(message));
    worker.on('error', (err) => this.#options.log?.error({ err }, 'recorder died'));
    worker.on('exit', () => this.#lost(settings.token));
    return {
      token: settings.token,
      send(message) {
        const buffer = message.type === 'write' ? message.samples.buffer : undefined;
        const whole = message.type === 'write' && message.samples.byteLength === buffer?.byteLength;
        worker.postMessage(message, whole && buffer instanceof ArrayBuffer ? [buffer] : []);
      },
      stop: () => void worker.terminate(),
    };
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case 'event':
        return this.#tell(message.id, message.event);
      case 'taken': {
        const sizeBytes = 2 * message.samples;
        this.#waitingBytes -= sizeBytes;
        const active = this.#active.get(message.id);
        if (active !== undefined) active.waitingBytes -= sizeBytes;
        return;
      }
      case 'noticed':
        return this.#options.log?.[message.level](message.fields, message.sentence);
      case 'closed':
        this.#closing?.resolve();
    }
  }

  #tell(id: number, event: RecordingEvent): void {
    const active = this.#active.get(id);
    if (active === undefined) return;
    if (event.type === 'finished') {
      this.#finished++;
      active.written = true;
    } else {
      this.#active.delete(id);
      active.over = true;
      if (event.type === 'failed') {
        if (event.stage === 'write') this.#failedWrites++;
        else this.#failedUploads++;
        this.#options.counted?.(`recording-${event.stage}-failed`);
      }
    }
    active.events(event);
  }

  /** What it wrote lies where the next one finds and completes it. */
  #lost(token: string): void {
    alive.delete(token);
    if (this.#engine?.token !== token) return;
    this.#engine = undefined;
    this.#waitingBytes = 0;
    const kept = resolve(this.#directory, pendingFolder);
    for (const [id, { written }] of [...this.#active]) {
      const stage = written ? 'upload' : 'write';
      this.#tell(id, { type: 'failed', stage, message: 'the recorder died', kept });
    }
    if (this.#closing !== undefined) return this.#closing.resolve();
    this.#restarting = true;
    this.#clock.after(restartMs, () => {
      this.#restarting = false;
      if (this.#closing === undefined) this.#engine ??= this.#start();
    });
  }
}

function checkFormat(format: RecordingFormat, sampleRateHz: number): void {
  if (format !== 'ogg') return;
  if (!codecs.some(({ name }) => name === 'opus'))
    throw new RecordingError(
      'recording-not-configured',
      'Opus is not available on this machine (see the log at start-up); record as wav or flac',
    );
  if (!opusRatesHz.includes(sampleRateHz))
    throw new RecordingError(
      'recording-malformed',
      `ogg takes ${opusRatesHz.join(', ')} Hz, got ${sampleRateHz}`,
    );
}

/** Node runs no TypeScript: from the sources (tests) the worker is the one that was built. */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/gateway/recording/recording-worker.js', import.meta.url)
    : new URL('./recording-worker.js', import.meta.url);
}
