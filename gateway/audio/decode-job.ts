import { errorMessage } from '../errors.ts';
import { sniffAudio } from './audio-sniffer.ts';
import { AudioError } from './audio-source.ts';
import { createFileDecoder, type FileDecoder, type MonoAudio } from './file-decoder.ts';
import { createRateConverter, type RateConverter } from './rate-converter.ts';

export interface DecodeOptions {
  readonly sampleRateHz: number;
  /** Longest audio. */
  readonly secondsMax: number;
}

/** Decoders bring all of a piece at once: a crafted one could fill the memory before anybody counts. */
const pieceBytes = 4_096;
/** So much audio out of one piece of a file is no audio but an attack on our memory. */
const pieceSecondsMax = 300;

/** One file on its way to mono PCM at one rate. Messages of its errors say what is wrong with the file, not which. */
export class DecodeJob {
  readonly #options: DecodeOptions;
  #head: Uint8Array = new Uint8Array(0);
  #decoder: FileDecoder | undefined;
  #fromHz = 0;
  #converter: RateConverter | undefined;
  #samples = 0;

  constructor(options: DecodeOptions) {
    this.#options = options;
  }

  /** Audio in chunks of at most 1 s. Rejects with `AudioError`. */
  async push(bytes: Uint8Array): Promise<Int16Array[]> {
    if (this.#decoder !== undefined) return this.#decode(this.#decoder, bytes);
    this.#head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const format = sniffAudio(this.#head);
    if (format === 'more') return [];
    if (format === 'unknown') throw notAudio();
    const head = this.#head;
    this.#head = new Uint8Array(0);
    this.#decoder = createFileDecoder(format);
    return this.#decode(this.#decoder, head);
  }

  async finish(): Promise<Int16Array[]> {
    if (this.#decoder === undefined) throw notAudio();
    const chunks = await this.#collect(this.#decoder.finish());
    if (this.#samples === 0 || this.#converter === undefined) {
      throw new AudioError('audio-not-audio', 'it holds no audio');
    }
    return [...chunks, ...this.#split(this.#converter.finish())];
  }

  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }

  async #decode(decoder: FileDecoder, bytes: Uint8Array): Promise<Int16Array[]> {
    const chunks: Int16Array[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes)
      chunks.push(...(await this.#collect(decoder.push(bytes.subarray(at, at + pieceBytes)))));
    return chunks;
  }

  async #collect(decoded: AsyncIterable<MonoAudio> | Iterable<MonoAudio>): Promise<Int16Array[]> {
    const chunks: Int16Array[] = [];
    const startSamples = this.#samples;
    try {
      for await (const { pcm, sampleRateHz } of decoded) {
        if (this.#converter === undefined || sampleRateHz !== this.#fromHz) {
          this.#converter = createRateConverter(sampleRateHz, this.#options.sampleRateHz);
          this.#fromHz = sampleRateHz;
        }
        chunks.push(...this.#split(this.#converter.convert(pcm)));
        if (this.#samples - startSamples > pieceSecondsMax * this.#options.sampleRateHz)
          throw new AudioError('audio-too-long', 'it holds more audio than its size can mean');
      }
    } catch (error) {
      if (error instanceof AudioError) throw error;
      throw new AudioError('audio-not-audio', errorMessage(error), { cause: error });
    }
    return chunks;
  }

  #split(pcm: Int16Array): Int16Array[] {
    const { sampleRateHz, secondsMax } = this.#options;
    this.#samples += pcm.length;
    if (this.#samples > secondsMax * sampleRateHz)
      throw new AudioError('audio-too-long', `it is longer than ${secondsMax} s (audio.maxSeconds)`);
    const chunks: Int16Array[] = [];
    for (let at = 0; at < pcm.length; at += sampleRateHz) chunks.push(pcm.slice(at, at + sampleRateHz));
    return chunks;
  }
}

function notAudio(): AudioError {
  return new AudioError('audio-not-audio', 'it is no WAV, MP3, FLAC, Ogg Vorbis or Ogg Opus file');
}
