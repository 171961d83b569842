import type { CodecName } from '../../codecs/codec.ts';
import type { DigitMethod } from '../../protocol/digit-merger.ts';
import type { LegQuality } from '../../protocol/rtp/quality.ts';
import type { SrtpMasterKey } from '../../protocol/rtp/srtp-keys.ts';
import type {
  StreamCommand,
  StreamConnect,
  StreamDialectName,
  StreamEvent,
} from '../../protocol/stream/messages.ts';
import type { UnitCommand, UnitEvent } from './unit-messages.ts';

export type { MixerMode } from './unit-messages.ts';

/** What crosses the threads: commands from the control plane to a media worker, events back. Plain data only.
 *  Audio does not cross but to be played or recorded (`unit-messages.ts`). An *endpoint* is one audio source and one
 *  audio sink in a worker; the control plane names it, and every event names it back. */
export type EndpointId = string;

export type AudioDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface TransportAddress {
  readonly address: string;
  readonly port: number;
}

/** Our half and theirs of an RTP session as offer/answer left it. */
export interface RtpSession {
  readonly remote: TransportAddress;
  /** Where the peer wants RTCP: its RTP port with rtcp-mux. */
  readonly remoteRtcp: TransportAddress;
  readonly codec: CodecName;
  /** Payload type that we send, and that we accept. They may differ (RFC 3264 §5.1). */
  readonly payloadTypeSend: number;
  readonly payloadTypeReceive: number;
  /** Parameters that the peer wrote for what we send it (the SDP's a=fmtp). */
  readonly fmtpRemote?: string | undefined;
  /** telephone-event payload types, undefined where not negotiated. */
  readonly dtmfPayloadTypeSend: number | undefined;
  readonly dtmfPayloadTypeReceive: number | undefined;
  /** What we send at; what comes in may be anything from 10 to 60 ms. */
  readonly ptimeMs: number;
  /** As seen from us. */
  readonly direction: AudioDirection;
  /** The peer has not been answered: it is heard already, what is to be sent to it waits. */
  readonly unanswered?: boolean | undefined;
  readonly symmetric: 'off' | 'auto' | 'on';
  /** Where the peer's SIP comes from: RTP of that host has more right to be learned than anybody's. */
  readonly signalingAddress?: string | undefined;
  /** RTCP comes over the RTP port (RFC 5761). */
  readonly rtcpMux: boolean;
  /** Comfort noise (RFC 3389) that we accept; we send none. */
  readonly comfortNoisePayloadType?: number | undefined;
  /** The peer wants RTCP extended reports with VoIP metrics (RFC 3611). */
  readonly voipMetrics?: boolean | undefined;
  /** Undefined for plain RTP. Never to be logged. */
  readonly srtp?: { readonly send: SrtpMasterKey; readonly receive: SrtpMasterKey } | undefined;
}

export interface StreamLimits {
  /** TCP + TLS + upgrade. One deadline over all of it. */
  readonly connectTimeoutMs: number;
  /** From `connect` sent to answer, busy or reject. */
  readonly answerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly bufferBytes: number;
  /** Without anything from a WebSocket server for so long, an answer to our pings either, it is lost; default: never. */
  readonly pingTimeoutMs?: number | undefined;
  /** Texts other than audio, and pings; twice as many at once. One more ends the stream with 1008. Default: any. */
  readonly messagesPerSecond?: number | undefined;
}

