/** The stream protocol between the gateway (the client) and a customer's server, as every dialect shares it. A
 *  dialect, a file each beside this one (`sinch.ts`), turns commands and events into messages and back. */

/** PCM rates a stream may have. */
export const streamSampleRatesHz = [8000, 16000, 24000, 44100, 48000, 96000] as const;

export type StreamSampleRateHz = (typeof streamSampleRatesHz)[number];

/** Length of every audio message that the gateway sends, where nothing else is configured. */
export const streamFrameMs = 20;

/** Text messages from the server beyond this close the stream with 1009, unless the dialect allows more. */
export const textMessageBytesMax = 65_536;

/** What this gateway offers in `connect` beyond the base protocol; the events of each are in `extensionOf`. */
export const streamExtensions = ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'] as const;

export type StreamExtension = (typeof streamExtensions)[number];

/** The longest name of a mark, in characters. */
export const markNameLengthMax = 256;

/** What a server is told about the call before anything else. */
export interface StreamConnect {
  readonly callId: string;
  readonly applicationKey: string;
  /** As configured. A dialect that has one rate only takes that. */
  readonly sampleRateHz: number;
  /** As configured, in order; with a duplicate key the last wins. Names keep their case. */
  readonly callHeaders: readonly { readonly key: string; readonly value: string }[];
  readonly from: string;
  readonly to: string;
  readonly direction: 'inbound' | 'outbound';
  /** The X- headers of the INVITE. */
  readonly sipHeaders: Readonly<Record<string, string>>;
  /** The call goes on after its connection was lost. */
  readonly resumed?: boolean | undefined;
  /** A second stream that only listens: whom it hears. Two channels where it is `both`, the caller on the left. */
  readonly tap?: StreamTap | undefined;
}

export type StreamTap = 'caller' | 'callee' | 'both';

// ---- Server → gateway -------------------------------------------------------------------------------------------

/** What a server may say at any time after the opening. */
export type StreamCommand =
  | { readonly command: 'answer' }
  | { readonly command: 'busy' }
  | { readonly command: 'reject' }
  /** The silent connection is alive. */
  | { readonly command: 'heartbeat' }
  /** Drop all audio that was not yet sent to the phone. */
  | { readonly command: 'clear' }
  /** Audio that did not come as a plain binary message, in the session's encoding; the receiver's until the next
   *  message. `sampleRateHz` where it is not the session's. */
  | { readonly command: 'audio'; readonly bytes: Uint8Array; readonly sampleRateHz?: number }
  /** Report when the audio queued before it was sent to the phone, or was dropped by `clear`. */
  | { readonly command: 'mark'; readonly name: string }
  /** Report the pending marks as cleared now; the audio is played all the same. */
  | { readonly command: 'clearMarks' }
  /** Report once, the next time that nothing waits any more. */
  | { readonly command: 'watchDrained' }
  | { readonly command: 'pause' }
  | { readonly command: 'continue' }
  /** `0-9 * # A-D`, `w` for 500 ms. */
  | { readonly command: 'dtmf'; readonly digits: string }
  | { readonly command: 'hangup'; readonly reason?: string | undefined }
  | {
      readonly command: 'transfer';
      readonly to: string;
      readonly headers?: Readonly<Record<string, string>> | undefined;
    }
  | { readonly command: 'status' };

export type StreamCommandName = StreamCommand['command'];

// ---- Gateway → server -------------------------------------------------------------------------------------------

export interface StreamStats {
  /** Shares of packets lost, 0 to 1: from the phone, and to it, as it reports. */
  readonly lossUp: number;
  readonly lossDown: number;
  readonly jitterMs: number;
  readonly rttMs?: number | undefined;
  readonly mos?: number | undefined;
  readonly bufferedMs: number;
  readonly codec: string;
}

/** What a server may be told after its answer. `playedMs`: audio of this stream sent to the phone since the answer. */
export type StreamEvent =
  | {
      readonly event: 'mark';
      readonly name: string;
      readonly status: 'played' | 'cleared';
      readonly playedMs: number;
    }
  | { readonly event: 'cleared'; readonly playedMs: number; readonly droppedMs: number }
  /** After `watchDrained`. */
  | { readonly event: 'drained'; readonly playedMs: number }
  | {
      readonly event: 'dtmf';
      readonly digit: string;
      readonly durationMs: number;
      readonly method: 'rfc4733' | 'inband' | 'info';
    }
  | { readonly event: 'hold' }
  | { readonly event: 'resume' }
  | {
      readonly event: 'flow';
      readonly state: 'xoff' | 'xon';
      readonly bufferedMs: number;
      /** Dropped for want of room since the last `flow`. */
      readonly droppedMs?: number | undefined;
    }
  | ({ readonly event: 'stats' } & StreamStats)
  | {
      readonly event: 'status';
      readonly state: 'playing' | 'paused' | 'idle';
      readonly bufferedMs: number;
      readonly playedMs: number;
      readonly marks: number;
    }
  | { readonly event: 'transfer'; readonly status: string; readonly code?: number | undefined }
  | { readonly event: 'error'; readonly code: string; readonly message: string };

