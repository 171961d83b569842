import { createHash } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A stream server made of bytes, so that every rule of WebSocket and stream protocol can be broken by itself. What a
 *  behaviour leaves out is done as it should be: the call is answered and its audio said back. */

export type Fields = Readonly<Record<string, unknown>>;

export interface Behaviour {
  /** Value of Sec-WebSocket-Accept, from the right one. */
  accept?(right: string): string;
  /** Right after the upgrade. */
  upgraded?(line: RawLine): void;
  connect?(line: RawLine, fields: Fields): void;
  /** A text message after `connect`. */
  text?(line: RawLine, fields: Fields): void;
  audio?(line: RawLine, pcm: Buffer): void;
  ping?(line: RawLine, payload: Buffer): void;
  close?(line: RawLine, payload: Buffer): void;
  /** The connection is gone. */
  gone?(line: RawLine): void;
  /** Takes every frame for a message. */
  readonly framesAreMessages?: true;
  /** Says nothing of itself. */
  readonly silent?: true;
}

export interface RawBot {
  readonly url: string;
  close(): Promise<void>;
}

const heartbeatMs = 50;

export async function startRawBot(behaviour: Behaviour): Promise<RawBot> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    new RawLine(socket, behaviour);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export class RawLine {
  /** Since `connect`. */
  connected = false;
  readonly #socket: Socket;
  readonly #behaviour: Behaviour;
  #bytes = Buffer.alloc(0);
  #upgraded = false;
  #message: { readonly opcode: number; readonly parts: Buffer[] } | undefined;
  readonly #heartbeat: NodeJS.Timeout | undefined;

  constructor(socket: Socket, behaviour: Behaviour) {
    this.#socket = socket;
    this.#behaviour = behaviour;
    if (!behaviour.silent)
      this.#heartbeat = setInterval(() => {
        if (this.connected) this.say({ command: 'heartbeat' });
      }, heartbeatMs);
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(this.#heartbeat);
      behaviour.gone?.(this);
    });
  }

  say(message: object): void {
    this.frame(0x81, Buffer.from(JSON.stringify(message)));
  }

  audio(pcm: Uint8Array): void {
    this.frame(0x82, pcm);
  }

  close(code: number): void {
    this.frame(0x88, Buffer.from([code >> 8, code & 0xff]));
    this.#socket.end();
  }

  /** `first` is the first byte; `second` is added to the length, 0x80 for a mask of zeros. `announced` is the length
   *  where it is not that of the payload. */
  frame(first: number, payload: Uint8Array, second = 0, announced = payload.length): void {
    const header = Buffer.alloc(announced < 126 ? 2 : announced < 65_536 ? 4 : 10);
    header[0] = first;
    header[1] = second | (announced < 126 ? announced : announced < 65_536 ? 126 : 127);
    if (header.length === 4) header.writeUInt16BE(announced, 2);
    if (header.length === 10) header.writeBigUInt64BE(BigInt(announced), 2);
    const mask = second === 0 ? [] : [Buffer.alloc(4)];
    if (this.#socket.writable) this.#socket.write(Buffer.concat([header, ...mask, payload]));
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (!this.#upgraded && !this.#upgrade()) return;
    for (;;) {
      const frame = readFrame(this.#bytes);
      if (frame === undefined) return;
      this.#bytes = this.#bytes.subarray(frame.sizeBytes);
      this.#take(frame.final, frame.opcode, frame.payload);
    }
  }

  #upgrade(): boolean {
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const key = /sec-websocket-key: (\S+)/i.exec(this.#bytes.subarray(0, end).toString())?.[1] ?? '';
    const right = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const accept = this.#behaviour.accept?.(right) ?? right;
    this.#bytes = this.#bytes.subarray(end + 4);
    this.#upgraded = true;
    this.#socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    this.#behaviour.upgraded?.(this);
    return true;
  }

  #take(final: boolean, opcode: number, payload: Buffer): void {
    const { ping, close, framesAreMessages } = this.#behaviour;
    if (opcode === 9) return ping === undefined ? this.frame(0x8a, payload) : ping(this, payload);
    if (opcode === 8) {
      if (close !== undefined) return close(this, payload);
      this.frame(0x88, payload);
      this.#socket.end();
      return;
    }
    if (opcode === 10) return;
    if (framesAreMessages) return this.#hear(opcode, payload);
    if (opcode !== 0) this.#message = { opcode, parts: [] };
    this.#message?.parts.push(payload);
    if (!final || this.#message === undefined) return;
    const { opcode: first, parts } = this.#message;
    this.#hear(first, Buffer.concat(parts));
  }

  #hear(opcode: number, payload: Buffer): void {
    const { connect, text, audio } = this.#behaviour;
    if (opcode === 2) {
      if (!this.connected) return;
      return audio === undefined ? this.audio(payload) : audio(this, payload);
    }
    let fields: Fields;
    try {
      fields = JSON.parse(payload.toString()) as Fields;
    } catch {
      return this.close(1007);
    }
    if (fields.command !== 'connect') return text?.(this, fields);
    if (connect === undefined) this.say({ command: 'answer' });
    else connect(this, fields);
    this.connected = true;
  }
}

function readFrame(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  const start = 2 + lengthBytes + 4;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return undefined;
  const key = bytes.subarray(start - 4, start);
  const payload = Buffer.from(bytes.subarray(start, start + length));
  for (let index = 0; index < length; index++) payload[index]! ^= key[index & 3]!;
  return { final: bytes[0]! >= 0x80, opcode: bytes[0]! & 0x0f, payload, sizeBytes: start + length };
}
