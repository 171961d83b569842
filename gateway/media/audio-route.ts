/** The two faces of everything that stands on the patch bay: a source may feed many sinks, a sink is fed by one
 *  source. Audio is pushed as it comes; a sink that plays it out at its own pace has the only queue on the way. */

export interface AudioFormat {
  readonly sampleRateHz: number;
  /** How much a sink may queue of it before it drops the oldest. */
  readonly queueBytesMax: number;
  /** Of a source that speaks at a pace of its own, over a line with jitter, and will not wait: a phone. */
  readonly live?: {
    /** How far the delays of its packets lie apart; undefined where that is not known yet. */
    readonly spreadMs: number | undefined;
    /** The sink is about to run dry: whatever waits for a missing packet comes now. False where nothing waits. */
    hurry(nowMs: number): boolean;
  };
  /** Of a source that waits to be played: how, and who hears what became of it. */
  readonly playout?: PlayoutWishes;
}

export interface PlayoutWishes {
  /** The first audio after silence waits until so much of it is here, or so long. Default: what a server that sends in
   *  real time needs. */
  readonly prebufferMs?: number | undefined;
  /** Whether a debt of silence that a stalled server left is cut out again. Default: true. */
  readonly catchesUp?: boolean | undefined;
  readonly listener?: PlayoutListener | undefined;
}

/** Called in the turn in which it happens, also from within a call to the sink. */
export interface PlayoutListener {
  /** The last sample before the mark was sent, or will never be. */
  reached(mark: number, status: 'played' | 'cleared'): void;
  /** The queue passed 80 % of its room on the way up, 50 % on the way down, or dropped the oldest. */
  filled(state: 'xoff' | 'xon', queuedMs: number, droppedMs: number): void;
  /** Nothing waits any more; only after `watchDrained`. */
  drained(): void;
}

export interface AudioSink {
  /** A source is connected, or changed its format. Whatever another one left is dropped. */
  plug(format: AudioFormat): void;
  unplug(): void;
  /** Takes `samples` samples at `pcm[offset]`; they are the sink's only until it returns. */
  play(pcm: Int16Array, offset: number, samples: number, nowMs: number): void;
  /** The same for little-endian bytes, an even number of them, at any offset. */
  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void;
  /** `play` of what the source made up in place of a lost packet, for a sink that may have made up something itself
   *  meanwhile. */
  playMadeUp?(pcm: Int16Array, offset: number, samples: number, nowMs: number): void;
  /** From a live source: a packet came now, whose audio begins `aheadMs` after the end of all that was played so far;
   *  it may have to wait for others before it, or be too late. */
  noteArrival?(aheadMs: number, nowMs: number): void;
  /** Drops what was not played yet, and every trace of it in resampler and encoder. */
  clear(): void;
  /** Of a sink that queues: reports the end of what was played so far to the source's listener. Marks are numbered
   *  upwards. */
  mark?(mark: number): void;
  /** Reports all that wait as cleared; the audio stays. */
  forgetMarks?(): void;
  watchDrained?(): void;
  /** Stops taking from the queue, or goes on. */
  pause?(paused: boolean): void;
  /** Sent since `plug`: of what was pushed all that neither waits nor was dropped. */
  readonly playedMs?: number;
  /** How the line behind it is doing, where it is one. */
  readonly line?: LineFigures | undefined;
  /** Waiting here, and dropped here for want of room, since `plug`. */
  readonly queuedMs: number;
  readonly droppedMs: number;
}

/** Shares of packets lost, from and to the phone. */
export interface LineFigures {
  readonly lossUp: number;
  readonly lossDown: number;
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
  readonly mos: number;
  readonly codec: string;
}

export interface AudioSource {
  addSink(sink: AudioSink): void;
  removeSink(sink: AudioSink): void;
}
