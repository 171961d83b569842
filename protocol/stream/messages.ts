/** The stream protocol between the gateway (WebSocket client) and a customer's server, as every dialect shares
 *  it. A dialect (`sinch.ts`) turns these into text and back. */

/** PCM rates a stream may have. Audio is signed 16-bit little-endian, mono. */
export const streamSampleRatesHz = [8000, 16000, 24000, 44100, 48000, 96000] as const;

export type StreamSampleRateHz = (typeof streamSampleRatesHz)[number];

/** Length of every binary message that the gateway sends. */
export const streamFrameMs = 20;

/** Text messages from the server beyond this close the stream with 1009. */
export const textMessageBytesMax = 65_536;

/** Events and commands beyond the base protocol that this gateway offers in `connect`. */
export const streamExtensions: readonly string[] = [];

/** What a server is told about the call before anything else. */
export interface StreamConnect {
  readonly callId: string;
  readonly applicationKey: string;
  readonly sampleRateHz: number;
  /** As configured, in order; with a duplicate key the last wins. Names keep their case. */
  readonly callHeaders: readonly { readonly key: string; readonly value: string }[];
  readonly from: string;
  readonly to: string;
  readonly direction: 'inbound' | 'outbound';
  /** The X- headers of the INVITE. */
  readonly sipHeaders: Readonly<Record<string, string>>;
}

/** What a server may say at any time after `connect`. */
export type StreamCommand =
  /** `extensions` are those of `streamExtensions` that the server asked for. */
  | { readonly command: 'answer'; readonly extensions: readonly string[] }
  | { readonly command: 'busy' }
  | { readonly command: 'reject' }
  /** Drop all audio that was not yet sent to the phone. */
  | { readonly command: 'clear' }
  /** The silent connection is alive. */
  | { readonly command: 'heartbeat' };

export interface StreamDialect {
  readonly name: string;
  buildConnectMessage(connect: StreamConnect): string;
  /** Throws `ProtocolError` and nothing else: `bad-json`, `bad-message`, `unknown-command`, `bad-field`. None of
   *  them is a reason to end a call. */
  parseCommand(text: string): StreamCommand;
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
