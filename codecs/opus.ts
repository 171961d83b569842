/** Opus (RFC 6716, RFC 7587) on libopus by way of the optional native module @discordjs/opus. */

import { createRequire } from 'node:module';
import type { AudioDecoder, AudioEncoder, Codec } from './codec.ts';
import { opusFmtpLocal, parseOpusFmtp } from './opus-fmtp.ts';
import { opusFrameMs, opusPacketMs } from './opus-packet.ts';

/** What this uses of the module's class. One object holds an encoder and a decoder, each made at its first use. */
interface NativeOpus {
  encode(pcm: Buffer): Buffer;
  decode(payload: Buffer): Buffer;
  applyEncoderCTL(request: number, value: number): void;
  applyDecoderCTL(request: number, value: number): void;
}
type NativeOpusClass = new (sampleRateHz: number, channels: number) => NativeOpus;

const loaded = loadNative();

function loadNative(): { readonly native: NativeOpusClass } | { readonly reason: string } {
  try {
    const module: { OpusEncoder: NativeOpusClass } = createRequire(import.meta.url)('@discordjs/opus');
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

/** Requests of opus_defines.h that set something. The module passes every value on by value, so a request that gets
 *  something would write through it as if it were a pointer: none of those may ever join. */
const SET_BITRATE = 4002;
const SET_VBR = 4006;
const SET_COMPLEXITY = 4010;
const SET_INBAND_FEC = 4012;
const SET_PACKET_LOSS_PERCENT = 4014;
const SET_DTX = 4016;
const SET_SIGNAL = 4024;
const RESET_STATE = 4028;

const SIGNAL_AUTO = -1000;
const SIGNAL_VOICE = 3001;

const NATIVE_RATES_HZ = [8000, 12_000, 16_000, 24_000, 48_000];
const ENCODED_FRAMES_MS = [2.5, 5, 10, 20, 40, 60];
const PACKET_MS_MAX = 120;
const bitrateDefault = 32_000;
/** What in-band FEC is prepared for where the peer can use it. Without any loss to prepare for libopus sends none. */
const fecLossPercent = 5;

/** Concealment is left at libopus' own level for so long, and then goes down to silence. */
const CONCEAL_STEADY_MS = 60;
const CONCEAL_SILENT_MS = 120;

export interface OpusEncoderOptions {
  /** PCM rate; where libopus does not know it, 48000 is taken. */
  readonly sampleRateHz?: number | undefined;
  /** Bits per second, 6000 to 510000. */
  readonly bitrate?: number;
  /** 0 (cheapest) to 10. */
  readonly complexity?: number;
  readonly inbandFec?: boolean;
  /** The loss that in-band FEC prepares for. */
  readonly packetLossPercent?: number;
  readonly dtx?: boolean;
  readonly constantBitrate?: boolean;
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

const encoderPool = new Pool();
const decoderPool = new Pool();

/** Native objects that wait for the next call. */
export function opusIdleCounts(): { readonly encoders: number; readonly decoders: number } {
  return { encoders: encoderPool.idleCount, decoders: decoderPool.idleCount };
}

class OpusEncoder implements AudioEncoder {
  readonly sampleRateHz: number;
  #native: NativeOpus | undefined;
  #frame: Int16Array = new Int16Array(0);
  #frameBytes: Buffer = Buffer.alloc(0);

  constructor(options: OpusEncoderOptions) {
    this.sampleRateHz = nativeRateHz(options.sampleRateHz);
    const native = encoderPool.take(this.sampleRateHz);
    native.applyEncoderCTL(RESET_STATE, 0);
    native.applyEncoderCTL(SET_BITRATE, options.bitrate ?? bitrateDefault);
    native.applyEncoderCTL(SET_VBR, options.constantBitrate === true ? 0 : 1);
    native.applyEncoderCTL(SET_COMPLEXITY, options.complexity ?? 5);
    native.applyEncoderCTL(SET_INBAND_FEC, options.inbandFec === true ? 1 : 0);
    native.applyEncoderCTL(SET_PACKET_LOSS_PERCENT, options.packetLossPercent ?? 0);
    native.applyEncoderCTL(SET_DTX, options.dtx === true ? 1 : 0);
    // Only the half of Opus that is made for voices knows the two, and it is not chosen by itself at these bitrates.
    const voice = options.inbandFec === true || options.dtx === true;
    native.applyEncoderCTL(SET_SIGNAL, voice ? SIGNAL_VOICE : SIGNAL_AUTO);
    this.#native = native;
  }

  /** 0 for a length that is no Opus frame (2.5, 5, 10, 20, 40 or 60 ms). */
  encode(
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
    payload: Uint8Array,
    payloadOffset: number,
  ): number {
    // The module hands libopus' error code on as a length, which aborts the whole process: nothing else may reach it.
    const legal = ENCODED_FRAMES_MS.includes((samples * 1000) / this.sampleRateHz);
    if (!legal || pcmOffset < 0 || pcmOffset + samples > pcm.length || this.#native === undefined) return 0;
    if (this.#frame.length !== samples) {
      this.#frame = new Int16Array(samples);
      this.#frameBytes = Buffer.from(this.#frame.buffer);
    }
    for (let i = 0; i < samples; i++) this.#frame[i] = pcm[pcmOffset + i]!;
    const encoded = this.#native.encode(this.#frameBytes);
    if (payloadOffset + encoded.length > payload.length) return 0;
    payload.set(encoded, payloadOffset);
    return encoded.length;
  }

  reset(): void {
    this.#native?.applyEncoderCTL(RESET_STATE, 0);
  }

  close(): void {
    if (this.#native === undefined) return;
    encoderPool.give(this.sampleRateHz, this.#native);
    this.#native = undefined;
  }
}

class OpusDecoder implements AudioDecoder {
  readonly sampleRateHz: number;
  #native: NativeOpus | undefined;
  /** First byte of the last packet, which tells concealment the mode and length to go on with. */
  #toc: number | undefined;
  #concealedMs = 0;
  /** Concealed samples beyond what was asked for, where frames are longer than that. */
  readonly #spare: Int16Array;
  #spareAt = 0;
  #spareEnd = 0;

  constructor(sampleRateHz: number | undefined) {
    this.sampleRateHz = nativeRateHz(sampleRateHz);
    this.#spare = new Int16Array((this.sampleRateHz * PACKET_MS_MAX) / 1000);
    this.#native = decoderPool.take(this.sampleRateHz);
    this.#native.applyDecoderCTL(RESET_STATE, 0);
  }

  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number {
    // An empty packet would be taken for a loss of 120 ms; a malformed one would cost an exception.
    if (opusPacketMs(payload, payloadOffset, sizeBytes) === undefined) return 0;
    const decoded = this.#decodeNative(
      Buffer.from(payload.buffer, payload.byteOffset + payloadOffset, sizeBytes),
    );
    if (decoded === undefined) return 0;
    this.#toc = payload[payloadOffset]!;
    this.#concealedMs = 0;
    this.#spareAt = this.#spareEnd = 0;
    const count = Math.max(0, Math.min(decoded.length, pcm.length - pcmOffset));
    for (let i = 0; i < count; i++) pcm[pcmOffset + i] = decoded[i]!;
    return count;
  }

  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number {
    const count = Math.max(0, Math.min(samples, pcm.length - pcmOffset));
    const end = pcmOffset + count;
    for (let at = pcmOffset; at < end; ) {
      if (this.#spareAt === this.#spareEnd && !this.#extrapolate()) {
        pcm.fill(0, at, end);
        break;
      }
      pcm[at++] = this.#spare[this.#spareAt++]!;
    }
    return count;
  }

  /** Refills `#spare` with one more frame; false when it is time for silence. */
  #extrapolate(): boolean {
    if (this.#toc === undefined || this.#concealedMs >= CONCEAL_SILENT_MS) return false;
    // A packet that consists of its first byte, with code 0, is one lost frame to libopus.
    const decoded = this.#decodeNative(Buffer.of(this.#toc & 0xfc));
    if (decoded === undefined || decoded.length === 0) return false;
    const frameMs = opusFrameMs(this.#toc);
    for (let i = 0; i < decoded.length; i++) {
      const atMs = this.#concealedMs + (frameMs * i) / decoded.length;
      const gain = (CONCEAL_SILENT_MS - atMs) / (CONCEAL_SILENT_MS - CONCEAL_STEADY_MS);
      this.#spare[i] = Math.round(decoded[i]! * Math.min(1, Math.max(0, gain)));
    }
    this.#concealedMs += frameMs;
    this.#spareAt = 0;
    this.#spareEnd = decoded.length;
    return true;
  }

  #decodeNative(packet: Buffer): Int16Array | undefined {
    try {
      const decoded = this.#native?.decode(packet);
      return decoded && new Int16Array(decoded.buffer, decoded.byteOffset, decoded.length >> 1);
    } catch {
      return undefined;
    }
  }

  reset(): void {
    this.#native?.applyDecoderCTL(RESET_STATE, 0);
    this.#toc = undefined;
    this.#concealedMs = 0;
    this.#spareAt = this.#spareEnd = 0;
  }

  close(): void {
    if (this.#native === undefined) return;
    decoderPool.give(this.sampleRateHz, this.#native);
    this.#native = undefined;
  }
}

function nativeRateHz(wishedHz: number | undefined): number {
  return wishedHz !== undefined && NATIVE_RATES_HZ.includes(wishedHz) ? wishedHz : 48_000;
}

/** Throws where Opus is not available. */
export function createOpusEncoder(options: OpusEncoderOptions): AudioEncoder {
  return new OpusEncoder(options);
}

/** An encoder that does what the peer's SDP asks for: no wider than it can play, no more bits than it wants. */
function createEncoderFor(sampleRateHz: number | undefined, fmtpRemote: string | undefined): AudioEncoder {
  const remote = parseOpusFmtp(fmtpRemote);
  const wishedHz = nativeRateHz(sampleRateHz);
  const playableHz = NATIVE_RATES_HZ.findLast((rateHz) => rateHz <= remote.maxPlaybackRateHz)!;
  return new OpusEncoder({
    sampleRateHz: Math.min(wishedHz, streamRateHz(playableHz)),
    bitrate: Math.min(bitrateDefault, remote.maxAverageBitrate ?? bitrateDefault),
    inbandFec: remote.inbandFec,
    packetLossPercent: remote.inbandFec ? fecLossPercent : 0,
    dtx: remote.dtx,
    constantBitrate: remote.constantBitrate,
  });
}

/** 12 kHz is a rate of Opus and of nothing else here: the one below it can be resampled to. */
function streamRateHz(rateHz: number): number {
  return rateHz === 12_000 ? 8000 : rateHz;
}

/** Its encoders and decoders take a wish for 8, 12, 16, 24 or 48 kHz, so that no resampler is needed beside them. The
 *  RTP clock and the channels of the SDP are what RFC 7587 §7 prescribes, whatever the audio. */
export const opus: Codec = {
  name: 'opus',
  encodingName: 'opus',
  payloadTypeStatic: undefined,
  rtpClockRateHz: 48_000,
  sampleRateHz: 48_000,
  channels: 2,
  payloadBytesMax: 1276,
  fmtp: opusFmtpLocal,
  createEncoder: createEncoderFor,
  createDecoder: (sampleRateHz) => new OpusDecoder(sampleRateHz),
};
