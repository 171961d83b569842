import { randomBytes } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FrameReceiver } from '../../protocol/stream/frame-receiver.ts';
import { buildFrame, closePayload, opcodes } from '../../protocol/stream/frames.ts';
import { textMessageBytesMax } from '../../protocol/stream/messages.ts';
import { buildUpgrade, UpgradeAnswer } from '../../protocol/stream/upgrade.ts';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';

/** The longest binary message that a gateway takes: `stream.bufferBytes` as it is by default. */
export const binaryMessageBytesMax = 5_000_000;

export type ServerMessage =
  | { readonly type: 'text'; readonly atMs: number; readonly text: string }
  | { readonly type: 'audio'; readonly atMs: number; readonly sizeBytes: number };

export type ClientEnd =
  /** The server closed; 1005 where it named no code. */
  | { readonly by: 'server'; readonly code: number; readonly reason: string }
  /** The connection is gone without a close. */
  | { readonly by: 'lost' }
  /** The server broke RFC 6455 or a limit of size. */
  | { readonly by: 'violation'; readonly code: number; readonly message: string }
  | { readonly by: 'us' };

export type UpgradeOutcome =
  | { readonly accepted: true; readonly tookMs: number; readonly client: ConformanceClient }
  | { readonly accepted: false; readonly declinedWith: number | undefined; readonly why: string };

/** A WebSocket client that does what a test needs: fragments its messages, notes all that comes, sees every broken
 *  rule of RFC 6455, and lets go without a word. */
export class ConformanceClient {
  /** In the order in which they came. */
  readonly received: ServerMessage[] = [];
  readonly openedMs: number;
  end: ClientEnd | undefined;
  /** When `end` came. */
  endedMs: number | undefined;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #receiver: FrameReceiver;
  #binaryBytes = 0;
  readonly #pongs: string[] = [];
  #closeSent = false;
  readonly #watchers = new Set<() => void>();

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.openedMs = clock.nowMs();
    this.#receiver = new FrameReceiver(
      {
        binary: (_bytes, _offset, sizeBytes, last) => this.#receiveBinary(sizeBytes, last),
        text: (text) => this.#note({ type: 'text', atMs: clock.nowMs(), text }),
        ping: (payload) => this.#sendFrame(opcodes.pong, payload),
        pong: (payload) => {
          this.#pongs.push(Buffer.from(payload).toString('hex'));
          this.#changed();
        },
        close: (code, reason) => this.#closedByServer(code, reason),
        violation: (code, message) => {
          this.#sendClose(code, '');
          this.#ended({ by: 'violation', code, message });
          socket.end();
        },
      },
      { textBytesMax: textMessageBytesMax, binaryBytesMax: binaryMessageBytesMax },
    );
    socket.on('error', () => {});
    socket.on('close', () => this.#ended({ by: 'lost' }));
  }

  /** Takes what the server sent. */
  receive(bytes: Uint8Array, start: number): void {
    this.#receiver.receive(bytes, start, bytes.length);
  }

  // ---- Sending -----------------------------------------------------------------------------------------------

  sendText(text: string): void {
    this.#sendFrame(opcodes.text, Buffer.from(text));
  }

  sendAudio(pcm: Uint8Array): void {
    this.#sendFrame(opcodes.binary, pcm);
  }

  /** One message in as many frames, with `between` after each but the last. */
  sendFragmented(opcode: 1 | 2, payload: Uint8Array, frames: number, between: () => void = () => {}): void {
    const size = Math.ceil(payload.length / frames);
    for (let index = 0; index < frames; index++) {
      const part = payload.subarray(index * size, (index + 1) * size);
      const frame = buildFrame(index === 0 ? opcode : opcodes.continuation, part, randomBytes(4));
      const isLast = index === frames - 1;
      if (!isLast) frame[0]! &= 0x7f;
      this.#write(frame);
      if (!isLast) between();
    }
  }

  sendPing(payload: Uint8Array): void {
    this.#sendFrame(opcodes.ping, payload);
  }

  /** Closes as a gateway does; false where the server did not close back in time. */
  async close(code: number, reason: string, withinMs: number): Promise<boolean> {
    this.#sendClose(code, reason);
    const closed = await this.until(() => this.end !== undefined, withinMs);
    this.#socket.destroy();
    return closed;
  }

  /** The connection is gone, as when a cable is pulled and the other side hears of it. */
  destroy(): void {
    this.#ended({ by: 'us' });
    // Not by a reset: a worker thread that once reset a socket cannot be terminated (Node 20).
    this.#socket.destroy();
  }

  // ---- Waiting -----------------------------------------------------------------------------------------------

  hasPong(payload: Uint8Array): boolean {
    return this.#pongs.includes(Buffer.from(payload).toString('hex'));
  }

  /** True as soon as `done` holds, false when time is up before. Looked at with everything that comes. */
  until(done: () => boolean, withinMs: number): Promise<boolean> {
    if (done()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (held: boolean): void => {
        timer.cancel();
        this.#watchers.delete(look);
        resolve(held);
      };
      const look = (): void => {
        if (done()) finish(true);
      };
      const timer = this.#clock.after(withinMs, () => finish(done()));
      this.#watchers.add(look);
    });
  }

  // ---- The inside --------------------------------------------------------------------------------------------

  #receiveBinary(sizeBytes: number, last: boolean): void {
    this.#binaryBytes += sizeBytes;
    if (!last) return;
    this.#note({ type: 'audio', atMs: this.#clock.nowMs(), sizeBytes: this.#binaryBytes });
    this.#binaryBytes = 0;
  }

  #note(message: ServerMessage): void {
    this.received.push(message);
    this.#changed();
  }

  #closedByServer(code: number, reason: string): void {
    this.#sendClose(code === 1005 ? 1000 : code, '');
    this.#ended({ by: 'server', code, reason });
    this.#socket.end();
  }

  #ended(end: ClientEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.endedMs = this.#clock.nowMs();
    this.#changed();
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look();
  }

  #sendClose(code: number, reason: string): void {
    if (this.#closeSent) return;
    const payload = closePayload(code, reason) ?? new Uint8Array(0);
    this.#sendFrame(opcodes.close, payload);
    this.#closeSent = true;
  }

  #sendFrame(opcode: number, payload: Uint8Array): void {
    this.#write(buildFrame(opcode, payload, randomBytes(4)));
  }

  #write(frame: Uint8Array): void {
    if (!this.#closeSent && !this.#socket.destroyed) this.#socket.write(frame);
  }
}

