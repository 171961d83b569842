import { parentPort } from 'node:worker_threads';
import { errorMessage } from '../errors.ts';
import { AudioError, type AudioErrorCode } from './audio-source.ts';
import { DecodeJob, type DecodeOptions } from './decode-job.ts';

/** What the main thread asks, one question of a job at a time. Without `bytes` the file is at its end. */
export type ToDecoder =
  | { readonly type: 'open'; readonly job: number; readonly options: DecodeOptions }
  | { readonly type: 'decode'; readonly job: number; readonly bytes: Uint8Array | undefined }
  | { readonly type: 'close'; readonly job: number };

export type FromDecoder =
  | { readonly type: 'decoded'; readonly job: number; readonly chunks: Int16Array<ArrayBuffer>[] }
  | {
      readonly type: 'failed';
      readonly job: number;
      readonly code: AudioErrorCode;
      readonly message: string;
    };

if (parentPort !== null) run(parentPort);

function run(port: NonNullable<typeof parentPort>): void {
  const jobs = new Map<number, DecodeJob>();

  port.on('message', (message: ToDecoder) => {
    if (message.type === 'open') jobs.set(message.job, new DecodeJob(message.options));
    else if (message.type === 'decode') void decode(message.job, message.bytes);
    else {
      jobs.get(message.job)?.close();
      jobs.delete(message.job);
    }
  });

  async function decode(job: number, bytes: Uint8Array | undefined): Promise<void> {
    try {
      const chunks =
        (await (bytes === undefined ? jobs.get(job)?.finish() : jobs.get(job)?.push(bytes))) ?? [];
      const owned = chunks.map((chunk) => (owns(chunk) ? chunk : new Int16Array(chunk)));
      const answer = { type: 'decoded', job, chunks: owned } satisfies FromDecoder;
      port.postMessage(
        answer,
        owned.map(({ buffer }) => buffer),
      );
    } catch (error) {
      const code = error instanceof AudioError ? error.code : 'audio-not-audio';
      port.postMessage({ type: 'failed', job, code, message: errorMessage(error) } satisfies FromDecoder);
    }
  }
}

/** Only a whole buffer can be handed over. */
function owns(chunk: Int16Array): chunk is Int16Array<ArrayBuffer> {
  return chunk.buffer instanceof ArrayBuffer && chunk.byteLength === chunk.buffer.byteLength;
}
