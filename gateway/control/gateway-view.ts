import type { WorkerCounters } from '../media/media-messages.ts';
import type { CallTrace } from './call-trace.ts';

/** One call as `GET /calls` shows it. What is undefined is left out. */
export interface CallSummary {
  readonly callId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly codec: string | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly answeredAt: string | undefined;
  /** Since the answer; 0 before it. */
  readonly durationSeconds: number;
  readonly stream: CallStream | undefined;
  readonly quality: CallQuality | undefined;
}

export interface CallStream {
  /** Credentials and query are not shown. */
  readonly endpoint: string;
  readonly sampleRate: number;
  readonly bufferedMs: number;
}

export interface CallQuality {
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
  /** Of the last five seconds, 0–1 and 1–5; undefined in the first second. */
  readonly lossIn?: number | undefined;
  readonly lossOut?: number | undefined;
  readonly mos?: number | undefined;
  /** How the phone itself hears us, where it sends RTCP extended reports. */
  readonly mosRemote?: number | undefined;
  readonly codec?: string | undefined;
  readonly packetsLost: number;
  readonly packetsReceived: number;
  readonly packetsSent: number;
}

/** What the HTTP side sees of the gateway. */
export interface GatewayView {
  calls(): Promise<readonly CallSummary[]>;
  /** False if there is no such call. */
  hangup(callId: string): boolean;
  /** Undefined where nothing is known of such a call, or no longer. */
  trace?(callId: string): CallTrace | undefined;
  drain(): void;
  state(): 'starting' | 'ready' | 'draining';
  /** Asked for at each scrape of `/metrics`. */
  workers?(): Promise<readonly WorkerCounters[]>;
  /** Number of calls on each worker. */
  callsByWorker?(): readonly number[];
}