/** Connects and upgrades; `url` is ws:// or wss://, whose certificate must be valid. Never rejects. */
export function openConformanceClient(url: URL, clock: Clock, timeoutMs: number): Promise<UpgradeOutcome> {
  const isTls = url.protocol === 'wss:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (isTls ? 443 : 80);
  const startedMs = clock.nowMs();
  const socket = isTls
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) })
    : connectTcp({ host, port });
  socket.setNoDelay(true);
  const key = randomBytes(16).toString('base64');
  const answer = new UpgradeAnswer(key);
  let client: ConformanceClient | undefined;
  return new Promise((resolve) => {
    const fail = (why: string, declinedWith?: number): void => {
      timer.cancel();
      socket.destroy();
      resolve({ accepted: false, declinedWith, why });
    };
    const timer = clock.after(timeoutMs, () => fail(`no answer to the upgrade within ${timeoutMs} ms`));
    socket.on('error', (error) => {
      if (client === undefined) fail(errorMessage(error));
    });
    socket.on('close', () => {
      if (client === undefined) fail('the connection was closed before the upgrade was answered');
    });
    socket.on(isTls ? 'secureConnect' : 'connect', () => socket.write(buildUpgrade(url, key, {})));
    socket.on('data', (bytes: Buffer) => {
      if (client !== undefined) return client.receive(bytes, 0);
      try {
        const read = answer.receive(bytes, bytes.length);
        if (read === undefined) return;
        if (read.status !== 101) return fail(`HTTP status ${read.status}`, read.status);
        timer.cancel();
        client = new ConformanceClient(socket, clock);
        resolve({ accepted: true, tookMs: clock.nowMs() - startedMs, client });
        client.receive(bytes, read.offset);
      } catch (error) {
        fail(errorMessage(error));
      }
    });
  });
}
