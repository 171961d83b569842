import { readFile } from 'node:fs/promises';
import { createResampler } from '../../codecs/resampler.ts';
import { mixDown, parseWav } from '../../codecs/wav.ts';
import { AudioError, type AudioSource } from './audio-source.ts';
import { toneChunks } from './built-in-tones.ts';

export { AudioError, type AudioSource, parsePrompt } from './audio-source.ts';

export interface OpenAudioOptions {
  /** One of the rates of the media path, `sampleRatesHz`. */
  readonly sampleRateHz: number;
  /** The operator's own configuration named it: files are allowed, and addresses of the inside. */
  readonly trusted: boolean;
  /** Ends the iteration, without error. */
  readonly signal: AbortSignal;
}

/** Whatever can be played to a caller, as PCM. */
export interface AudioLibrary {
  /** Mono PCM in chunks of at most 1 s, as it is decoded, off the main and the media threads. The first `next()`
   *  rejects with an `AudioError` where there is nothing to play, a later one where it breaks off. Take chunks as they
   *  are needed: what is not taken waits at its source. The chunks are the caller's own. */
  open(source: AudioSource, options: OpenAudioOptions): AsyncIterable<Int16Array>;
  close(): Promise<void>;
}

export function createAudioLibrary(): AudioLibrary {
  return {
    async *open(source, options) {
      const { sampleRateHz, signal } = options;
      if (source.kind === 'tone') {
        for (const chunk of toneChunks(source, sampleRateHz)) {
          if (signal.aborted) return;
          yield chunk;
        }
        return;
      }
      if (source.kind !== 'file') throw new AudioError('audio-refused', `cannot play ${source.kind} yet`);
      const wav = parseWav(await readFile(source.path));
      const mono = mixDown(wav);
      const resampler = createResampler(wav.sampleRateHz, sampleRateHz);
      const pcm = new Int16Array(resampler.outputSamplesMax(mono.length));
      const length = resampler.process(mono, 0, mono.length, pcm, 0);
      for (let at = 0; at < length && !signal.aborted; at += sampleRateHz) {
        yield pcm.slice(at, Math.min(length, at + sampleRateHz));
      }
    },
    close: async () => {},
  };
}