/** Where a stream's server is, and how to get in. */
export interface StreamTarget {
  readonly url: string;
  /** Literal address to connect to (the one the SSRF guard approved); undefined resolves the host. */
  readonly address: string | undefined;
  /** Added to the upgrade. Never to be logged. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: StreamTls | undefined;
}

/** PEM texts. Never to be logged. */
export interface StreamTls {
  /** Ours, for servers that want to know who connects. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Authorities that are believed, in place of the system's. */
  readonly ca?: string | undefined;
}

export interface StreamPlayout {
  /** Audio that may wait, at most; the oldest is dropped beyond. Default: `bufferBytes` alone. */
  readonly maxBufferMs?: number | undefined;
  /** So much waits, or so long, before the first audio after silence is played. */
  readonly prebufferMs?: number | undefined;
  /** Whether the delay that a stalled server left is caught up with. Default: true. */
  readonly catchesUp?: boolean | undefined;
}

export type MediaCommand =
  | UnitCommand
  /** Binds an RTP port (even, in the worker's share of the range) and, unless `rtcpMux`, the odd one above it. */
  | {
      readonly type: 'openRtp';
      readonly endpointId: EndpointId;
      readonly address: string;
      readonly rtcpMux: boolean;
    }
  /** Starts the session, or changes it after a re-INVITE: same SSRC, sequence and counters go on. A changed
   *  remote address unlocks the source. */
  | { readonly type: 'setRtpSession'; readonly endpointId: EndpointId; readonly session: RtpSession }
  /** Sends RTCP BYE and frees the ports. Answered with `rtpClosed`. */
  | { readonly type: 'closeRtp'; readonly endpointId: EndpointId }
  /** Opens the connection; the dialect's opening is sent the moment it is open. */
  | ({
      readonly type: 'openStream';
      readonly endpointId: EndpointId;
      /** Default `sinch`. */
      readonly dialect?: StreamDialectName;
      /** What the server is told about the call; its `sampleRateHz` is that of the audio. */
      readonly connect: StreamConnect;
      /** Audio in each message that we send; default 20. */
      readonly frameMs?: number;
      readonly limits: StreamLimits;
      readonly playout?: StreamPlayout | undefined;
      /** Above 0: where the connection of an answered stream is lost, `streamLost` comes, and so much of what the phone
       *  says until it has another one is kept. */
      readonly resumeMs?: number | undefined;
    } & StreamTarget)
  /** After `streamLost`, which comes again where this connection fails too. Ends with `streamResumed` or `closeStream`. */
  | ({ readonly type: 'reopenStream'; readonly endpointId: EndpointId } & StreamTarget)
  /** Says it to the server, if it asked for such events. */
  | { readonly type: 'tellStream'; readonly endpointId: EndpointId; readonly event: StreamEvent }
  /** Closes the WebSocket with this code and reason. Answered with `streamClosed`. */
  | {
      readonly type: 'closeStream';
      readonly endpointId: EndpointId;
      readonly code: number;
      readonly reason: string;
    }
  /** Sends digits to the phone, `0-9 * # A-D` and `w` for 500 ms: as RFC 4733 events in place of the audio, or as
   *  tones where it takes no events. At most 256 wait. */
  | { readonly type: 'sendDigits'; readonly endpointId: EndpointId; readonly digits: string }
  /** Looks for digits in the phone's audio too (`listens`; without telephone-event that is done in any case), and takes
   *  them out of it (`mutes`). Off at first. */
  | {
      readonly type: 'detectDigits';
      readonly endpointId: EndpointId;
      readonly listens: boolean;
      readonly mutes: boolean;
    }
  /** Two routes, one each way. A sink that was fed by another source is taken over. */
  | { readonly type: 'bridge'; readonly a: EndpointId; readonly b: EndpointId }
  | { readonly type: 'unbridge'; readonly a: EndpointId; readonly b: EndpointId }
  /** Reports voice on this RTP endpoint as `voice` events from now on, or no more. */
  | { readonly type: 'watchVoice'; readonly endpointId: EndpointId; readonly on: boolean }
  /** Answered with one `report`. */
  | { readonly type: 'report'; readonly requestId: number };

/** Of the commands of a server those that the call obeys. Digits are never to be logged. */
export type StreamRequest = Extract<StreamCommand, { readonly command: 'dtmf' | 'hangup' | 'transfer' }>;

export type StreamReply = 'answer' | 'busy' | 'reject';

/** Why a stream ended, as seen in the worker. */
export type StreamEnd =
  /** The HTTP answer to the upgrade was not 101. */
  | { readonly cause: 'declined'; readonly httpStatus: number }
  /** DNS, refused, reset, TLS, or no upgrade within the limit. `code` is the system's (`ECONNREFUSED`,
   *  `ENOTFOUND`, `DEPTH_ZERO_SELF_SIGNED_CERT`) or `CONNECTTIMEOUT`; in mid-call `PINGTIMEOUT` or `NOTREADING`. */
  | { readonly cause: 'unreachable'; readonly code: string; readonly message: string }
  | { readonly cause: 'answerTimeout' }
  | { readonly cause: 'idle' }
  /** The server closed; 1006 where the socket was lost without a close frame. */
  | { readonly cause: 'closed'; readonly code: number; readonly reason: string }
  /** The server broke RFC 6455 or a limit; `code` is the close code that we sent (1002, 1003, 1007, 1008, 1009). */
  | { readonly cause: 'violation'; readonly code: number; readonly message: string }
  /** We closed it, with `closeStream`; where that was not sent, because something in us failed. */
  | { readonly cause: 'local' };

export interface RtpCounters {
  readonly packetsReceived: number;
  readonly bytesReceived: number;
  readonly packetsSent: number;
  readonly bytesSent: number;
  /** RFC 3550 A.3, of the packets that should have come. */
  readonly packetsLost: number;
  readonly packetsDuplicate: number;
  /** Came after their place had been given up. */
  readonly packetsLate: number;
  /** Not RTP, an unknown payload type, a wrong source. */
  readonly packetsIgnored: number;
  /** SRTP whose tag was wrong, or that came before. */
  readonly packetsRefused: number;
  /** RFC 3550 §6.4.1, in ms. */
  readonly jitterMs: number;
  /** From RTCP; undefined before the first report block. */
  readonly rttMs: number | undefined;
  /** Lost on the way to the peer, by its report blocks. */
  readonly packetsLostRemote: number;
  /** Of the last five seconds, and since the beginning; undefined in the first second. */
  readonly quality: LegQuality | undefined;
  readonly qualityWhole: LegQuality | undefined;
  /** How the peer itself hears us, 1–5, by its extended reports. */
  readonly mosRemote: number | undefined;
  /** Frames sent as silence because nothing was queued. */
  readonly framesUnderrun: number;
}

export interface StreamCounters {
  readonly framesSent: number;
  /** Uplink frames not sent because the socket did not take them. */
  readonly framesDropped: number;
  readonly messagesReceived: number;
  readonly bytesReceived: number;
  /** Binary that came before the answer. */
  readonly messagesEarly: number;
  /** Text that was no known command, or broken. */
  readonly messagesInvalid: number;
  /** Audio waiting to be played now, and dropped so far for want of room. */
  readonly bufferedMs: number;
  readonly droppedMs: number;
  readonly clears: number;
  /** Marks that were reported, either way. */
  readonly marks: number;
  /** Lost connections that were replaced. */
  readonly resumes: number;
  /** Connections that ended for more messages than `messagesPerSecond`, for not being read, for not answering pings. */
  readonly floods: number;
  readonly stuck: number;
  readonly silences: number;
}

export type MediaEvent =
  | UnitEvent
  | {
      readonly type: 'rtpOpened';
      readonly endpointId: EndpointId;
      readonly port: number;
      /** `port` where RTCP is multiplexed. */
      readonly rtcpPort: number;
    }
  /** No port could be bound. `code` is the system's or `PORTSUSED`. */
  | {
      readonly type: 'rtpFailed';
      readonly endpointId: EndpointId;
      readonly code: string;
      readonly message: string;
    }
  /** The first packet from the source that the endpoint locked on. */
  | { readonly type: 'rtpStarted'; readonly endpointId: EndpointId; readonly source: TransportAddress }
  /** It had started, and nothing has come for some seconds while we expect audio; and it comes again. */
  | { readonly type: 'rtpStopped'; readonly endpointId: EndpointId; readonly silentMs: number }
  | { readonly type: 'rtpResumed'; readonly endpointId: EndpointId; readonly silentMs: number }
  /** After `watchVoice`. */
  | { readonly type: 'voice'; readonly endpointId: EndpointId; readonly state: 'started' | 'stopped' }
  /** Nothing for `rtp.timeout` seconds while we expect audio. */
  | { readonly type: 'rtpTimeout'; readonly endpointId: EndpointId }
  /** Also without `closeRtp`, where something in us failed. */
  | { readonly type: 'rtpClosed'; readonly endpointId: EndpointId; readonly counters: RtpCounters }
  /** A digit ended. Reported once, whichever way it came. */
  | {
      readonly type: 'digit';
      readonly endpointId: EndpointId;
      readonly digit: string;
      readonly durationMs: number;
      readonly method: DigitMethod;
    }
  /** 101 came and `connect` was sent. */
  | { readonly type: 'streamConnected'; readonly endpointId: EndpointId }
  | { readonly type: 'streamReplied'; readonly endpointId: EndpointId; readonly reply: StreamReply }
  /** The server asks for what only the call can do. */
  | ({ readonly type: 'streamAsked'; readonly endpointId: EndpointId } & StreamRequest)
  /** See `resumeMs`. The caller hears what waits still, then silence. */
  | { readonly type: 'streamLost'; readonly endpointId: EndpointId; readonly end: StreamEnd }
  /** The new connection was answered, and has got what was said meanwhile. */
  | {
      readonly type: 'streamResumed';
      readonly endpointId: EndpointId;
      readonly gapMs: number;
      readonly droppedMs: number;
    }
  /** The last event of a stream, exactly one for each `openStream`. */
  | {
      readonly type: 'streamClosed';
      readonly endpointId: EndpointId;
      readonly end: StreamEnd;
      readonly counters: StreamCounters;
    }
  /** Worth a warning in the call's log, at most once of each `code` a call. */
  | {
      readonly type: 'notice';
      readonly endpointId: EndpointId;
      readonly code: string;
      readonly message: string;
    }
  /** The worker runs late, or is in time again: whether it should get more calls. */
  | { readonly type: 'load'; readonly overloaded: boolean }
  | {
      readonly type: 'report';
      readonly requestId: number;
      readonly rtp: Readonly<Record<EndpointId, RtpCounters>>;
      readonly streams: Readonly<Record<EndpointId, StreamCounters>>;
      readonly worker: WorkerCounters;
    };

/** Added up over all endpoints that a worker had and has. */
export interface MediaTotals {
  readonly rtpPacketsReceived: number;
  readonly rtpPacketsSent: number;
  readonly rtpPacketsLost: number;
  readonly rtpPacketsDuplicate: number;
  readonly rtpPacketsLate: number;
  readonly rtpPacketsIgnored: number;
  readonly rtpPacketsRefused: number;
  readonly streamDroppedMs: number;
  readonly streamFramesDropped: number;
  readonly streamMarks: number;
  readonly streamResumes: number;
  readonly streamFloods: number;
  readonly streamStuck: number;
  readonly streamSilences: number;
  readonly streamMessagesEarly: number;
  readonly streamMessagesInvalid: number;
}

/** Totals since the worker started, for `/metrics`. */
export interface WorkerCounters extends MediaTotals {
  readonly endpoints: number;
  /** How late ticks ran: `latenessMsBuckets[i]` counts those of at most `latenessMsBounds[i]`, the last the rest. */
  readonly latenessMsBounds: readonly number[];
  readonly latenessMsBuckets: readonly number[];
  readonly latenessMsSum: number;
  readonly framesSkipped: number;
  readonly portsInUse: number;
  /** Datagrams that the system did not take, by its code: those of the sends that were asked about. */
  readonly udpErrors?: Readonly<Record<string, number>>;
  /** It cannot take more calls without being late for those that it has. */
  readonly overloaded?: boolean;
  /** How this worker does its UDP; absent in a report of nothing. */
  readonly accelerator?: 'koffi' | 'none' | undefined;
}
