import type { S3Target } from './destination.ts';

export type RecordingFormat = 'wav' | 'flac' | 'ogg';

export type RecordingEvent =
  /** All is on the disk. A recording for S3 is at `path` until it is stored there. */
  | { readonly type: 'finished'; readonly path: string; readonly durationMs: number }
  | { readonly type: 'available'; readonly url: string }
  /** `kept` is the file that holds what there is. After a failed `write` nothing follows; what could not be uploaded
   *  is tried again later, and at the next start. */
  | {
      readonly type: 'failed';
      readonly stage: 'write' | 'upload';
      readonly message: string;
      readonly kept: string | undefined;
    };

/** All that is known before the first sample. */
export interface RecordingPlan {
  readonly callId: string;
  readonly format: RecordingFormat;
  readonly channels: 1 | 2;
  readonly sampleRateHz: number;
  readonly target: { readonly kind: 'file'; readonly path: string } | ({ readonly kind: 's3' } & S3Target);
}

/** Told to the thread that writes. */
export type ToEngine =
  | { readonly type: 'begin'; readonly id: number; readonly plan: RecordingPlan }
  | { readonly type: 'write'; readonly id: number; readonly samples: Int16Array }
  /** With `failure`, the recording failed on the way here. */
  | { readonly type: 'finish'; readonly id: number; readonly failure?: string | undefined }
  | { readonly type: 'close' };

export type FromEngine =
  | { readonly type: 'event'; readonly id: number; readonly event: RecordingEvent }
  /** So many samples of that recording wait no longer. */
  | { readonly type: 'taken'; readonly id: number; readonly samples: number }
  /** Something of an earlier life, or of a call that is gone. */
  | {
      readonly type: 'noticed';
      readonly level: 'info' | 'warn';
      readonly fields: Readonly<Record<string, unknown>>;
      readonly sentence: string;
    }
  | { readonly type: 'closed' };
