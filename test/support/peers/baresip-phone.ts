import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { baresip, moduleDirectory } from './baresip.ts';
import { freePort } from './free-port.ts';
import { type Processes, type Running, tail } from './processes.ts';

/** Baresip as a phone that does what it is told in mid-call: over TCP, with the commands of its menu. */

export interface BaresipPhoneOptions {
  /** `opus/48000/2`, in the order of preference. */
  readonly codecs: readonly string[];
  /** WAV at the rate and with the channels of the codec; longer than the call. */
  readonly play: string;
  /** An empty directory of its own. */
  readonly directory: string;
  readonly transport?: 'udp' | 'tcp';
  /** `srtp` (offered beside plain RTP), `srtp-mand` (RTP/SAVP) or `srtp-mandf` (RTP/SAVPF). */
  readonly mediaEncryption?: string;
}

export interface BaresipEvent {
  /** `CALL_ESTABLISHED`, `CALL_CLOSED`, `TRANSFER_FAILED`, … */
  readonly type: string;
  readonly param: string | undefined;
}

const modules = ['g711', 'g722', 'l16', 'opus', 'srtp', 'aufile', 'aubridge', 'sndfile'];
const applications = ['account', 'menu', 'ctrl_tcp'];

/** Which of them this installation has: a codec without its module is skipped. */
export function hasModule(name: string): boolean {
  return existsSync(join(moduleDirectory ?? '', `${name}.so`));
}

export class BaresipPhone {
  readonly #running: Running;
  readonly #socket: Socket;
  readonly #recordings: string;
  readonly events: BaresipEvent[] = [];
  #unread = Buffer.alloc(0);
  #answers: ((data: { readonly ok: boolean; readonly data: string }) => void)[] = [];
  #watchers: (() => void)[] = [];

