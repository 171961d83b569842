/** What codecs, resamplers and concealment leave of speech. */

import type { Codec } from '../codecs/codec.ts';
import { createResampler } from '../codecs/resampler.ts';

/** Ratio of `reference` to its difference from `heard`, in dB, over what both have. */
export function snrDb(reference: Int16Array, heard: Int16Array): number {
  let signal = 0;
  let error = 0;
  for (let i = 0; i < Math.min(reference.length, heard.length); i++) {
    signal += reference[i]! ** 2;
    error += (reference[i]! - heard[i]!) ** 2;
  }
  return 10 * Math.log10(signal / error);
}

export function convertRate(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  const resampler = createResampler(fromHz, toHz);
  const output = new Int16Array(resampler.outputSamplesMax(pcm.length));
  return output.subarray(0, resampler.process(pcm, 0, pcm.length, output, 0));
}

/** What a phone's microphone path lets through, up to 3.4 kHz (ITU-T G.712): a windowed sinc, -6 dB at 3.6 kHz. */
export function limitToTelephoneBand(pcm: Int16Array, sampleRateHz: number): Int16Array {
  const reach = Math.round(sampleRateHz * 0.008);
  const cut = (2 * 3600) / sampleRateHz;
  const filter = Array.from({ length: 2 * reach + 1 }, (_, i) => {
    const angle = Math.PI * (i - reach) * cut;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * (i - reach)) / (reach + 1));
    return cut * window * (angle === 0 ? 1 : Math.sin(angle) / angle);
  });
  return pcm.map((_, i) => filter.reduce((sum, c, k) => sum + c * (pcm[i + reach - k] ?? 0), 0));
}

export interface Carried {
  readonly heard: Int16Array;
  readonly payloadBytes: number;
}

/** Encodes and decodes frames of 20 ms; those that `lost` names are recovered from the next one where it is there and
 *  knows them, else concealed. */
export function carry(
  codec: Codec,
  spoken: Int16Array,
  sampleRateHz: number,
  lost: (frame: number) => boolean = () => false,
): Carried {
  const encoder = codec.createEncoder(sampleRateHz);
  const decoder = codec.createDecoder(sampleRateHz);
  const payload = new Uint8Array(codec.payloadBytesMax);
  const frameSamples = encoder.sampleRateHz / 50;
  const packets: Uint8Array[] = [];
  let payloadBytes = 0;
  for (let at = 0; at + frameSamples <= spoken.length; at += frameSamples) {
    const sizeBytes = encoder.encode(spoken, at, frameSamples, payload, 0);
    payloadBytes += sizeBytes;
    packets.push(payload.slice(0, sizeBytes));
  }
  const heard = new Int16Array(packets.length * frameSamples);
  for (const [frame, packet] of packets.entries()) {
    const at = frame * frameSamples;
    const next = lost(frame + 1) ? undefined : packets[frame + 1];
    if (!lost(frame)) decoder.decode(packet, 0, packet.length, heard, at);
    else if (!next || !decoder.recover?.(next, 0, next.length, heard, at, frameSamples))
      decoder.conceal(heard, at, frameSamples);
  }
  encoder.close();
  decoder.close();
  return { heard, payloadBytes };
}

/** `heard` moved forwards by its delay, at most `delayMax` samples, so that it lies on `spoken`. */
export function align(spoken: Int16Array, heard: Int16Array, delayMax: number): Int16Array {
  let best = 0;
  let bestProduct = 0;
  for (let delay = 0; delay <= delayMax; delay++) {
    let product = 0;
    for (let i = 0; i + delay < heard.length && i < spoken.length; i += 3)
      product += spoken[i]! * heard[i + delay]!;
    if (product > bestProduct) {
      bestProduct = product;
      best = delay;
    }
  }
  return heard.subarray(best);
}

export interface RoundTripFigures {
  /** Against what the phone spoke, and against what its codec had made of that. */
  readonly spokenDb: number;
  readonly carriedDb: number;
}

/** Phone → stream at `streamRateHz` → echo → phone, with one codec on both ways. */
export function measureRoundTrip(codec: Codec, spoken: Int16Array, streamRateHz: number): RoundTripFigures {
  const rateHz = codec.sampleRateHz;
  const carried = carry(codec, spoken, rateHz).heard;
  const returned = convertRate(convertRate(carried, rateHz, streamRateHz), streamRateHz, rateHz);
  const heard = carry(codec, returned, rateHz).heard;
  const aligned = align(carried, heard, rateHz / 50);
  return { spokenDb: snrDb(spoken, aligned), carriedDb: snrDb(carried, aligned) };
}

export interface LossFigures {
  readonly snrDb: number;
  /** Root mean square of the differences of third-octave levels, over the lost frames. */
  readonly spectralDistanceDb: number;
}

/** Lost frames of 20 ms compared with what was spoken, only where something was spoken. */
export function measureLoss(
  spoken: Int16Array,
  heard: Int16Array,
  sampleRateHz: number,
  lost: (frame: number) => boolean,
): LossFigures {
  const frameSamples = sampleRateHz / 50;
  let signal = 0;
  let error = 0;
  let distance = 0;
  let frames = 0;
  for (let frame = 0; (frame + 1) * frameSamples <= heard.length; frame++) {
    const from = frame * frameSamples;
    const reference = spoken.subarray(from, from + frameSamples);
    const energy = reference.reduce((sum, sample) => sum + sample * sample, 0);
    if (!lost(frame) || energy < frameSamples * 200 ** 2) continue;
    const candidate = heard.subarray(from, from + frameSamples);
    signal += energy;
    for (let i = 0; i < frameSamples; i++) error += (reference[i]! - candidate[i]!) ** 2;
    distance += spectralDistance(reference, candidate, sampleRateHz);
    frames++;
  }
  return {
    snrDb: 10 * Math.log10(signal / error),
    spectralDistanceDb: Math.sqrt(distance / Math.max(1, frames)),
  };
}

const BANDS_HZ = [200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150];
/** Quieter than this nobody hears what is wrong. */
const FLOOR_DB = -60;

function spectralDistance(a: Int16Array, b: Int16Array, sampleRateHz: number): number {
  return (
    BANDS_HZ.reduce(
      (sum, hz) => sum + (bandLevelDb(a, sampleRateHz, hz) - bandLevelDb(b, sampleRateHz, hz)) ** 2,
      0,
    ) / BANDS_HZ.length
  );
}

/** Level of a third-octave band, from the windowed spectrum at a line each 50 Hz. */
function bandLevelDb(pcm: Int16Array, sampleRateHz: number, centerHz: number): number {
  let power = 0;
  const lastHz = centerHz * 2 ** (1 / 6);
  for (let hz = Math.ceil(centerHz / 2 ** (1 / 6) / 50) * 50; hz <= lastHz; hz += 50) {
    let real = 0;
    let imaginary = 0;
    for (let i = 0; i < pcm.length; i++) {
      const windowed = pcm[i]! * (1 - Math.cos((2 * Math.PI * (i + 0.5)) / pcm.length));
      real += windowed * Math.cos((2 * Math.PI * hz * i) / sampleRateHz);
      imaginary += windowed * Math.sin((2 * Math.PI * hz * i) / sampleRateHz);
    }
    power += (real * real + imaginary * imaginary) / pcm.length ** 2;
  }
  return Math.max(FLOOR_DB, 10 * Math.log10((4 * power) / 32_767 ** 2));
}
