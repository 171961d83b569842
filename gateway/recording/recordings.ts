import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildWavHeader } from '../../codecs/wav.ts';
import { GatewayError } from '../errors.ts';

export type RecordingFormat = 'wav' | 'flac' | 'ogg';

export interface RecordingOptions {
  readonly callId: string;
  /** A file name below the recording directory, an `s3://bucket/key` URL, or undefined: a name made of the callId. */
  readonly destination: string | undefined;
  /** Of the destination, `ACCESSKEY:SECRET:REGION`; otherwise those of the configuration. */
  readonly credentials?: string | undefined;
  readonly format: RecordingFormat;
  readonly channels: 1 | 2;
  readonly sampleRateHz: number;
  readonly events: (event: RecordingEvent) => void;
}

export interface RecordingWriter {
  /** Interleaved samples, which are the writer's from now on. Never blocks and never throws; what finds no room is
   *  dropped and fails the recording. */
  write(samples: Int16Array): void;
  /** `finished` follows when all is on the disk, then `available`. */
  finish(): void;
}

export type RecordingEvent =
  | { readonly type: 'finished'; readonly path: string; readonly durationMs: number }
  | { readonly type: 'available'; readonly url: string }
  /** `kept` is the file that holds what there is. After a failed `write` nothing follows. */
  | {
      readonly type: 'failed';
      readonly stage: 'write' | 'upload';
      readonly message: string;
      readonly kept: string | undefined;
    };

/** A recording that cannot begin. The message names the setting or the field that is wrong. */
export class RecordingError extends GatewayError {
  constructor(code: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = 'RecordingError';
  }
}

export interface Recordings {
  /** @throws RecordingError */
  begin(options: RecordingOptions): RecordingWriter;
  /** Finishes what is written and gives uploads a bounded last try. */
  close(): Promise<void>;
}

export function createRecordings({ directory }: { readonly directory: string }): Recordings {
  return {
    begin({ callId, destination, channels, sampleRateHz, events }) {
      const path = join(directory, destination ?? `${callId}.wav`);
      const chunks: Int16Array[] = [];
      return {
        write: (samples) => void chunks.push(samples),
        finish() {
          const save = async () => {
            await mkdir(dirname(path), { recursive: true });
            const file = await open(path, 'w');
            const dataBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
            await file.write(buildWavHeader({ sampleRateHz, channels, dataBytes }));
            for (const chunk of chunks) await file.write(chunk);
            await file.close();
            events({ type: 'finished', path, durationMs: (dataBytes / 2 / channels / sampleRateHz) * 1000 });
            events({ type: 'available', url: `file://${path}` });
          };
          save().catch((error) =>
            events({ type: 'failed', stage: 'write', message: String(error), kept: undefined }),
          );
        },
      };
    },
    close: async () => {},
  };
}
