import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const sampleMs = 2;

const sampler = `
const { workerData } = require('node:worker_threads');
const longestMs = new Float64Array(workerData);
const never = new Int32Array(new SharedArrayBuffer(4));
for (let lastMs = performance.now(); ; ) {
  Atomics.wait(never, 0, 0, ${sampleMs});
  const nowMs = performance.now();
  longestMs[0] = Math.max(longestMs[0], nowMs - lastMs - ${sampleMs});
  lastMs = nowMs;
}`;

/** For how long at most a thread that does nothing had to wait for its turn: what others that play audio on this
 *  machine suffer as well. */
export class StallMeter {
  readonly #longestMs: Float64Array;
  readonly #worker: Worker;

  private constructor(longestMs: Float64Array, worker: Worker) {
    this.#longestMs = longestMs;
    this.#worker = worker;
  }

  static async start(): Promise<StallMeter> {
    const shared = new SharedArrayBuffer(8);
    const worker = new Worker(sampler, { eval: true, workerData: shared });
    await once(worker, 'online');
    return new StallMeter(new Float64Array(shared), worker);
  }

  /** In milliseconds, since the start. */
  async stop(): Promise<number> {
    const longestMs = this.#longestMs[0] ?? 0;
    await this.#worker.terminate();
    return longestMs;
  }
}
