import { createResampler, type Resampler } from '../../../codecs/resampler.ts';
import type { CommandMessage } from '../../../protocol/stream/message-schemas.ts';
import { BotError } from '../bot-error.ts';
import { SampleJoiner } from '../sample-joiner.ts';
import {
  type BotDialect,
  type BotDialectOptions,
  type BotDialectSession,
  type BotNews,
  connectNews,
  cutIntoFrames,
  digitEvents,
  messageNews,
} from './bot-dialect.ts';

/** AudioSocket, Asterisk's plain TCP protocol: packets of one byte for the kind, two for the length (big-endian) and the
 *  payload. It says no rate before its first audio, so the call has the one that is assumed, and is converted to it. */
export const audiosocket: BotDialect = {
  name: 'audiosocket',
  transport: 'tcp',
  awaitsReply: false,
  tellsCallId: false,
  lacks: new Set(['clear', 'cleared']),
  createSession: (options) => new AudioSocketSession(options),
};

const kind = { hangup: 0x00, uuid: 0x01, digit: 0x03, error: 0xff } as const;
const rateOfKind: ReadonlyMap<number, number> = new Map([
  [0x10, 8_000],
  [0x12, 16_000],
  [0x13, 24_000],
  [0x15, 44_100],
  [0x16, 48_000],
  [0x17, 96_000],
]);
const kindOfRate: ReadonlyMap<number, number> = new Map([...rateOfKind].map(([code, rate]) => [rate, code]));
const headerBytes = 3;
const uuidBytes = 16;

class AudioSocketSession implements BotDialectSession {
  /** One of `rateOfKind`. */
  readonly #rateHz: number;
  readonly #audioKind: number;
  /** Packets that did not come whole: at most one header and 65 535 bytes wait. */
  #rest: Uint8Array = new Uint8Array();
  #connected = false;
  #heard: { readonly rateHz: number; readonly resampler: Resampler } | undefined;
  readonly #joiner = new SampleJoiner();

  constructor({ sampleRateAssumed }: BotDialectOptions) {
    this.#rateHz = sampleRateAssumed;
    this.#audioKind = kindOfRate.get(sampleRateAssumed)!;
  }

  receiveText(): readonly BotNews[] {
    return [];
  }

  /** Throws `bad-message` for what is no AudioSocket: the bytes that follow it mean nothing. */
  receiveBinary(bytes: Uint8Array): readonly BotNews[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const news: BotNews[] = [];
    let at = 0;
    for (; all.length - at >= headerBytes; ) {
      const code = all[at]!;
      const end = at + headerBytes + ((all[at + 1]! << 8) | all[at + 2]!);
      this.#check(code, end - at - headerBytes);
      if (end > all.length) break;
      news.push(...this.#read(code, all.subarray(at + headerBytes, end)));
      at = end;
    }
    this.#rest = Uint8Array.from(all.subarray(at));
    return news;
  }

  say(command: CommandMessage): readonly Uint8Array[] {
    if (command.command !== 'dtmf') return [];
    if (command.digits.includes('w'))
      throw new BotError('bad-argument', `audiosocket has no pause among digits, got '${command.digits}'`);
    return [...command.digits].map((digit) => packet(kind.digit, Uint8Array.of(digit.charCodeAt(0))));
  }

  encodeAudio(pcm: Uint8Array): readonly Uint8Array[] {
    return cutIntoFrames(pcm, this.#rateHz).map((frame) => packet(this.#audioKind, frame));
  }

  closing(): readonly Uint8Array[] {
    return [packet(kind.hangup, new Uint8Array())];
  }

  /** Said of a header, before its payload is waited for. */
  #check(code: number, size: number): void {
    if (!this.#connected && (code !== kind.uuid || size !== uuidBytes))
      throw new BotError(
        'bad-message',
        `the first packet must be a UUID of ${uuidBytes} bytes, got one of kind ${hex(code)} with ${size}`,
      );
    const isKnown = rateOfKind.has(code) || Object.values(kind).some((known) => known === code);
    if (!isKnown) throw new BotError('bad-message', `no packet is of kind ${hex(code)}`);
  }

  #read(code: number, payload: Uint8Array): readonly BotNews[] {
    const rateHz = rateOfKind.get(code);
    if (rateHz !== undefined) return [{ type: 'audio', pcm: this.#convert(payload, rateHz) }];
    switch (code) {
      case kind.uuid: {
        if (this.#connected) return [];
        this.#connected = true;
        const callId = uuidText(payload);
        const offered = ['dtmf'];
        return [connectNews({ callId, streamSampleRate: this.#rateHz, offered, connect: { uuid: callId } })];
      }
      case kind.digit: {
        const digit = String.fromCharCode(payload[0] ?? 0).toUpperCase();
        return [messageNews({ kind: code, digit }, ...digitEvents(digit))];
      }
      case kind.hangup:
        return [{ type: 'hangup' }];
      default: {
        const number = payload[0] ?? 0;
        const message = `the far side reports error ${number}`;
        return [messageNews({ kind: code, error: number }, { event: 'error', code: 'audiosocket', message })];
      }
    }
  }

  #convert(payload: Uint8Array, rateHz: number): Uint8Array {
    if (rateHz === this.#rateHz) return Uint8Array.from(payload);
    if (this.#heard?.rateHz !== rateHz)
      this.#heard = { rateHz, resampler: createResampler(rateHz, this.#rateHz) };
    const { resampler } = this.#heard;
    const pcm = this.#joiner.join(Uint8Array.from(payload));
    const room = new Int16Array(resampler.outputSamplesMax(pcm.length));
    const samples = resampler.process(pcm, 0, pcm.length, room, 0);
    return new Uint8Array(room.buffer, 0, samples * 2);
  }
}

function packet(code: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(code, payload.length >> 8, payload.length & 0xff), payload]);
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}

function uuidText(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
