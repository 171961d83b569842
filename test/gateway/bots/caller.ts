import { WebSocket } from 'ws';

/** The gateway's side of the protocol, by hand. */
export class Caller {
  readonly texts: string[] = [];
  readonly binary: Buffer[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly socket: WebSocket;
  #changed = () => {};

  constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.binary.push(data);
      else this.texts.push(data.toString());
      this.#changed();
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  async opened(): Promise<this> {
    await new Promise((resolve) => this.socket.once('open', resolve));
    return this;
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  get audio(): Int16Array {
    const bytes = Uint8Array.from(Buffer.concat(this.binary));
    return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
  }

  connect(sampleRate?: number, fields: object = {}): void {
    this.say({ command: 'connect', callId: 'c1', from: 'a', to: 'b', sampleRate, ...fields });
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The `command` of each text, and of some more than that. */
  get commands(): Record<string, unknown>[] {
    return this.texts.map((text) => JSON.parse(text));
  }

  /** The first of that command, as soon as it came. */
  async command(name: string): Promise<Record<string, unknown>> {
    const find = () => this.commands.find(({ command }) => command === name);
    await this.until(() => find() !== undefined);
    return find()!;
  }
}
