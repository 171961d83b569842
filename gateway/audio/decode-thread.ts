import { Worker } from 'node:worker_threads';
import { AudioError } from './audio-source.ts';
import { DecodeJob, type DecodeOptions } from './decode-job.ts';
import type { FromDecoder, ToDecoder } from './decode-worker.ts';

/** One file that is being decoded. One call at a time. */
export interface Decoding {
  /** Rejects with `AudioError`. */
  push(bytes: Uint8Array): Promise<Int16Array[]>;
  finish(): Promise<Int16Array[]>;
  close(): void;
}

export interface Decoders {
  open(options: DecodeOptions): Decoding;
  close(): Promise<void>;
}

/** In the thread that calls it, for tests. */
export const inlineDecoders: Decoders = {
  open: (options) => new DecodeJob(options),
  close: async () => {},
};

/** A decoder that takes so long over a few kilobytes hangs: a crafted file found a hole in it. */
const answerLimitMs = 10_000;

interface Question {
  readonly resolve: (chunks: Int16Array[]) => void;
  readonly reject: (error: AudioError) => void;
}

/** A thread of its own for all of them, started with the first. One that hangs or dies takes what it decodes with it,
 *  and the next file gets a new one. */
export class DecodeThread implements Decoders {
  readonly #answerLimitMs: number;
  readonly #url: URL;
  #worker: Worker | undefined;
  #jobs = 0;
  readonly #waiting = new Map<number, Question>();
  #watch: NodeJS.Timeout | undefined;

  constructor(options: { readonly answerLimitMs?: number; readonly url?: URL } = {}) {
    this.#answerLimitMs = options.answerLimitMs ?? answerLimitMs;
    this.#url = options.url ?? workerUrl();
  }

  open(options: DecodeOptions): Decoding {
    const worker = this.#start();
    const job = ++this.#jobs;
    worker.postMessage({ type: 'open', job, options } satisfies ToDecoder);
    const ask = (bytes: Uint8Array | undefined) => {
      if (worker !== this.#worker) return Promise.reject(threadLost());
      return new Promise<Int16Array[]>((resolve, reject) => {
        this.#waiting.set(job, { resolve, reject });
        this.#watch ??= setTimeout(() => void worker.terminate(), this.#answerLimitMs);
        worker.postMessage({ type: 'decode', job, bytes } satisfies ToDecoder);
      });
    };
    return {
      push: ask,
      finish: () => ask(undefined),
      close: () => worker.postMessage({ type: 'close', job } satisfies ToDecoder),
    };
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    // The decoders complain about damaged files on the console.
    const worker = new Worker(this.#url, { name: 'audio-decoder', stderr: true, stdout: true });
    worker.unref();
    worker.stderr.resume();
    worker.stdout.resume();
    worker.on('message', (message: FromDecoder) => this.#answer(message));
    // What follows is the exit.
    worker.on('error', () => {});
    worker.on('exit', () => this.#lost(worker));
    this.#worker = worker;
    return worker;
  }

  #answer(message: FromDecoder): void {
    const question = this.#waiting.get(message.job);
    this.#waiting.delete(message.job);
    // Any answer shows that it lives.
    if (this.#waiting.size === 0) {
      clearTimeout(this.#watch);
      this.#watch = undefined;
    } else this.#watch?.refresh();
    if (message.type === 'decoded') question?.resolve(message.chunks);
    else question?.reject(new AudioError(message.code, message.message));
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    clearTimeout(this.#watch);
    this.#watch = undefined;
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of lost) reject(threadLost());
  }
}

function threadLost(): AudioError {
  return new AudioError('audio-not-audio', 'the decoder gave up on it, or on another file that it decoded');
}

/** Node runs no TypeScript: from the sources (tests) the worker is the one that was built. */
function workerUrl(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../dist/gateway/audio/decode-worker.js', import.meta.url)
    : new URL('./decode-worker.js', import.meta.url);
}
