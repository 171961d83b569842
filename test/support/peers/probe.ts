import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const prober = `
const { get } = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');
const { url, everyMs } = workerData;
const tookMs = [];
let failed = 0;
let timer;
const ask = () => {
  const startedMs = performance.now();
  const done = (ok) => {
    tookMs.push(performance.now() - startedMs);
    if (!ok) failed++;
    timer = setTimeout(ask, everyMs);
  };
  const request = get(url, { agent: false, timeout: 10000 }, (response) => {
    response.resume();
    response.on('end', () => done(response.statusCode === 200));
  });
  request.on('timeout', () => request.destroy(new Error('late')));
  request.on('error', () => done(false));
};
parentPort.once('message', () => {
  clearTimeout(timer);
  parentPort.postMessage({ tookMs, failed });
  parentPort.close();
});
ask();
parentPort.postMessage('ready');`;

export interface ProbeResult {
  /** Of each question, to the end of its answer. */
  readonly tookMs: readonly number[];
  /** No 200 within ten seconds. */
  readonly failed: number;
}

/** Asks one URL again and again, each time over a new connection, in a thread of its own: what else this process does
 *  does not count as slowness of the one who is asked. */
export class Probe {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(url: string, everyMs = 20): Promise<Probe> {
    const worker = new Worker(prober, { eval: true, workerData: { url, everyMs } });
    await once(worker, 'message');
    return new Probe(worker);
  }

  async stop(): Promise<ProbeResult> {
    this.#worker.postMessage('stop');
    const [result] = (await once(this.#worker, 'message')) as [ProbeResult];
    await this.#worker.terminate();
    return result;
  }
}
