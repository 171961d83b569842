/** Rows about codecs, resamplers and SRTP for the table of audio quality. */

import { readFileSync } from 'node:fs';
import { codecNamed, codecs } from '../codecs/catalogue.ts';
import type { Codec } from '../codecs/codec.ts';
import { pcmu } from '../codecs/g711.ts';
import { createOpusEncoder, opus } from '../codecs/opus.ts';
import { opusComplexityDefault } from '../codecs/opus-fmtp.ts';
import { opusAvailable, opusLibrary } from '../codecs/opus-native.ts';
import { createResampler, sampleRatesHz } from '../codecs/resampler.ts';
import { ResamplerEngine, threadEngine } from '../codecs/resampler-engine.ts';
import { createJavascriptKernel } from '../codecs/resampler-kernel.ts';
import { mixDown, parseWav } from '../codecs/wav.ts';
import { bestMicroseconds } from './best-time.ts';
import { countG711Errors, g711Laws, g722Vectors, runG722 } from './codec-references.ts';
import { seeded } from './line-rows.ts';
import { throwAtDecoder } from './random-packets.ts';
import { measureResampling } from './resampling-figures.ts';
import {
  align,
  carry,
  convertRate,
  limitToTelephoneBand,
  measureLoss,
  measureRoundTrip,
  snrDb,
} from './speech-figures.ts';
import { measureSrtp } from './srtp-figures.ts';

export type Row = Readonly<Record<string, string | number>>;

export const speechWav = parseWav(readFileSync(new URL('../gateway/assets/speech.wav', import.meta.url)));

/** What a phone sends of it: band-limited before its codec where the codec takes 8 kHz. */
function speechAt(sampleRateHz: number): Int16Array {
  const pcm = mixDown(speechWav);
  const limited = sampleRateHz > 8000 ? pcm : limitToTelephoneBand(pcm, speechWav.sampleRateHz);
  return convertRate(limited, speechWav.sampleRateHz, sampleRateHz);
}

export function resamplingRows(): Row[] {
  const javascript = new ResamplerEngine(createJavascriptKernel());
  const pairs = sampleRatesHz.flatMap((fromHz) =>
    sampleRatesHz.filter((toHz) => toHz !== fromHz).map((toHz) => ({ fromHz, toHz })),
  );
  return pairs.map(({ fromHz, toHz }) => {
    const figures = measureResampling(createResampler(fromHz, toHz));
    return {
      'from Hz': fromHz,
      'to Hz': toHz,
      'SNR dB': round(figures.snrDb, 1),
      'ripple dB': round(figures.rippleDb, 4),
      'at 3.4 kHz dB': round(figures.edgeDb, 4),
      'images dB': round(figures.worstImageDb, 1),
      'aliases dB': Number.isFinite(figures.worstAliasDb) ? round(figures.worstAliasDb, 1) : '-',
      'exact each 20 ms': isExact(fromHz, toHz) ? 'yes' : 'no',
      'delay ms': round(figures.delayMs, 2),
      [`${threadEngine.kernel.name} us/20ms`]: round(resamplingCost(fromHz, toHz, threadEngine), 2),
      'plain JS us/20ms': round(resamplingCost(fromHz, toHz, javascript), 1),
    };
  });
}

/** Speech in frames of 20 ms gives exactly 20 ms each time, and together what it gives in one piece. */
function isExact(fromHz: number, toHz: number): boolean {
  const spoken = speechAt(fromHz).subarray(0, fromHz);
  const whole = new Int16Array(toHz);
  if (createResampler(fromHz, toHz).process(spoken, 0, fromHz, whole, 0) !== toHz) return false;
  const chunked = new Int16Array(toHz);
  const resampler = createResampler(fromHz, toHz);
  for (let frame = 0; frame < 50; frame++) {
    const at = (frame * toHz) / 50;
    if (resampler.process(spoken, (frame * fromHz) / 50, fromHz / 50, chunked, at) !== toHz / 50)
      return false;
  }
  return whole.every((sample, i) => sample === chunked[i]);
}

