import type { Clock, Timer } from '../clock.ts';
import { errorCode, errorMessage } from '../errors.ts';
import type { S3Credentials, S3Settings } from './destination.ts';
import { isAbandoned, listPending, manifestOf, ownerOf, PendingRecording } from './pending-recording.ts';
import { createRecordingEncoder } from './recording-encoder.ts';
import { type OpenFile, openNewFile, RecordingFile } from './recording-file.ts';
import type { FromEngine, RecordingEvent, RecordingPlan, ToEngine } from './recording-messages.ts';
import { salvageRecording } from './salvage.ts';
import { UploadQueue } from './upload-queue.ts';

export interface EngineSettings {
  /** Absolute. */
  readonly directory: string;
  readonly s3: S3Settings | undefined;
  /** Of this engine, and of all that live in this process. */
  readonly token: string;
  readonly alive: readonly string[];
}

export interface EngineOptions {
  readonly settings: EngineSettings;
  readonly clock: Clock;
  readonly emit: (message: FromEngine) => void;
  /** In place of the file system's. */
  readonly openFile?: OpenFile;
}

const sweepMs = 60_000;
const touchMs = 15_000;
/** What S3 refused is tried again so often. */
const uploadAgainMs = 900_000;
const closeLimitMs = 5_000;

interface Recording {
  readonly plan: RecordingPlan;
  readonly pending: PendingRecording;
  readonly file: RecordingFile;
}

/** Writes recordings, completes what killed ones left behind, and uploads. All that takes time, so it lives in a thread
 *  of its own. */
