import type { Socket } from 'node:net';
import { frameMs, loudLevel, MarkerDetector, silentLevel } from './marker-audio.ts';
import { sharedNowMs } from './shared-clock.ts';
import type { StreamMeasures } from './stream-servers.ts';
import {
  acceptKey,
  FrameCutter,
  opcodes,
  serverFrame,
  serverHeaderBytes,
  writeServerHeader,
} from './websocket-frames.ts';

/** Echoes waiting in the socket beyond this are dropped: the gateway has stopped reading. */
const WAITING_BYTES_MAX = 1_000_000;
const HANDSHAKE_BYTES_MAX = 16_384;

export interface ConnectionOptions {
  readonly sampleRateHz: number;
  readonly echo: boolean;
  readonly closed: () => void;
}

const answer = serverFrame(opcodes.text, Buffer.from('{"command":"answer"}'));
const scratch = new Int16Array(96_000);

/** One stream leg of the gateway, from the upgrade to the close. */
export class StreamConnection {
  readonly #socket: Socket;
  readonly #measures: StreamMeasures;
  readonly #options: ConnectionOptions;
  readonly #detector: MarkerDetector;
  readonly #frames = new FrameCutter((opcode, bytes, offset, sizeBytes) =>
    this.#receive(opcode, bytes, offset, sizeBytes),
  );
  readonly #frameBytes: number;
  /** Samples between two that the loudness check looks at. */
  readonly #stride: number;
  #head: Buffer | undefined = Buffer.alloc(0);
  /** 0 until `connect` named it. */
  #call = 0;
  #sounded = false;

  constructor(socket: Socket, measures: StreamMeasures, options: ConnectionOptions) {
    this.#socket = socket;
    this.#measures = measures;
    this.#options = options;
    this.#detector = new MarkerDetector(options.sampleRateHz);
    this.#frameBytes = (options.sampleRateHz * frameMs * 2) / 1000;
    this.#stride = Math.max(1, Math.floor(options.sampleRateHz / 4000));
    socket.on('data', (chunk: Buffer) => {
      if (this.#head === undefined) this.#cut(chunk);
      else this.#shakeHands(chunk);
    });
    // A reset is a close to us.
    socket.on('error', () => {});
    socket.on('close', () => {
      measures.counters.markersUnknown += this.#detector.unknown;
      options.closed();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  send(frame: Buffer): void {
    if (this.#call === 0) return;
    this.#measures.counters.framesSent++;
    this.#socket.write(frame);
  }

  sendMarked(frame: Buffer, tone: number, nowMs: number): void {
    if (this.#call === 0) return;
    this.#measures.markersSent.add(this.#call, tone, nowMs, nowMs);
    this.send(frame);
  }

  sendClears(clear: Buffer, count: number, nowMs: number): void {
    if (this.#call === 0) return;
    this.#measures.clears.add(this.#call, nowMs);
    this.#measures.counters.clears += count;
    for (let i = 0; i < count; i++) this.#socket.write(clear);
  }

  #shakeHands(chunk: Buffer): void {
    const head = Buffer.concat([this.#head!, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#head = head;
      if (head.length > HANDSHAKE_BYTES_MAX) this.#violate();
      return;
    }
    const key = /^sec-websocket-key:[ \t]*(\S+)/im.exec(head.toString('latin1', 0, end))?.[1];
    if (key === undefined) {
      this.#violate();
      return;
    }
    this.#head = undefined;
    this.#socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`,
    );
    if (head.length > end + 4) this.#cut(head.subarray(end + 4));
  }

  #cut(chunk: Buffer): void {
    if (!this.#frames.push(chunk)) this.#violate();
  }

  #receive(opcode: number, bytes: Buffer, offset: number, sizeBytes: number): void {
    if (opcode === opcodes.binary) this.#receiveAudio(bytes, offset, sizeBytes);
    else if (opcode === opcodes.text) this.#receiveText(bytes.toString('utf8', offset, offset + sizeBytes));
    else if (opcode === opcodes.ping)
      this.#socket.write(serverFrame(opcodes.pong, bytes.subarray(offset, offset + sizeBytes)));
    else if (opcode === opcodes.close) {
      this.#call = 0;
      this.#socket.end(serverFrame(opcodes.close, bytes.subarray(offset, offset + Math.min(sizeBytes, 2))));
    }
  }

  #receiveText(text: string): void {
    if (this.#call !== 0) return;
    const number = readCallNumber(text);
    if (number === undefined) {
      this.#violate();
      return;
    }
    this.#call = number;
    this.#socket.write(answer);
  }

  /** Listens, then sends the same bytes back: the room of header and mask takes the new header. */
  #receiveAudio(bytes: Buffer, offset: number, sizeBytes: number): void {
    const { counters } = this.#measures;
    counters.framesReceived++;
    if (sizeBytes !== this.#frameBytes) counters.framesOdd++;
    this.#listen(bytes, offset, sizeBytes);
    if (!this.#options.echo) return;
    if (this.#socket.writableLength > WAITING_BYTES_MAX) {
      counters.framesDropped++;
      return;
    }
    const start = offset - serverHeaderBytes(sizeBytes);
    writeServerHeader(bytes, start, opcodes.binary, sizeBytes);
    counters.framesSent++;
    this.#socket.write(bytes.subarray(start, offset + sizeBytes));
  }

  #listen(bytes: Buffer, offset: number, sizeBytes: number): void {
    const detector = this.#detector;
    const end = offset + sizeBytes - 1;
    const step = this.#stride * 2;
    let loudest = 0;
    for (let at = offset; at < end; at += step) {
      const sample = ((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16;
      const magnitude = sample < 0 ? -sample : sample;
      if (magnitude > loudest) loudest = magnitude;
    }
    if (loudest < silentLevel) {
      if (this.#sounded) this.#measures.counters.framesSilent++;
    } else this.#sounded = true;
    const samples = sizeBytes >> 1;
    if (loudest < loudLevel && !detector.wanting) {
      detector.skip(samples);
      return;
    }
    const nowMs = sharedNowMs();
    for (let i = 0, at = offset; i < samples; i++, at += 2) scratch[i] = bytes[at]! | (bytes[at + 1]! << 8);
    if (!detector.push(scratch, samples, nowMs)) return;
    const { tone, onsetMs, frameMs: arrivedMs } = detector;
    this.#measures.markersHeard.add(this.#call, tone, onsetMs, arrivedMs);
    if (this.#options.echo) this.#measures.markersSent.add(this.#call, tone, onsetMs, arrivedMs);
  }

  #violate(): void {
    this.#measures.counters.violations++;
    this.#socket.destroy();
  }
}

/** The number that the phones put into their user part and the X-Bench-Call header. Undefined where the text is no
 *  `connect` of the harness's call. */
export function readCallNumber(connect: string): number | undefined {
  const match = /bench-(\d+)/.exec(connect);
  return match === null || !connect.includes('"connect"') ? undefined : Number(match[1]);
}