function resamplingCost(fromHz: number, toHz: number, engine: ResamplerEngine): number {
  const resampler = createResampler(fromHz, toHz, engine);
  const input = Int16Array.from({ length: fromHz / 50 }, (_, i) => 9000 * Math.sin(i * i));
  const output = new Int16Array(toHz / 50);
  return bestMicroseconds(() => resampler.process(input, 0, input.length, output, 0));
}

export function codecRows(): Row[] {
  return codecs.map((codec) => {
    const rateHz = codec.name === 'opus' ? 16_000 : codec.sampleRateHz;
    const speech = speechAt(rateHz);
    const { heard, payloadBytes } = carry(codec, speech, rateHz);
    const { encodeUs, decodeUs, concealUs } = codecCost(codec, rateHz, speech);
    return {
      codec: codec.name,
      'PCM Hz': rateHz,
      'kbit/s': round((payloadBytes * 8) / (heard.length / rateHz) / 1000, 1),
      'SNR dB': round(snrDb(speech, align(speech, heard, rateHz / 25)), 1),
      'encode us/20ms': round(encodeUs, 2),
      'decode us/20ms': round(decodeUs, 2),
      'conceal us/20ms': round(concealUs, 2),
    };
  });
}

function codecCost(
  codec: Codec,
  rateHz: number,
  speech: Int16Array,
): { readonly encodeUs: number; readonly decodeUs: number; readonly concealUs: number } {
  const encoder = codec.createEncoder(rateHz);
  const decoder = codec.createDecoder(rateHz);
  const payload = new Uint8Array(codec.payloadBytesMax);
  const samples = encoder.sampleRateHz / 50;
  const pcm = new Int16Array(samples);
  let at = 0;
  let sizeBytes = 0;
  const encodeUs = bestMicroseconds(() => {
    at = at + 2 * samples > speech.length ? 0 : at + samples;
    sizeBytes = encoder.encode(speech, at, samples, payload, 0);
  }, 300);
  const decodeUs = bestMicroseconds(() => decoder.decode(payload, 0, sizeBytes, pcm, 0));
  const concealUs = bestMicroseconds(() => {
    decoder.decode(payload, 0, sizeBytes, pcm, 0);
    decoder.conceal(pcm, 0, samples);
  });
  encoder.close();
  decoder.close();
  return { encodeUs, decodeUs, concealUs: concealUs - decodeUs };
}

/** Opus: what each step of complexity costs, and how far what is heard is from what was spoken: the levels of thirds of
 *  an octave, which the ear goes by. The waveform itself is no measure of a codec that keeps the sound and not the wave. */
export function opusRows(): Row[] {
  if (!opusAvailable()) return [];
  const speech = speechAt(16_000);
  return Array.from({ length: 11 }, (_, complexity) => {
    const distances = [12_000, 24_000, 32_000].map((bitrate) => {
      const codec: Codec = {
        ...opus,
        createEncoder: (sampleRateHz) =>
          createOpusEncoder({ sampleRateHz, complexity, bitrate, inbandFec: true, packetLossPercent: 5 }),
      };
      const heard = align(speech, carry(codec, speech, 16_000).heard, 640);
      return {
        codec,
        distanceDb: measureLoss(speech, heard, 16_000, () => true).spectralDistanceDb,
      };
    });
    return {
      'Opus complexity': complexity,
      default: complexity === opusComplexityDefault ? '*' : '',
      'encode us/20ms': round(codecCost(distances[2]!.codec, 16_000, speech).encodeUs, 1),
      'spectral distance dB at 12 kbit/s': round(distances[0]!.distanceDb, 2),
      '24 kbit/s': round(distances[1]!.distanceDb, 2),
      '32 kbit/s': round(distances[2]!.distanceDb, 2),
    };
  });
}