export class RecordingEngine {
  readonly #options: EngineOptions;
  readonly #recordings = new Map<number, Recording>();
  readonly #uploads: UploadQueue;
  /** Names of ours that are being written or completed. */
  readonly #busy = new Set<string>();
  readonly #finishing = new Set<Promise<void>>();
  readonly #alive: Set<string>;
  /** Told once. */
  readonly #hopeless = new Set<string>();
  readonly #uploadTries = new Map<string, number>();
  #timer: Timer | undefined;
  #touch: Timer | undefined;
  #closed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#uploads = new UploadQueue(options.settings.s3, options.clock);
    this.#alive = new Set([...options.settings.alive, options.settings.token]);
  }

  /** Resolves when what earlier lives left behind has been looked at. */
  async start(): Promise<void> {
    this.#keepAlive();
    await this.#sweep();
  }

  handle(message: ToEngine): void {
    switch (message.type) {
      case 'begin':
        return this.#begin(message.id, message.plan);
      case 'write': {
        const recording = this.#recordings.get(message.id);
        if (recording !== undefined) recording.file.push(message.samples);
        else this.#options.emit({ type: 'taken', id: message.id, samples: message.samples.length });
        return;
      }
      case 'finish':
        return this.#finish(message.id, message.failure);
      case 'close':
        void this.close();
    }
  }

  /** Finishes what is open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#touch?.cancel();
    for (const id of [...this.#recordings.keys()]) this.#finish(id, undefined);
    await Promise.all(this.#finishing);
    await this.#uploads.close(closeLimitMs);
    this.#options.emit({ type: 'closed' });
  }

  #begin(id: number, plan: RecordingPlan): void {
    const { settings, clock, emit } = this.#options;
    const callId = plan.callId.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100);
    const name = `${callId}-${settings.token}-${id}.${plan.format}`;
    const pending = new PendingRecording(settings.directory, name, manifestOf(plan, ownerOf(settings.token)));
    this.#busy.add(name);
    const openFile = this.#options.openFile ?? openNewFile;
    try {
      const file = new RecordingFile({
        path: pending.partPath,
        encoder: createRecordingEncoder(plan.format, plan),
        openFile: async (path) => {
          await pending.save();
          return openFile(path);
        },
        nowMs: () => clock.nowMs(),
        taken: (samples) => emit({ type: 'taken', id, samples }),
        failed: (error) => this.#failed(id, pending, error),
      });
      this.#recordings.set(id, { plan, pending, file });
    } catch (error) {
      this.#busy.delete(name);
      this.#tell(id, { type: 'failed', stage: 'write', message: errorMessage(error), kept: undefined });
    }
  }

  #finish(id: number, failure: string | undefined): void {
    const recording = this.#recordings.get(id);
    if (recording === undefined) return;
    this.#recordings.delete(id);
    const done = this.#complete(id, recording, failure).finally(() => this.#finishing.delete(done));
    this.#finishing.add(done);
  }

  async #complete(
    id: number,
    { plan, pending, file }: Recording,
    failure: string | undefined,
  ): Promise<void> {
    // Where this is false, `#failed` has seen to it already.
    if (!(await file.finish())) return;
    let path: string;
    try {
      path = await pending.complete();
    } catch (error) {
      const message = failureText(error, this.#options.settings.directory);
      return this.#tell(id, { type: 'failed', stage: 'write', message, kept: pending.partPath });
    } finally {
      this.#busy.delete(pending.name);
    }
    if (failure !== undefined)
      this.#tell(id, { type: 'failed', stage: 'write', message: failure, kept: path });
    else {
      const durationMs = (file.samples / plan.channels / plan.sampleRateHz) * 1000;
      this.#tell(id, { type: 'finished', path, durationMs });
    }
    const { target } = plan;
    if (target.kind === 's3')
      this.#upload(pending, target.credentials, failure === undefined ? id : undefined);
    else if (failure === undefined) this.#tell(id, { type: 'available', url: `file://${encodeURI(path)}` });
  }

  /** In the midst of it. What there is stays where it is, and is completed by the next sweep that can. */
  #failed(id: number, pending: PendingRecording, error: unknown): void {
    this.#recordings.delete(id);
    const message = failureText(error, this.#options.settings.directory);
    const done = this.#salvage(pending)
      .catch(async () => ((await pending.state()).kind === 'growing' ? pending.partPath : undefined))
      .then((kept) => {
        this.#busy.delete(pending.name);
        this.#finishing.delete(done);
        this.#tell(id, { type: 'failed', stage: 'write', message, kept });
      });
    this.#finishing.add(done);
  }

  #upload(pending: PendingRecording, credentials: S3Credentials | undefined, id: number | undefined): void {
    this.#uploads.add(pending, credentials, ({ url, failure }) => {
      if (failure === undefined) {
        this.#uploadTries.delete(pending.name);
        if (id !== undefined) this.#tell(id, { type: 'available', url });
        else this.#notice('info', { url, callId: pending.manifest.callId }, 'recording uploaded at last');
        return;
      }
      this.#uploadTries.set(pending.name, this.#options.clock.nowMs());
      const kept = pending.wholePath;
      if (id !== undefined) this.#tell(id, { type: 'failed', stage: 'upload', message: failure, kept });
      else
        this.#notice(
          'warn',
          { callId: pending.manifest.callId, kept, detail: failure },
          'recording cannot be uploaded',
        );
    });
  }

  async #sweep(): Promise<void> {
    try {
      for (const pending of await listPending(this.#options.settings.directory)) {
        if (this.#closed) return;
        await this.#lookAt(pending).catch((error: unknown) => {
          if (this.#hopeless.has(pending.name)) return;
          this.#hopeless.add(pending.name);
          const fields = { file: pending.partPath, detail: errorMessage(error) };
          this.#notice('warn', fields, 'recording of an earlier life cannot be completed');
        });
      }
    } catch (error) {
      const fields = { directory: this.#options.settings.directory, detail: errorMessage(error) };
      this.#notice('warn', fields, 'recording directory cannot be read');
    }
    if (!this.#closed) this.#timer = this.#options.clock.after(sweepMs, () => void this.#sweep());
  }

  async #lookAt(pending: PendingRecording): Promise<void> {
    if (this.#busy.has(pending.name) || this.#uploads.has(pending.name)) return;
    const { kind, changedMs } = await pending.state();
    const { manifest } = pending;
    const idleMs = this.#options.clock.wallMs() - changedMs;
    const own = manifest.owner.token === this.#options.settings.token;
    if (!own && !isAbandoned(manifest.owner, idleMs, this.#alive)) return;
    if (kind === 'gone') return pending.discard();
    if (kind === 'growing') {
      const path = await this.#salvage(pending);
      const fields = { callId: manifest.callId, path };
      this.#notice('info', fields, path === undefined ? 'empty recording removed' : 'recording completed');
      if (path === undefined) return;
    }
    const triedMs = this.#uploadTries.get(pending.name);
    const due = triedMs === undefined || this.#options.clock.nowMs() - triedMs >= uploadAgainMs;
    if (manifest.target.kind === 's3' && due) this.#upload(pending, undefined, undefined);
  }

  /** Makes a whole file of what there is, in its place; undefined where that is nothing. */
  async #salvage(pending: PendingRecording): Promise<string | undefined> {
    const { format, ...shape } = pending.manifest;
    const durationMs = await salvageRecording(pending.partPath, format, shape);
    if (durationMs > 0) return pending.complete();
    await pending.discard();
    return undefined;
  }

  #keepAlive(): void {
    this.#touch = this.#options.clock.after(touchMs, () => {
      for (const { file } of this.#recordings.values()) void file.touch(touchMs);
      this.#keepAlive();
    });
  }

  #tell(id: number, event: RecordingEvent): void {
    this.#options.emit({ type: 'event', id, event });
  }

  #notice(level: 'info' | 'warn', fields: Readonly<Record<string, unknown>>, sentence: string): void {
    this.#options.emit({ type: 'noticed', level, fields, sentence });
  }
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EACCES: 'the gateway may not write there; see recording.directory',
  EROFS: 'the disk is read-only; see recording.directory',
  EMFILE: 'too many files are open; raise the limit of open files',
};

function failureText(error: unknown, directory: string): string {
  const code = errorCode(error);
  const why = hints[code] ?? errorMessage(error);
  return `recording cannot be written to ${directory} (${code}): ${why}`;
}
