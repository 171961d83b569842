import { createHash } from 'node:crypto';
import { buildFlacHeader, FlacEncoder } from '../../codecs/flac-encoder.ts';
import { OggOpusWriter } from '../../codecs/ogg-opus.ts';
import { buildGrowingWavHeader } from '../../codecs/wav-stream.ts';
import type { RecordingFormat } from './recording-messages.ts';

/** One recording as bytes of a file. */
export interface RecordingEncoder {
  /** Interleaved samples in, bytes behind those before out. */
  push(samples: Int16Array): Uint8Array;
  finish(): Uint8Array;
  /** The beginning of the file as it should be now; always of the same length. */
  header(): Uint8Array;
  /** Whether the header changes as the file grows. */
  readonly growing: boolean;
  close(): void;
}

export interface RecordingShape {
  readonly channels: 1 | 2;
  readonly sampleRateHz: number;
}

export function createRecordingEncoder(format: RecordingFormat, shape: RecordingShape): RecordingEncoder {
  return makers[format](shape);
}

const makers: Readonly<Record<RecordingFormat, (shape: RecordingShape) => RecordingEncoder>> = {
  wav: wavEncoder,
  flac: flacEncoder,
  ogg: oggEncoder,
};

function wavEncoder({ channels, sampleRateHz }: RecordingShape): RecordingEncoder {
  let dataBytes = 0;
  return {
    growing: true,
    push(samples) {
      dataBytes += samples.byteLength;
      return bytesOf(samples);
    },
    finish: () => new Uint8Array(0),
    header: () => buildGrowingWavHeader({ sampleRateHz, channels, dataBytes }),
    close() {},
  };
}

function flacEncoder({ channels, sampleRateHz }: RecordingShape): RecordingEncoder {
  const encoder = new FlacEncoder({ channels, sampleRateHz });
  const hash = createHash('md5');
  let samples = 0;
  let md5: Uint8Array | undefined;
  return {
    growing: true,
    push(pcm) {
      hash.update(bytesOf(pcm));
      samples += pcm.length / channels;
      return Buffer.concat(encoder.push(pcm));
    },
    finish() {
      md5 = hash.digest();
      return encoder.finish() ?? new Uint8Array(0);
    },
    // Until the end the length is unknown, as the last samples wait for their frame.
    header: () => buildFlacHeader({ sampleRateHz, channels, ...(md5 !== undefined && { samples, md5 }) }),
    close() {},
  };
}

function oggEncoder(shape: RecordingShape): RecordingEncoder {
  const serial = Math.floor(Math.random() * 2 ** 32);
  const writer = new OggOpusWriter({ ...shape, serial });
  const header = writer.header();
  return {
    growing: false,
    push: (samples) => writer.push(samples),
    finish: () => writer.finish(),
    header: () => header,
    close: () => writer.close(),
  };
}

/** 16-bit little-endian, which is the host's order on all that Node runs on here. */
function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
