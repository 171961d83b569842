import { spawn } from 'node:child_process';
import { isVoice } from '../config-audio.ts';
import { errorCode } from '../errors.ts';
import { Aborted, linkedSignal } from './abort.ts';
import { AudioError, type AudioSource } from './audio-source.ts';
import type { AudioFile } from './fetched-files.ts';
import { SharedSequence } from './shared-sequence.ts';
import type { SizeCache } from './size-cache.ts';
import { WaitingSlots } from './waiting-slots.ts';

export interface SpeechSettings {
  /** Program and arguments, separated by spaces; `{voice}` stands for the voice. */
  readonly command: string;
  readonly voice: string;
  readonly timeoutMs: number;
  readonly atOnce: number;
}

const textCharactersMax = 5_000;
const outputBytesMax = 64 * 1024 * 1024;
const complaintBytesMax = 1_000;
const waitingMax = 200;

/** Texts as a program of the operator's speaks them. The text goes to its standard input and nowhere else: no shell,
 *  no argument of it is anybody's but the operator's, save the voice, which is checked. */
export class Speech {
  readonly #settings: SpeechSettings | undefined;
  readonly #slots: WaitingSlots;
  readonly #cache: SizeCache<readonly Uint8Array[]>;
  readonly #arriving = new Map<string, SharedSequence<Uint8Array>>();
  readonly #closing = new AbortController();

  constructor(settings: SpeechSettings | undefined, cache: SizeCache<readonly Uint8Array[]>) {
    this.#settings = settings;
    this.#cache = cache;
    this.#slots = new WaitingSlots(settings?.atOnce ?? 1, waitingMax, 'speech.atOnce');
  }

  /** @throws AudioError */
  find({ text, voice, locale }: AudioSource & { readonly kind: 'speech' }): AudioFile {
    if (this.#settings === undefined)
      throw new AudioError(
        'speech-not-configured',
        'no program speaks texts here: set speech.command, for instance to `espeak-ng --stdout -v {voice}`',
      );
    if (text.length > textCharactersMax)
      throw new AudioError(
        'audio-malformed',
        `a text to speak must have at most ${textCharactersMax} characters, got ${text.length}`,
      );
    const wanted = voice ?? locale ?? this.#settings.voice;
    if (!isVoice(wanted))
      throw new AudioError(
        'audio-malformed',
        `a voice must be 1 to 64 letters, digits and + - _ ., got ${JSON.stringify(wanted.slice(0, 70))}`,
      );
    const version = `speech ${wanted} ${text}`;
    return { version, bytes: (signal) => this.#read(version, { text, voice: wanted, signal }) };
  }

  close(): void {
    this.#closing.abort();
  }

  #read(
    version: string,
    what: { readonly text: string; readonly voice: string; readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array> {
    const kept = this.#cache.get(version);
    if (kept !== undefined) return asyncItems(kept);
    let arriving = this.#arriving.get(version);
    if (arriving === undefined) {
      const stop = new AbortController();
      arriving = new SharedSequence(() => {
        this.#arriving.delete(version);
        stop.abort();
      });
      this.#arriving.set(version, arriving);
      const { signal, release } = linkedSignal(stop.signal, this.#closing.signal);
      void this.#fill(version, arriving, { ...what, signal }).finally(release);
    }
    return arriving.read(what.signal);
  }

  async #fill(
    version: string,
    sequence: SharedSequence<Uint8Array>,
    what: { readonly text: string; readonly voice: string; readonly signal: AbortSignal },
  ): Promise<void> {
    let release = () => {};
    try {
      release = await this.#slots.take(what.signal);
      let bytes = 0;
      await this.#speak(what, (part) => {
        bytes += part.length;
        sequence.push(part);
      });
      this.#cache.set(version, sequence.items, bytes);
      sequence.end();
    } catch (error) {
      sequence.fail(error);
    } finally {
      release();
      if (this.#arriving.get(version) === sequence) this.#arriving.delete(version);
    }
  }

  #speak(
    { text, voice, signal }: { readonly text: string; readonly voice: string; readonly signal: AbortSignal },
    heard: (part: Uint8Array) => void,
  ): Promise<void> {
    const { command, timeoutMs } = this.#settings!;
    const [program = '', ...args] = command
      .trim()
      .split(/\s+/)
      .map((word) => word.replaceAll('{voice}', voice));
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        shell: false,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: withoutSettings(process.env),
        // A group of its own, so that what it starts ends with it.
        detached: true,
      });
      let failure: Error | undefined;
      let complaint = '';
      let bytes = 0;
      const fail = (error: Error) => {
        failure ??= error;
        killGroup(child.pid);
        child.stdout.destroy();
      };
      const abort = () => fail(new Aborted());
      signal.addEventListener('abort', abort, { once: true });
      const timer = setTimeout(() => {
        fail(
          new AudioError(
            'speech-failed',
            `${program} did not finish within ${timeoutMs} ms (speech.timeoutMs)`,
          ),
        );
      }, timeoutMs);
      child.stdout.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > outputBytesMax)
          fail(new AudioError('speech-failed', `${program} spoke more than ${outputBytesMax >> 20} MB`));
        else heard(part);
      });
      child.stderr.on('data', (part: Buffer) => {
        if (complaint.length < complaintBytesMax) complaint += part.toString('utf8', 0, complaintBytesMax);
      });
      child.on('error', (cause) => {
        failure ??= new AudioError(
          'speech-failed',
          `${program} cannot be started (${errorCode(cause)}): see speech.command`,
          { cause },
        );
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        const [said = ''] = complaint.trim().split('\n');
        if (failure !== undefined) reject(failure);
        else if (code !== 0)
          reject(new AudioError('speech-failed', `${program} ended with ${code}: ${said.slice(0, 200)}`));
        else if (bytes === 0)
          reject(new AudioError('speech-failed', `${program} said nothing: ${said.slice(0, 200)}`));
        else resolve();
      });
      // It may end without reading all of it.
      child.stdin.on('error', () => {});
      child.stdin.end(`${text}\n`);
    });
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself just now.
  }
}

/** Settings in the environment hold secrets. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('CALLWIRE_')));
}

async function* asyncItems<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
