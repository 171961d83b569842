import { open } from 'node:fs/promises';
import type { RecordingEncoder } from './recording-encoder.ts';

/** What is used of a file. */
export interface WritableFile {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  utimes(accessed: Date, modified: Date): Promise<void>;
  close(): Promise<void>;
}

export type OpenFile = (path: string) => Promise<WritableFile>;

/** Never over what is there. */
export const openNewFile: OpenFile = (path) => open(path, 'wx', 0o640);

/** How old the header may be while the file grows. */
const headerMs = 1_000;

export interface RecordingFileOptions {
  readonly path: string;
  readonly encoder: RecordingEncoder;
  readonly openFile: OpenFile;
  readonly nowMs: () => number;
  /** So many samples wait no longer. */
  readonly taken: (samples: number) => void;
  /** Once; nothing is written afterwards. */
  readonly failed: (error: unknown) => void;
}

/** A file that grows with its recording and can be played at any time. One write is on its way at a time; what comes
 *  meanwhile goes with the next. */
export class RecordingFile {
  readonly #options: RecordingFileOptions;
  #file: WritableFile | undefined;
  #queue: Int16Array[] = [];
  #place = 0;
  #samples = 0;
  #headerAtMs = 0;
  #writtenAtMs = 0;
  #work: Promise<void>;
  #working = false;
  #state: 'open' | 'failed' | 'closed' = 'open';

  constructor(options: RecordingFileOptions) {
    this.#options = options;
    this.#work = this.#attempt(async () => {
      this.#file = await options.openFile(options.path);
      await this.#append(options.encoder.header());
    });
  }

  /** Of all channels together. */
  get samples(): number {
    return this.#samples;
  }

  push(samples: Int16Array): void {
    if (this.#state !== 'open') return this.#options.taken(samples.length);
    this.#queue.push(samples);
    if (this.#working) return;
    this.#working = true;
    this.#work = this.#work.then(() => this.#attempt(() => this.#drain()));
  }

  /** Resolves when all is on the disk; false where that failed, now or before. */
  async finish(): Promise<boolean> {
    await this.#work;
    if (this.#state === 'open') {
      await this.#attempt(async () => {
        await this.#drain();
        await this.#append(this.#options.encoder.finish());
        await this.#writeHeader();
        await this.#file?.sync();
      });
    }
    const whole = this.#state === 'open';
    await this.#release();
    this.#state = 'closed';
    return whole;
  }

  /** Tells other gateways with the same directory that this is alive, while nothing is written. */
  async touch(idleMs: number): Promise<void> {
    if (this.#options.nowMs() - this.#writtenAtMs < idleMs) return;
    const now = new Date();
    await this.#file?.utimes(now, now).catch(() => {});
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const queue = this.#queue;
      this.#queue = [];
      const count = queue.reduce((sum, { length }) => sum + length, 0);
      try {
        const parts = queue.map((samples) => this.#options.encoder.push(samples));
        await this.#append(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
        this.#samples += count;
        const nowMs = this.#options.nowMs();
        if (this.#options.encoder.growing && nowMs - this.#headerAtMs >= headerMs) await this.#writeHeader();
      } finally {
        this.#options.taken(count);
      }
    }
    this.#working = false;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file!.write(bytes, at, bytes.length - at, this.#place);
      at += bytesWritten;
      this.#place += bytesWritten;
    }
    this.#writtenAtMs = this.#options.nowMs();
  }

  async #writeHeader(): Promise<void> {
    if (!this.#options.encoder.growing) return;
    const header = this.#options.encoder.header();
    await this.#file!.write(header, 0, header.length, 0);
    this.#headerAtMs = this.#options.nowMs();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.#state !== 'open') return;
    try {
      await work();
    } catch (error) {
      this.#state = 'failed';
      for (const samples of this.#queue) this.#options.taken(samples.length);
      this.#queue = [];
      // The space of the header is there even on a full disk. It may say more than could be written; a reader takes
      // what is there.
      await this.#writeHeader().catch(() => {});
      await this.#release();
      this.#options.failed(error);
    }
  }

  async #release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#options.encoder.close();
    await file?.close().catch(() => {});
  }
}
