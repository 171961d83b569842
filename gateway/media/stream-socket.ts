import type { StreamEnd, StreamTls } from './media-messages.ts';

/** A WebSocket to a customer's server as the stream endpoint sees it. `websocket.ts` is the real one; tests have
 *  one in memory. */
export interface StreamSocket {
  /** A server that has not read for so long that megabytes wait gets no more texts. */
  sendText(text: string): void;
  /** Room for the samples of the next audio message, in host order (which must be little-endian, as all of
   *  Node's platforms for servers are). The caller fills it wholly, then calls `sendAudio`. Undefined where so
   *  much is waiting already that the message would only be old when it came. */
  beginAudio(): Int16Array | undefined;
  /** Sends what `beginAudio` gave. */
  sendAudio(): void;
  /** One binary message; over TCP these bytes, which are the socket's from then on. */
  sendBinary(bytes: Uint8Array): void;
  /** So much is waiting already that more audio would only be old when it came. */
  readonly congested: boolean;
  /** Nothing is received after this; `closed` follows when the socket is gone, which has a limit. Idempotent. */
  close(code: number, reason: string): void;
}

export interface StreamSocketOptions {
  readonly transport: 'websocket' | 'tcp';
  /** Of a WebSocket; over TCP `tcp://host:port`. */
  readonly url: string;
  /** Literal address to connect to; undefined resolves the host of the URL. */
  readonly address: string | undefined;
  /** Added to the upgrade request. */
  readonly headers: Readonly<Record<string, string>>;
  /** One deadline over DNS, TCP, TLS and upgrade. */
  readonly connectTimeoutMs: number;
  /** Without anything from the server for so long, an answer to our pings either, a WebSocket is lost; default: never. */
  readonly pingTimeoutMs?: number | undefined;
  readonly tls?: StreamTls | undefined;
  /** Asked for in the upgrade. */
  readonly subprotocol?: string | undefined;
  /** A longer text message ends the stream with 1009; default `textMessageBytesMax`. */
  readonly textBytesMax?: number | undefined;
  /** A longer binary message ends the stream with 1009. */
  readonly binaryBytesMax: number;
  /** Samples of one audio message that we send. */
  readonly audioSamples: number;
  readonly sampleRateHz: number;
}

export interface StreamSocketHandlers {
  /** 101 came; of TCP: it is connected. */
  opened(): void;
  receiveText(text: string): void;
  /** Bytes of a binary message, the callee's only until it returns. A long one may come in several parts, `last` with
   *  the last of them. */
  receiveBinary(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean): void;
  /** A ping or a pong. */
  receivedControl?(): void;
  /** The server closed, or broke the protocol: nothing is received any more. `closed` follows with the same when the
   *  connection is gone, which a server can put off. Never from within a call of ours to the socket. */
  ended?(end: StreamEnd): void;
  /** The last call, exactly one, never from within another call of ours to the socket. */
  closed(end: StreamEnd): void;
}

/** Never throws: what is wrong with the options comes as `closed`. */
export type OpenStreamSocket = (options: StreamSocketOptions, handlers: StreamSocketHandlers) => StreamSocket;
