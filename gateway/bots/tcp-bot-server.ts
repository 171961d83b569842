import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { BotCall } from './bot-call.ts';
import type { BotCallEnd } from './bot-call-events.ts';
import { type BotHost, BotLine } from './bot-line.ts';
import type { BotDialect } from './dialects/bot-dialect.ts';

export interface TcpBotServerOptions {
  readonly dialect: BotDialect;
  readonly host: BotHost;
  /** A gateway that does not read is not written to beyond it. */
  readonly bufferedBytesMax: number;
  readonly closeTimeoutMs: number;
  readonly keepAliveMs: number;
}

/** Serves a dialect that has no WebSocket under it: a connection is a call. */
export class TcpBotServer {
  readonly #options: TcpBotServerOptions;
  readonly #lines = new Map<Socket, { close(code: number, reason: string): void }>();
  readonly #server = createServer({ noDelay: true }, (socket) => this.#connected(socket));

  constructor(options: TcpBotServerOptions) {
    this.#options = options;
  }

  async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#options.host.report(error, undefined));
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `tcp://${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get calls(): ReadonlySet<BotCall> {
    return this.#options.host.calls;
  }

  async close(): Promise<void> {
    const closed = [
      new Promise<void>((resolve) => this.#server.close(() => resolve())),
      // The server may be told before they are.
      ...[...this.#lines.keys()].map(
        (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
      ),
    ];
    for (const line of this.#lines.values()) line.close(1001, 'SHUTDOWN');
    const limit = setTimeout(() => {
      for (const socket of this.#lines.keys()) socket.destroy();
    }, this.#options.closeTimeoutMs);
    await Promise.all(closed);
    clearTimeout(limit);
  }

  #connected(socket: Socket): void {
    const { dialect, host, bufferedBytesMax, closeTimeoutMs, keepAliveMs } = this.#options;
    /** As nothing on the wire says why: what we closed with, else lost unless its last word came. */
    let end: BotCallEnd = { code: 1006, reason: '' };
    let abandon: NodeJS.Timeout | undefined;
    const line = new BotLine({
      dialect,
      host,
      wire: {
        send: (message) => {
          if (socket.writable) socket.write(message);
        },
        hasRoom: () => socket.writableLength < bufferedBytesMax,
        close: (code, reason) => {
          if (abandon !== undefined) return;
          end = { code, reason };
          socket.end();
          abandon = setTimeout(() => socket.destroy(), closeTimeoutMs);
        },
      },
    });
    this.#lines.set(socket, line);
    socket.setKeepAlive(true, keepAliveMs);
    socket.on('data', (bytes) => line.receiveBinary(bytes));
    // What broke it comes as its close.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(abandon);
      this.#lines.delete(socket);
      line.end(end);
    });
  }
}
