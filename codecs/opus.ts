/** Opus (RFC 6716, RFC 7587) on libopus by way of the optional native module @discordjs/opus. */

import type { AudioEncoder, Codec, EncoderSettings } from './codec.ts';
import { OpusDecoder } from './opus-decoder.ts';
import { opusBitrateDefault, opusComplexityDefault, opusFmtpLocal, parseOpusFmtp } from './opus-fmtp.ts';
import {
  encoderPool,
  type NativeOpus,
  nativeRateBelowHz,
  nativeRateHz,
  opusLibrary,
  RESET_STATE,
} from './opus-native.ts';

/** Requests of opus_defines.h that set something. The module passes every value on by value, so a request that gets
 *  something would write through it as if it were a pointer: none of those may ever join. */
const SET_BITRATE = 4002;
const SET_VBR = 4006;
const SET_COMPLEXITY = 4010;
const SET_INBAND_FEC = 4012;
const SET_PACKET_LOSS_PERCENT = 4014;
const SET_DTX = 4016;
const SET_SIGNAL = 4024;

const SIGNAL_AUTO = -1000;
const SIGNAL_VOICE = 3001;

const ENCODED_FRAMES_MS = [2.5, 5, 10, 20, 40, 60];
/** What in-band FEC is prepared for where the peer can use it. Without any loss to prepare for libopus sends none. */
const fecLossPercent = 5;

export interface OpusEncoderOptions {
  /** PCM rate; where libopus does not know it, 48000 is taken. */
  readonly sampleRateHz?: number | undefined;
  /** Bits per second, 6000 to 510000. */
  readonly bitrate?: number;
  /** 0 (cheapest) to 10. */
  readonly complexity?: number | undefined;
  readonly inbandFec?: boolean;
  /** The loss that in-band FEC prepares for. */
  readonly packetLossPercent?: number;
  readonly dtx?: boolean;
  readonly constantBitrate?: boolean;
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
    native.applyEncoderCTL(SET_BITRATE, options.bitrate ?? opusBitrateDefault);
    native.applyEncoderCTL(SET_VBR, options.constantBitrate === true ? 0 : 1);
    native.applyEncoderCTL(SET_COMPLEXITY, options.complexity ?? opusComplexityDefault);
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

/** Throws where Opus is not available. */
export function createOpusEncoder(options: OpusEncoderOptions): AudioEncoder {
  return new OpusEncoder(options);
}

/** An encoder that does what the peer's SDP asks for: no wider than it can play, no more bits than it wants. */
function createEncoderFor(
  wishedHz: number | undefined,
  fmtpRemote: string | undefined,
  { bitrate = opusBitrateDefault, complexity, dtx = true }: EncoderSettings = {},
): AudioEncoder {
  const remote = parseOpusFmtp(fmtpRemote);
  const playableHz = streamRateHz(nativeRateBelowHz(remote.maxPlaybackRateHz));
  return new OpusEncoder({
    sampleRateHz: Math.min(nativeRateHz(wishedHz), playableHz),
    bitrate: Math.min(bitrate, remote.maxAverageBitrate ?? bitrate),
    complexity,
    inbandFec: remote.inbandFec,
    packetLossPercent: remote.inbandFec ? fecLossPercent : 0,
    dtx: dtx && remote.dtx,
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
  ...(opusLibrary === undefined ? {} : { fmtp: opusFmtpLocal }),
  createEncoder: createEncoderFor,
  createDecoder: (sampleRateHz) => new OpusDecoder(sampleRateHz),
};
