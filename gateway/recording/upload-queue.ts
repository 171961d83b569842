import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import type { S3Credentials, S3Settings } from './destination.ts';
import type { PendingRecording } from './pending-recording.ts';
import type { RecordingFormat } from './recording-messages.ts';
import { uploadToS3 } from './s3-client.ts';

/** Uploads at a time. */
const atOnce = 4;

const contentTypes: Readonly<Record<RecordingFormat, string>> = {
  wav: 'audio/wav',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
};

export interface UploadOutcome {
  readonly url: string;
  /** Undefined: it is stored. */
  readonly failure: string | undefined;
}

interface Waiting {
  readonly pending: PendingRecording;
  readonly credentials: S3Credentials | undefined;
  readonly done: (outcome: UploadOutcome) => void;
}

/** Whole recordings on their way to S3, a few at a time, in the order in which they came. */
export class UploadQueue {
  readonly #s3: S3Settings | undefined;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #waiting: Waiting[] = [];
  readonly #names = new Set<string>();
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(s3: S3Settings | undefined, clock: Clock) {
    this.#s3 = s3;
    this.#clock = clock;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** @param credentials the call's own, else those of the configuration. */
  add(
    pending: PendingRecording,
    credentials: S3Credentials | undefined,
    done: (outcome: UploadOutcome) => void,
  ): void {
    this.#names.add(pending.name);
    this.#waiting.push({ pending, credentials, done });
    this.#next();
  }

  /** Gives what is on its way so long, and leaves the rest where it is, for the next start. */
  async close(limitMs: number): Promise<void> {
    const timer = this.#clock.after(limitMs, () => this.#stop.abort());
    while (this.#running > 0 || this.#waiting.length > 0)
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    timer.cancel();
    this.#stop.abort();
  }

  #next(): void {
    while (this.#running < atOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#running++;
      void this.#upload(next).then((outcome) => {
        this.#running--;
        this.#names.delete(next.pending.name);
        next.done(outcome);
        this.#next();
      });
    }
    if (this.#running > 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  async #upload({ pending, credentials }: Waiting): Promise<UploadOutcome> {
    const { target, format } = pending.manifest;
    if (target.kind !== 's3') return { url: '', failure: 'it is not for S3' };
    const url = `s3://${target.bucket}/${target.key}`;
    const configured = this.#s3?.bucket === target.bucket && !target.ownCredentials ? this.#s3 : undefined;
    const used = credentials ?? configured;
    if (used === undefined) {
      const why = target.ownCredentials
        ? 'its call brought credentials that are kept nowhere; upload it by hand'
        : `recording.s3 is not for the bucket ${target.bucket}`;
      return { url, failure: `${url} cannot be stored: ${why}` };
    }
    try {
      await uploadToS3(
        pending.wholePath,
        {
          endpoint: credentials === undefined ? configured?.endpoint : undefined,
          bucket: target.bucket,
          key: target.key,
          credentials: used,
          contentType: contentTypes[format],
        },
        {
          signal: this.#stop.signal,
          wait: (delayMs) => this.#wait(delayMs),
          partBytes: this.#s3?.partBytes,
        },
      );
      await pending.discard();
      return { url, failure: undefined };
    } catch (error) {
      return { url, failure: errorMessage(error) };
    }
  }

  #wait(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#clock.after(delayMs, done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}