  private constructor(running: Running, socket: Socket, recordings: string) {
    this.#running = running;
    this.#socket = socket;
    this.#recordings = recordings;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.#unread = Buffer.concat([this.#unread, bytes]);
      this.#read();
    });
  }

  /** Starts it and connects; it is ready to dial then. */
  static async start(processes: Processes, options: BaresipPhoneOptions): Promise<BaresipPhone> {
    const { directory } = options;
    const recordings = join(directory, 'recordings');
    mkdirSync(recordings);
    // A directory without the ringing tones that it would play.
    mkdirSync(join(directory, 'sounds'));
    writeFileSync(join(directory, 'contacts'), '');
    writeFileSync(join(directory, 'accounts'), accountText(options));
    for (let attempt = 1; ; attempt++) {
      // One for SIP, the next for SIP over TLS, and one for us.
      const port = await freePort(3);
      writeFileSync(join(directory, 'config'), configText(port, recordings, options.play));
      const running = processes.start(
        baresip.path ?? 'baresip',
        // However the test goes, it is over in two minutes.
        ['-f', directory, '-p', join(directory, 'sounds'), '-t', '120'],
        { cwd: directory },
      );
      const socket = await connect(port + 2, running);
      if (socket !== undefined) return new BaresipPhone(running, socket, recordings);
      running.signal('SIGKILL');
      if (attempt === 3)
        throw new Error(`baresip did not start; it said\n${tail(running.stdout + running.stderr)}`);
    }
  }

  /** A command of its menu, such as `hold`. Rejects where it does not know it. */
  async command(command: string, params = ''): Promise<string> {
    const text = JSON.stringify({ command, params, token: command });
    const answer = new Promise<{ readonly ok: boolean; readonly data: string }>((resolve) => {
      this.#answers.push(resolve);
    });
    this.#socket.write(`${Buffer.byteLength(text)}:${text},`);
    const { ok, data } = await answer;
    if (!ok) throw new Error(`baresip refused ${command}: ${data}`);
    return data;
  }

  /** Resolves when the call is established. */
  async dial(target: string): Promise<void> {
    await this.command('dial', target);
    await this.event('CALL_ESTABLISHED');
  }

  /** The first event of that type that has not been waited for, gone or still to come. */
  event(type: string, limitMs = 10_000): Promise<BaresipEvent> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#watchers = this.#watchers.filter((other) => other !== look);
        const seen = this.events.map((event) => event.type).join(', ');
        reject(
          new Error(
            `baresip did not report ${type} within ${limitMs} ms, but ${seen}\n${tail(this.#running.stderr)}`,
          ),
        );
      }, limitMs);
      const look = (): void => {
        const index = this.events.findIndex((event) => event.type === type);
        if (index < 0) return;
        const [event] = this.events.splice(index, 1);
        clearTimeout(limit);
        this.#watchers = this.#watchers.filter((other) => other !== look);
        resolve(event!);
      };
      this.#watchers.push(look);
      look();
    });
  }

  /** Hangs up, ends the program, and resolves with the WAVs of what it decoded, in the order of their beginning: a new
   *  one after each change of the session. No jitter buffer, no concealment. */
  async quit(): Promise<readonly string[]> {
    await this.command('quit').catch(() => {});
    const limit = setTimeout(() => this.#running.signal('SIGKILL'), 5_000);
    await this.#running.ended;
    clearTimeout(limit);
    this.#socket.destroy();
    return readdirSync(this.#recordings)
      .filter((name) => name.endsWith('-dec.wav'))
      .sort()
      .map((name) => join(this.#recordings, name));
  }

  /** Netstrings: `12:{"event":1},`. */
  #read(): void {
    for (;;) {
      const colon = this.#unread.indexOf(':');
      if (colon < 0) return;
      const start = colon + 1;
      const end = start + Number(this.#unread.subarray(0, colon).toString());
      if (this.#unread.length <= end) return;
      const text = this.#unread.subarray(start, end).toString();
      this.#unread = this.#unread.subarray(end + 1);
      this.#take(JSON.parse(text) as Record<string, unknown>);
    }
  }

  #take(message: Record<string, unknown>): void {
    if (message.response === true) {
      this.#answers.shift()?.({ ok: message.ok === true, data: String(message.data) });
      return;
    }
    const param = message.param === undefined ? undefined : String(message.param);
    this.events.push({ type: String(message.type), param });
    for (const look of [...this.#watchers]) look();
  }
}

/** Undefined where it ended before it took the connection. */
async function connect(port: number, running: Running): Promise<Socket | undefined> {
  let ended = false;
  void running.ended.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  for (let tries = 0; tries < 100 && !ended; tries++) {
    const socket = await tryConnect(port);
    if (socket !== undefined) return socket;
    await new Promise((resume) => setTimeout(resume, 100));
  }
  return undefined;
}

function tryConnect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

function accountText({ codecs, transport = 'udp', mediaEncryption }: BaresipPhoneOptions): string {
  const encryption = mediaEncryption === undefined ? '' : `;mediaenc=${mediaEncryption}`;
  return `<sip:baresip@127.0.0.1;transport=${transport}>;regint=0;audio_codecs=${codecs.join(',')}${encryption}\n`;
}

function configText(port: number, recordings: string, play: string): string {
  const lines = [
    'poll_method epoll',
    `sip_listen 127.0.0.1:${port}`,
    `ctrl_tcp_listen 127.0.0.1:${port + 2}`,
    `audio_source aufile,${play}`,
    // It writes no WAV of what it plays; the filter `sndfile` writes what it decodes, and needs a player behind it.
    'audio_player aubridge,nobody',
    'audio_alert aubridge,nobody',
    'audio_level no',
    'rtp_ports 20000-29998',
    `module_path ${moduleDirectory ?? ''}`,
    `snd_path ${recordings}`,
    ...modules.filter(hasModule).map((name) => `module ${name}.so`),
    ...applications.map((name) => `module_app ${name}.so`),
  ];
  return `${lines.join('\n')}\n`;
}
