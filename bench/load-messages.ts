import type { CodecName } from '../codecs/codec.ts';
import type { HistogramData } from './histogram.ts';

/** What crosses the threads of the harness. */

/** What the stream servers do once they have answered. */
export type StreamMode =
  /** Every frame back at once. */
  | 'echo'
  /** Two seconds of audio at once to every call at the same moment, every two and a half. */
  | 'burst'
  /** A second of audio at once, cut off by a volley of `clear` 300 ms later, again and again. */
  | 'clear'
  /** Paced audio of their own, without regard to what they hear. */
  | 'tone';

export interface Impairment {
  /** Of the packets that the phones send, 0–100. */
  readonly lossPercent: number;
  /** Uniform extra delay from 0 to this; reorders where it exceeds the packet's 20 ms. */
  readonly jitterMs: number;
}

export interface PhonePlan {
  /** What is dialled, and where the INVITE goes to. */
  readonly target: string;
  readonly host: string;
  readonly port: number;
  readonly codec: CodecName;
  /** Calls that stay up, and how fast they are placed. */
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Of the steady part: from the last answer, plus `warmUpMs`, to the first hang-up. */
  readonly durationMs: number;
  readonly warmUpMs: number;
  /** Short calls beside the standing ones, 0 for none, and for how long each stays up. */
  readonly churnPerSecond: number;
  readonly holdMs: number;
  readonly impairment: Impairment;
  /** Whether what is heard is what was said: round trips and silent frames mean something. */
  readonly mode: StreamMode;
  /** Gives the random numbers of the impairment. */
  readonly seed: number;
}

/** `ramp`: calls are being placed. `warmUp`: all have been answered or refused. `steady`: figures count.
 *  `hangUp`: BYEs are being sent. `done`: nothing is left. */
export type PhonePhase = 'ramp' | 'warmUp' | 'steady' | 'hangUp' | 'done';

export interface CallCounters {
  attempted: number;
  answered: number;
  /** Up now. */
  active: number;
  /** By SIP status, or a word where there was none (`no answer`, `no media`, `no port`). */
  failed: Record<string, number>;
  /** Answered calls that the far side ended before we did. */
  endedEarly: number;
  /** BYEs that nobody answered. */
  hangUpsLost: number;
  /** SIP messages that had to be sent again. */
  retransmissions: number;
}

export interface PacketCounters {
  /** By the phones, after impairment. */
  sent: number;
  /** Not sent, on purpose (`--impair`). */
  withheld: number;
  received: number;
  /** Sequence numbers of the gateway that never came. */
  lost: number;
  duplicate: number;
  reordered: number;
  /** Not RTP of the call: other payload types, RTCP, junk. */
  ignored: number;
  /** Successive packets whose timestamps were not one frame apart. */
  timestampJumps: number;
  /** Frames with silence inside where audio was due, after the first audio of a call. */
  silent: number;
  /** Times that sending was more than 200 ms late and was skipped: the harness itself was overloaded. */
  skipped: number;
}

/** Rows of `[call, tone, onsetMs, frameMs]`: when a marker's first sample was sent or came, and when the frame that
 *  holds it did. Shared clock. */
export type MarkerRows = Float64Array;

export interface PhoneReport {
  readonly type: 'report';
  readonly atMs: number;
  readonly phase: PhonePhase;
  readonly calls: CallCounters;
  readonly packets: PacketCounters;
  /** Integral of the calls that were up, over the steady part so far. */
  readonly callSeconds: number;
  /** Of the last second, in ms; 0 where nothing was heard. */
  readonly roundTripP50: number;
  readonly roundTripP99: number;
  readonly markersSent: MarkerRows;
  readonly markersHeard: MarkerRows;
  /** `[call, ms]`: first silent frame after sound (mode `clear` only). */
  readonly silences: Float64Array;
}

export interface PhoneResult {
  readonly type: 'result';
  /** INVITE sent to 200 received, over the whole run. */
  readonly setup: HistogramData;
  /** These of the steady part only. */
  readonly roundTrip: HistogramData;
  readonly jitter: HistogramData;
  readonly spacing: HistogramData;
  /** How long ago the sockets had been read when they were read: what our own clock readings are worth. */
  readonly ownReadGap: HistogramData;
  /** How late our own packets were sent. */
  readonly ownSendLate: HistogramData;
  readonly markersUnknown: number;
}

export interface PhasePassed {
  readonly type: 'phase';
  readonly phase: PhonePhase;
  readonly atMs: number;
}

export type PhoneMessage =
  | { readonly type: 'ready'; readonly threadId: number | undefined }
  | PhasePassed
  | PhoneReport
  | PhoneResult
  | { readonly type: 'failed'; readonly message: string };

/** `stop`: hang up now. `quit`: the thread ends. */
export type PhoneCommand = { readonly type: 'stop' } | { readonly type: 'quit' };

export interface StreamPlan {
  readonly host: string;
  readonly port: number;
  readonly sampleRateHz: number;
  readonly mode: StreamMode;
  /** PEM; undefined listens for ws://. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

export interface StreamCounters {
  connections: number;
  active: number;
  framesReceived: number;
  framesSent: number;
  /** Audio messages that were not 20 ms long. */
  framesOdd: number;
  /** Uplink frames without sound after the first sound of a call. */
  framesSilent: number;
  /** Echoes that were not sent because the gateway did not read. */
  framesDropped: number;
  /** Broken handshakes and frames, messages without a call number. */
  violations: number;
  clears: number;
  markersUnknown: number;
}

export interface StreamReport {
  readonly type: 'report';
  readonly counters: StreamCounters;
  readonly markersHeard: MarkerRows;
  readonly markersSent: MarkerRows;
  /** `[call, ms]`: when a volley of `clear` was sent. */
  readonly clears: Float64Array;
}

export type StreamMessage =
  | { readonly type: 'ready'; readonly port: number; readonly threadId: number | undefined }
  | StreamReport
  | { readonly type: 'failed'; readonly message: string };

/** `quit` reports once more and ends the thread. */
export type StreamCommand = { readonly type: 'quit' };

export interface ApplicationPlan {
  /** From the question about a call to its answer. */
  readonly delayMs: number;
  readonly key: string;
  /** base64. */
  readonly secret: string;
  /** What the answer connects the call to. */
  readonly streamUrl: string;
  readonly sampleRateHz: number;
}

/** What an application server was asked and told. */
export interface ApplicationCounters {
  /** ICE. */
  asked: number;
  /** Of these, answered whole. */
  answered: number;
  /** The gateway hung up before the answer. */
  broken: number;
  /** Not answered yet. */
  waiting: number;
  /** Calls with their DICE. */
  ended: number;
  /** DICEs of calls that had theirs. */
  endedAgain: number;
  /** DICEs of calls that were never asked about, and other events. */
  unknown: number;
  /** Requests without the signature of the application; not counted above. */
  unsigned: number;
}

export type ApplicationMessage =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'report'; readonly counters: ApplicationCounters }
  | { readonly type: 'failed'; readonly message: string };

/** `quit` reports once more and ends the thread. */
export type ApplicationCommand = { readonly type: 'quit' };