export type StreamEventName = StreamEvent['event'];

/** Which extension brings an event. `error` comes with any. */
export const extensionOf: Readonly<Record<Exclude<StreamEventName, 'error'>, StreamExtension>> = {
  mark: 'mark',
  cleared: 'mark',
  drained: 'mark',
  dtmf: 'dtmf',
  hold: 'hold',
  resume: 'hold',
  flow: 'flow',
  stats: 'stats',
  status: 'control',
  transfer: 'control',
};

// ---- Dialects ---------------------------------------------------------------------------------------------------

export const streamDialectNames = [
  'sinch',
  'twilio',
  'vonage',
  'telnyx',
  'asterisk',
  'jambonz',
  'audiosocket',
] as const;

export type StreamDialectName = (typeof streamDialectNames)[number];

/** How samples stand in messages: signed 16-bit little-endian, the same big-endian (RFC 3551 L16), or G.711. */
export type StreamEncoding = 'pcm16' | 'pcm16be' | 'mulaw' | 'alaw';

/** To the server: a string is a text message, bytes are a binary one. Over TCP they are bytes of the connection. */
export type OutMessage = string | Uint8Array;

export interface StreamDialect {
  readonly name: StreamDialectName;
  /** `tcp` has no messages: what was read goes to `receiveBinary` as it came, in pieces of any size. */
  readonly transport: 'websocket' | 'tcp';
  /** Asked for in Sec-WebSocket-Protocol; the server may leave it out of its answer. */
  readonly subprotocol?: string | undefined;
  /** Longest text message; default `textMessageBytesMax`. */
  readonly textBytesMax?: number | undefined;
  /** Whether it can carry two channels, interleaved: for servers that only listen. */
  readonly stereo?: boolean | undefined;
  /** Its servers may listen for hours and say nothing: no idle timeout. */
  readonly mayBeSilent?: boolean | undefined;
  /** Whether answer, busy or reject is awaited. Else the call is answered as soon as the opening was sent. */
  readonly awaitsReply: boolean;
  /** For each connection, a resumed one too. Throws `ProtocolError` where it cannot carry the call (`bad-connect`). */
  createSession(connect: StreamConnect): DialectSession;
}

/** One connection's conversation. Without sockets and time: what it has to remember are numbers and names. */
export interface DialectSession {
  readonly encoding: StreamEncoding;
  /** What audio really has, both ways: one of `streamSampleRatesHz`. */
  readonly sampleRateHz: number;
  /** Sent when the connection is open; nothing precedes them. */
  opening(): readonly OutMessage[];
  /** Throws `ProtocolError` and nothing else, none of which is a reason to end a call: `bad-json`, `bad-message`,
   *  `unknown-command`, `bad-field`. */
  receiveText(text: string): readonly StreamCommand[];
  /** Only where binary messages are more than audio in `encoding`. The bytes are the session's until it returns; those
   *  of an `audio` command may be a view on them. Throws as `receiveText`; over TCP a `ProtocolError` ends the stream. */
  receiveBinary?(
    bytes: Uint8Array,
    offset: number,
    sizeBytes: number,
    last: boolean,
  ): readonly StreamCommand[];
  /** Only where audio is more than a binary message of it: `payload` is in `encoding`, the session's until it
   *  returns. */
  encodeAudio?(payload: Uint8Array): OutMessage;
  /** Whether this event would be said: what nobody hears is not worked out. */
  wants(event: StreamEventName): boolean;
  /** Undefined for what this server is not told. */
  tell(event: StreamEvent): OutMessage | undefined;
  /** Said before the gateway closes. */
  closing?(close: StreamClose): readonly OutMessage[];
  /** Code and reason of the gateway's close, where they are not those of `streamCloses`. */
  closeAs?(close: StreamClose): StreamClose;
}

/** How the gateway closes a stream: code and exact reason text. */
export const streamCloses = {
  normal: { code: 1000, reason: '' },
  callerHangup: { code: 1000, reason: 'CALLERHANGUP' },
  managerHangup: { code: 1000, reason: 'MANAGERHANGUP' },
  transferred: { code: 1000, reason: 'TRANSFERRED' },
  shutdown: { code: 1001, reason: 'SHUTDOWN' },
  protocolError: { code: 1002, reason: '' },
  unsupportedData: { code: 1003, reason: '' },
  invalidText: { code: 1007, reason: '' },
  tooManyMessages: { code: 1008, reason: '' },
  messageTooBig: { code: 1009, reason: '' },
  error: { code: 1011, reason: 'ERROR' },
  maxDuration: { code: 4001, reason: 'MAXDURATION' },
  idle: { code: 4002, reason: 'IDLE' },
  rtpTimeout: { code: 4003, reason: 'RTPTIMEOUT' },
  answerTimeout: { code: 4004, reason: 'ANSWERTIMEOUT' },
  cancel: { code: 4005, reason: 'CANCEL' },
} as const satisfies Readonly<Record<string, StreamClose>>;

export interface StreamClose {
  readonly code: number;
  readonly reason: string;
}

export type StreamCloseName = keyof typeof streamCloses;
