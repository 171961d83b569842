import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { MPEGDecoder } from 'mpg123-decoder';
import { FlacReader } from '../../codecs/flac-decoder.ts';
import { OggOpusReader } from '../../codecs/ogg-opus.ts';
import { OggPageReader } from '../../codecs/ogg-page.ts';
import { mixDown } from '../../codecs/wav.ts';
import { WavReader } from '../../codecs/wav-stream.ts';
import type { AudioFormat } from './audio-sniffer.ts';

export interface MonoAudio {
  readonly pcm: Int16Array;
  readonly sampleRateHz: number;
}

/** A file that arrives in pieces, as mono audio at its own rate. What is damaged in the midst of it is skipped. */
export interface FileDecoder {
  /** Throws what its format's reader throws where this cannot be decoded at all. */
  push(bytes: Uint8Array): AsyncIterable<MonoAudio> | Iterable<MonoAudio>;
  finish(): AsyncIterable<MonoAudio> | Iterable<MonoAudio>;
  close(): void;
}

export function createFileDecoder(format: AudioFormat): FileDecoder {
  return makers[format]();
}

const makers: Readonly<Record<AudioFormat, () => FileDecoder>> = {
  wav: wavDecoder,
  mp3: mp3Decoder,
  flac: flacDecoder,
  'ogg-flac': oggFlacDecoder,
  'ogg-vorbis': vorbisDecoder,
  'ogg-opus': opusDecoder,
};

function wavDecoder(): FileDecoder {
  const reader = new WavReader();
  return {
    *push(bytes) {
      const wav = reader.push(bytes);
      if (wav !== undefined) yield { pcm: mixDown(wav), sampleRateHz: wav.sampleRateHz };
    },
    finish() {
      reader.finish();
      return [];
    },
    close() {},
  };
}

function mp3Decoder(): FileDecoder {
  const decoder = new MPEGDecoder();
  return {
    async *push(bytes) {
      await decoder.ready;
      const { channelData, samplesDecoded, sampleRate } = decoder.decode(bytes);
      if (samplesDecoded > 0) yield { pcm: mean(channelData, samplesDecoded), sampleRateHz: sampleRate };
    },
    finish: () => [],
    close: () => void decoder.ready.then(() => decoder.free()),
  };
}

function vorbisDecoder(): FileDecoder {
  const decoder = new OggVorbisDecoder();
  const audio = function* ({
    channelData,
    samplesDecoded,
    sampleRate,
  }: Awaited<ReturnType<typeof decoder.flush>>) {
    if (samplesDecoded > 0) yield { pcm: mean(channelData, samplesDecoded), sampleRateHz: sampleRate };
  };
  return {
    async *push(bytes) {
      await decoder.ready;
      yield* audio(await decoder.decode(bytes));
    },
    async *finish() {
      await decoder.ready;
      yield* audio(await decoder.flush());
    },
    close: () => void decoder.ready.then(() => decoder.free()),
  };
}

function flacDecoder(): FileDecoder {
  const reader = new FlacReader();
  return {
    *push(bytes) {
      for (const pcm of reader.push(bytes)) yield { pcm, sampleRateHz: reader.sampleRateHz };
    },
    *finish() {
      for (const pcm of reader.finish()) yield { pcm, sampleRateHz: reader.sampleRateHz };
    },
    close() {},
  };
}

/** FLAC in Ogg, RFC 9639 §10.1: the first packet holds STREAMINFO, each packet behind the headers is a frame. */
function oggFlacDecoder(): FileDecoder {
  const pages = new OggPageReader();
  const reader = new FlacReader();
  let partial: Uint8Array | undefined;
  return {
    *push(bytes) {
      for (const page of pages.push(bytes)) {
        for (const [index, part] of page.packets.entries()) {
          const packet = index === 0 && page.continued && partial ? Buffer.concat([partial, part]) : part;
          partial = undefined;
          if (index === page.packets.length - 1 && !page.complete) partial = packet;
          else if (packet[0] === 0x7f && packet.length >= 17 + 34) reader.readStreamInfo(packet.subarray(17));
          else {
            const pcm = reader.packet(packet);
            if (pcm !== undefined) yield { pcm, sampleRateHz: reader.sampleRateHz };
          }
        }
      }
    },
    finish: () => [],
    close() {},
  };
}

function opusDecoder(): FileDecoder {
  const reader = new OggOpusReader();
  return {
    *push(bytes) {
      for (const pcm of reader.push(bytes)) yield { pcm, sampleRateHz: reader.sampleRateHz };
    },
    finish: () => [],
    close: () => reader.close(),
  };
}

function mean(channels: readonly Float32Array[], samples: number): Int16Array {
  const pcm = new Int16Array(samples);
  const scale = 32_768 / channels.length;
  for (let i = 0; i < samples; i++) {
    let sum = 0;
    for (const channel of channels) sum += channel[i]!;
    pcm[i] = Math.max(-32_768, Math.min(32_767, Math.round(sum * scale)));
  }
  return pcm;
}
