/** What of libopus this machine has, and how it is reached: the optional module @discordjs/opus encodes and decodes; where
 *  the optional package koffi is there too, the same library is called directly, which can do what the module keeps to
 *  itself: in-band FEC. */

import { createRequire } from 'node:module';

/** What this uses of the module's class. One object holds an encoder and a decoder, each made at its first use. */
export interface NativeOpus {
  encode(pcm: Buffer): Buffer;
  decode(payload: Buffer): Buffer;
  applyEncoderCTL(request: number, value: number): void;
  applyDecoderCTL(request: number, value: number): void;
}
type NativeOpusClass = new (sampleRateHz: number, channels: number) => NativeOpus;

/** Of opus_defines.h. */
export const RESET_STATE = 4028;
export const PACKET_MS_MAX = 120;
const NATIVE_RATES_HZ = [8000, 12_000, 16_000, 24_000, 48_000];

const require = createRequire(import.meta.url);
const loaded = loadNative();

function loadNative(): { readonly native: NativeOpusClass } | { readonly reason: string } {
  try {
    const module: { OpusEncoder: NativeOpusClass } = require('@discordjs/opus');
    return { native: module.OpusEncoder };
  } catch (error) {
    const [firstLine] = String(error instanceof Error ? error.message : error).split('\n');
    return {
      reason:
        `Opus is not offered, as its native module cannot be loaded (${firstLine}); ` +
        'install python3, make and g++ and run `npm rebuild @discordjs/opus`',
    };
  }
}

export function opusAvailable(): boolean {
  return 'native' in loaded;
}

/** Why Opus is missing and how to mend it, for the log at start-up; undefined where it is there. */
export function opusUnavailableReason(): string | undefined {
  return 'reason' in loaded ? loaded.reason : undefined;
}

/** The rates at which libopus encodes and decodes; 48000 for a wish that is none. */
export function nativeRateHz(wishedHz: number | undefined): number {
  return wishedHz !== undefined && NATIVE_RATES_HZ.includes(wishedHz) ? wishedHz : 48_000;
}

/** The highest of those rates that is no higher than the one given, which is 8000 or more. */
export function nativeRateBelowHz(rateHz: number): number {
  return NATIVE_RATES_HZ.findLast((native) => native <= rateHz)!;
}

/** Idle native objects by rate. The module cannot destroy one: an object that is left behind holds 30 to 60 KB that
 *  the garbage collector does not see. */
class Pool {
  readonly #idle = new Map<number, NativeOpus[]>();

  take(sampleRateHz: number): NativeOpus {
    const idle = this.#idle.get(sampleRateHz)?.pop();
    if (idle !== undefined) return idle;
    if ('reason' in loaded) throw new Error(loaded.reason);
    return new loaded.native(sampleRateHz, 1);
  }

  give(sampleRateHz: number, native: NativeOpus): void {
    const idle = this.#idle.get(sampleRateHz) ?? [];
    idle.push(native);
    this.#idle.set(sampleRateHz, idle);
  }

  get idleCount(): number {
    return [...this.#idle.values()].reduce((count, idle) => count + idle.length, 0);
  }
}

export const encoderPool = new Pool();
export const decoderPool = new Pool();

/** Native objects that wait for the next call. */
export function opusIdleCounts(): { readonly encoders: number; readonly decoders: number } {
  return { encoders: encoderPool.idleCount, decoders: decoderPool.idleCount };
}

// ---- The library itself --------------------------------------------------------------------------------------

/** A decoder's state lies in memory of ours, so that the garbage collector frees it; addresses cross as numbers. */
interface Functions {
  readonly opus_decoder_get_size: (channels: number) => number;
  readonly opus_decoder_init: (state: number, sampleRateHz: number, channels: number) => number;
  readonly opus_decode: (
    state: number,
    payload: number,
    sizeBytes: number,
    pcm: number,
    samplesMax: number,
    fec: number,
  ) => number;
}

const prototypes: readonly string[] = [
  'int opus_decoder_get_size(int)',
  'int opus_decoder_init(uintptr_t, int32_t, int)',
  'int opus_decode(uintptr_t, uintptr_t, int32_t, uintptr_t, int, int)',
];

/** As long as any datagram. */
const payloadBytesMax = 65_536;

/** libopus by way of koffi, one for the thread. */
export class OpusLibrary {
  readonly #functions: Functions;
  readonly #address: (memory: Uint8Array) => number;
  /** Their addresses were handed over for good, so they must live as long as the thread does. */
  readonly #payload = new Uint8Array(payloadBytesMax);
  readonly #pcm = new Int16Array((48_000 * PACKET_MS_MAX) / 1000);
  readonly #payloadAddress: number;
  readonly #pcmAddress: number;
  readonly #stateBytes: number;

  /** Throws where there is no such file, or libopus is not in it. */
  constructor(koffi: typeof import('koffi').default, file: string) {
    const library = koffi.load(file);
    this.#functions = Object.fromEntries(
      prototypes.map((prototype) => [/(\w+)\(/.exec(prototype)![1]!, library.func(prototype)]),
    ) as unknown as Functions;
    this.#address = (memory) => Number(koffi.address(memory));
    this.#payloadAddress = this.#address(this.#payload);
    this.#pcmAddress = Number(koffi.address(this.#pcm));
    this.#stateBytes = this.#functions.opus_decoder_get_size(1);
    if (this.#stateBytes < 1 || this.#stateBytes > 1_000_000) throw new Error('no libopus');
  }

  createState(sampleRateHz: number): { readonly memory: Uint8Array; readonly address: number } {
    const memory = new Uint8Array(this.#stateBytes);
    const state = { memory, address: this.#address(memory) };
    this.initState(state.address, sampleRateHz);
    return state;
  }

  initState(address: number, sampleRateHz: number): void {
    this.#functions.opus_decoder_init(address, sampleRateHz, 1);
  }

  /** Decodes what is in the packet, or with `lostSamples` what it says of the packet before it. What comes of it is
   *  valid until the next call; undefined for what cannot be decoded. */
  decode(
    state: number,
    payload: Uint8Array,
    offset: number,
    sizeBytes: number,
    lostSamples = 0,
  ): Int16Array | undefined {
    if (sizeBytes > payloadBytesMax) return undefined;
    for (let byte = 0; byte < sizeBytes; byte++) this.#payload[byte] = payload[offset + byte]!;
    const samples = this.#functions.opus_decode(
      state,
      this.#payloadAddress,
      sizeBytes,
      this.#pcmAddress,
      lostSamples === 0 ? this.#pcm.length : lostSamples,
      lostSamples === 0 ? 0 : 1,
    );
    return samples < 0 ? undefined : this.#pcm.subarray(0, samples);
  }
}

/** That of the native module, so that there is nothing else to install; undefined where it cannot be called. */
export const opusLibrary = loadLibrary();

function loadLibrary(): OpusLibrary | undefined {
  if (!opusAvailable()) return undefined;
  const addon = Object.keys(require.cache).find((file) => /[\\/]opus[\\/].*\.node$/.test(file));
  for (const file of [addon, 'libopus.so.0', 'libopus.0.dylib']) {
    try {
      if (file !== undefined) return new OpusLibrary(require('koffi'), file);
    } catch {
      // The next one, or none: then lost packets are concealed and no FEC is asked for.
    }
  }
  return undefined;
}