export function roundTripRows(): Row[] {
  const speech = speechAt(pcmu.sampleRateHz);
  return sampleRatesHz.map((streamRateHz) => {
    const { spokenDb, carriedDb } = measureRoundTrip(pcmu, speech, streamRateHz);
    return {
      'PCMU echo through a stream of Hz': streamRateHz,
      'SNR dB of what was spoken': round(spokenDb, 1),
      'of what was carried': round(carriedDb, 1),
    };
  });
}

/** One frame in twenty is lost, at each of the twenty places in turn. */
export function lossRows(): Row[] {
  const fec: Codec = {
    ...opus,
    createEncoder: (sampleRateHz) => opus.createEncoder(sampleRateHz, 'useinbandfec=1'),
  };
  const lines = codecs.map((codec) => ({ name: codec.name as string, codec }));
  if (opusLibrary !== undefined) lines.push({ name: 'opus with in-band FEC', codec: fec });
  return lines.map(({ name, codec }) => {
    const rateHz = codec.name === 'opus' ? 16_000 : codec.sampleRateHz;
    const speech = speechAt(rateHz);
    const kept = carry(codec, speech, rateHz).heard;
    const shift = kept.length - align(speech, kept, rateHz / 25).length;
    const sums = [0, 0, 0, 0];
    for (let place = 0; place < 20; place++) {
      const lost = (frame: number): boolean => frame % 20 === place;
      const concealed = carry(codec, speech, rateHz, lost).heard;
      const silenced = kept.map((sample, i) => (lost(Math.floor(i / (rateHz / 50))) ? 0 : sample));
      const measured = [concealed, silenced].map((heard) => measureLoss(kept, heard, rateHz, lost));
      sums[0]! += measured[0]!.snrDb / 20;
      sums[1]! += measured[1]!.snrDb / 20;
      sums[2]! += measured[0]!.spectralDistanceDb / 20;
      sums[3]! += measured[1]!.spectralDistanceDb / 20;
    }
    return {
      '5 % lost': name,
      'concealed SNR dB': round(sums[0]!, 1),
      'silence SNR dB': round(sums[1]!, 1),
      'concealed spectral distance dB': round(sums[2]!, 1),
      'silence spectral distance dB': round(sums[3]!, 1),
      'better by dB': round(sums[3]! - sums[2]!, 1),
      'codec delay ms': round((shift * 1000) / rateHz, 2),
    };
  });
}

export function srtpRows(): Row[] {
  return measureSrtp().map((figures) => ({
    SRTP: figures.suite,
    'protect us': round(figures.protectUs, 2),
    'unprotect us': round(figures.unprotectUs, 2),
    'refuse us': round(figures.refuseUs, 2),
    'forged or replayed': figures.attacks,
    accepted: figures.attacksAccepted,
    'genuine refused': figures.genuineRefused,
  }));
}

/** What must be the same bit by bit. */
export function exactRows(): Row[] {
  const laws = g711Laws.map((law) => ({
    'bit by bit': law.codec.name,
    against: 'ITU-T G.191, all 65,536 samples and 256 codes',
    wrong: countG711Errors(law),
  }));
  const vectors = g722Vectors.map((vector) => {
    const made = runG722(vector);
    const right = made.payload === vector.payload && made.audio === vector.audio;
    return {
      'bit by bit': 'g722',
      against: `FFmpeg and SpanDSP: ${vector.name}`,
      wrong: right ? 0 : 1,
    };
  });
  return [...laws, ...vectors];
}

export function randomRows(packets: number): Row[] {
  const all = [...codecs, codecNamed('l16')!, codecNamed('l16-8000')!];
  return all.map((codec) => ({
    'any bytes into the decoder of': codec.name,
    packets,
    wrong: throwAtDecoder(codec, packets, seeded(17)),
  }));
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits)) + 0;
}
