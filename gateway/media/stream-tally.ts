import type { StreamCounters, StreamEnd } from './media-messages.ts';
import { type StreamNotice, streamNotices } from './stream-notices.ts';

type Counted = Pick<
  StreamCounters,
  | 'messagesReceived'
  | 'bytesReceived'
  | 'messagesEarly'
  | 'messagesInvalid'
  | 'resumes'
  | 'floods'
  | 'stuck'
  | 'silences'
>;

/** What a stream counts of its conversations, and what its operator was told. */
export class StreamTally {
  readonly #tell: (code: string, message: string) => void;
  readonly #noticed = new Set<string>();
  readonly counts: { -readonly [Key in keyof Counted]: Counted[Key] } = {
    messagesReceived: 0,
    bytesReceived: 0,
    messagesEarly: 0,
    messagesInvalid: 0,
    resumes: 0,
    floods: 0,
    stuck: 0,
    silences: 0,
  };

  /** `tell` is called once for each code. */
  constructor(tell: (code: string, message: string) => void) {
    this.#tell = tell;
  }

  invalid(code: string, message: string): void {
    this.counts.messagesInvalid++;
    this.noticeOnce(code, message);
  }

  early(notice: StreamNotice): void {
    this.counts.messagesEarly++;
    this.notice(notice);
  }

  received(sizeBytes: number, whole: boolean): void {
    if (whole) this.counts.messagesReceived++;
    this.counts.bytesReceived += sizeBytes;
  }

  /** A connection ended, or was lost. */
  ended(end: StreamEnd): void {
    if (end.cause === 'violation' && end.code === 1008) this.counts.floods++;
    if (end.cause !== 'unreachable') return;
    if (end.code === 'NOTREADING') this.counts.stuck++;
    if (end.code === 'PINGTIMEOUT') this.counts.silences++;
  }

  notice(code: StreamNotice): void {
    this.noticeOnce(code, streamNotices[code]);
  }

  noticeOnce(code: string, message: string): void {
    if (this.#noticed.has(code)) return;
    this.#noticed.add(code);
    this.#tell(code, message);
  }
}
