import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { sampleRatesHz } from '../../codecs/resampler.ts';
import { type Clock, systemClock } from '../clock.ts';
import { errorCode, errorMessage } from '../errors.ts';
import { createEndpointGuard, type EndpointGuard } from '../routing/endpoint-guard.ts';
import { Aborted, linkedSignal } from './abort.ts';
import { AudioError, type AudioSource } from './audio-source.ts';
import { toneChunks } from './built-in-tones.ts';
import { type Decoders, DecodeThread, inlineDecoders } from './decode-thread.ts';
import { shownUrl } from './download.ts';
import { type AudioFile, FetchedFiles } from './fetched-files.ts';
import { SharedSequence } from './shared-sequence.ts';
import { SizeCache } from './size-cache.ts';
import { Speech, type SpeechSettings } from './speech.ts';
import { WaitingSlots } from './waiting-slots.ts';

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
   *  are needed: of long audio, what is not taken waits at its source. The chunks are the caller's own. */
  open(source: AudioSource, options: OpenAudioOptions): AsyncIterable<Int16Array>;
  counters(): AudioCounters;
  close(): Promise<void>;
}

export interface AudioCounters {
  readonly opened: number;
  readonly failed: number;
  /** Openings that needed no decoding. */
  readonly cached: number;
  readonly decoding: number;
  readonly cacheBytes: number;
}

export interface AudioLibraryOptions {
  /** As in the configuration's `audio`. */
  readonly settings?: {
    readonly cacheMb: number;
    readonly fileMb: number;
    readonly maxSeconds: number;
    readonly downloads: number;
    readonly decoders: number;
    readonly timeoutMs: number;
  };
  readonly speech?: SpeechSettings | undefined;
  /** Of URLs that are not trusted. Default: public addresses only. */
  readonly guard?: EndpointGuard;
  readonly clock?: Clock;
  /** Told of each failure by its code, for the metrics. */
  readonly counted?: (code: string) => void;
  /** False: decodes in this thread, for tests. */
  readonly thread?: boolean;
}

const settingsDefault = {
  cacheMb: 64,
  fileMb: 32,
  maxSeconds: 3_600,
  downloads: 32,
  decoders: 64,
  timeoutMs: 10_000,
} as const;
const waitingMax = 1_000;
const longNamesMax = 1_000;
/** What one question to the decoder brings it: little, so that files in turn hear from it soon. */
const pieceBytes = 16_384;
const megabyte = 1024 * 1024;

export function createAudioLibrary(options: AudioLibraryOptions = {}): AudioLibrary {
  return new Library(options);
}

/** Audio that does not stay in memory; each who hears it decodes it at the pace of playing. */
const tooLong = new Error('too long to be kept');

class Library implements AudioLibrary {
  readonly #maxSeconds: number;
  readonly #decoders: Decoders;
  readonly #slots: WaitingSlots;
  readonly #files: FetchedFiles;
  readonly #speech: Speech;
  readonly #counted: (code: string) => void;
  readonly #pcm: SizeCache<readonly Int16Array[]>;
  readonly #decoding = new Map<string, SharedSequence<Int16Array>>();
  /** Versions that were `tooLong`. */
  readonly #long = new Set<string>();
  readonly #closing = new AbortController();
  readonly #fileCache: SizeCache<readonly Uint8Array[]>;
  #opened = 0;
  #failed = 0;
  #cached = 0;
  #active = 0;

  constructor(options: AudioLibraryOptions) {
    const { settings = settingsDefault, speech, clock = systemClock, counted = () => {} } = options;
    const cacheBytes = settings.cacheMb * megabyte;
    this.#maxSeconds = settings.maxSeconds;
    this.#counted = counted;
    this.#decoders = options.thread === false ? inlineDecoders : new DecodeThread();
    this.#slots = new WaitingSlots(settings.decoders, waitingMax, 'audio.decoders');
    this.#pcm = new SizeCache((cacheBytes * 3) / 4);
    this.#fileCache = new SizeCache(cacheBytes / 4);
    this.#files = new FetchedFiles({
      clock,
      guard: options.guard ?? createEndpointGuard({ kind: 'web', allow: [], denyPrivate: true }),
      bytesMax: settings.fileMb * megabyte,
      timeoutMs: settings.timeoutMs,
      downloads: new WaitingSlots(settings.downloads, waitingMax, 'audio.downloads'),
      cache: this.#fileCache,
      counted,
    });
    this.#speech = new Speech(speech, this.#fileCache);
  }

  async *open(source: AudioSource, options: OpenAudioOptions): AsyncGenerator<Int16Array, void, undefined> {
    const { sampleRateHz } = options;
    if (!sampleRatesHz.some((known) => known === sampleRateHz))
      throw new RangeError(`sample rate must be one of ${sampleRatesHz.join(', ')} Hz, got ${sampleRateHz}`);
    const { signal, release } = linkedSignal(options.signal, this.#closing.signal);
    if (signal.aborted) return release();
    this.#opened++;
    try {
      if (source.kind === 'tone') return yield* until(signal, toneChunks(source, sampleRateHz));
      const file = await this.#find(source, { ...options, signal });
      yield* this.#play(file, sampleRateHz, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed++;
      const failure = named(error, source);
      this.#counted(failure.code);
      throw failure;
    } finally {
      release();
    }
  }

  counters(): AudioCounters {
    return {
      opened: this.#opened,
      failed: this.#failed,
      cached: this.#cached,
      decoding: this.#active,
      cacheBytes: this.#pcm.bytes + this.#fileCache.bytes,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#files.close();
    this.#speech.close();
    await this.#decoders.close();
    this.#pcm.clear();
    this.#fileCache.clear();
  }

  #find(
    source: Exclude<AudioSource, { kind: 'tone' }>,
    options: OpenAudioOptions,
  ): AudioFile | Promise<AudioFile> {
    switch (source.kind) {
      case 'url':
        return this.#files.find(source.url, options.trusted, options.signal);
      case 'speech':
        return this.#speech.find(source);
      case 'file':
        if (!options.trusted)
          throw new AudioError(
            'audio-forbidden',
            'files of the gateway may be played by its own configuration only; use an https:// URL',
          );
        return localFile(source.path);
    }
  }

  async *#play(
    file: AudioFile,
    sampleRateHz: number,
    signal: AbortSignal,
  ): AsyncGenerator<Int16Array, void, undefined> {
    const key = `${file.version} ${sampleRateHz}`;
    const kept = this.#pcm.get(key);
    if (kept !== undefined) {
      this.#cached++;
      return yield* until(signal, copies(kept));
    }
    let given = 0;
    if (!this.#long.has(key)) {
      try {
        for await (const chunk of this.#shared(file, key, sampleRateHz).read(signal)) {
          given += chunk.length;
          yield chunk.slice();
        }
        return;
      } catch (error) {
        if (error !== tooLong) throw error;
      }
    }
    for await (const chunk of this.#decode(file.bytes(signal), sampleRateHz, signal)) {
      const known = Math.min(given, chunk.length);
      given -= known;
      if (known < chunk.length) yield known === 0 ? chunk : chunk.slice(known);
    }
  }

  #shared(file: AudioFile, key: string, sampleRateHz: number): SharedSequence<Int16Array> {
    const known = this.#decoding.get(key);
    if (known !== undefined) return known;
    const stop = new AbortController();
    const sequence = new SharedSequence<Int16Array>(() => {
      this.#decoding.delete(key);
      stop.abort();
    });
    this.#decoding.set(key, sequence);
    const { signal, release } = linkedSignal(stop.signal, this.#closing.signal);
    const chunks = this.#decode(file.bytes(signal), sampleRateHz, signal);
    void this.#fill(sequence, key, chunks).finally(release);
    return sequence;
  }

  /** At full speed: the decoder is free again in a moment, and the next who wants it finds it done. */
  async #fill(
    sequence: SharedSequence<Int16Array>,
    key: string,
    chunks: AsyncIterable<Int16Array>,
  ): Promise<void> {
    let sizeBytes = 0;
    try {
      for await (const chunk of chunks) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > this.#pcm.valueBytesMax) throw tooLong;
        sequence.push(chunk);
      }
      this.#pcm.set(key, sequence.items, sizeBytes);
      sequence.end();
    } catch (error) {
      if (error === tooLong) this.#rememberLong(key);
      sequence.fail(error);
    } finally {
      if (this.#decoding.get(key) === sequence) this.#decoding.delete(key);
    }
  }

  #rememberLong(key: string): void {
    this.#long.add(key);
    for (const oldest of this.#long) {
      if (this.#long.size <= longNamesMax) break;
      this.#long.delete(oldest);
    }
  }

  async *#decode(
    bytes: AsyncIterable<Uint8Array>,
    sampleRateHz: number,
    signal: AbortSignal,
  ): AsyncGenerator<Int16Array, void, undefined> {
    const release = await this.#slots.take(signal);
    this.#active++;
    const decoding = this.#decoders.open({ sampleRateHz, secondsMax: this.#maxSeconds });
    try {
      for await (const part of bytes) {
        for (let at = 0; at < part.length; at += pieceBytes) {
          if (signal.aborted) throw new Aborted();
          yield* await decoding.push(part.slice(at, at + pieceBytes));
        }
      }
      yield* await decoding.finish();
    } finally {
      decoding.close();
      this.#active--;
      release();
    }
  }
}

async function* until<Item>(
  signal: AbortSignal,
  items: Iterable<Item>,
): AsyncGenerator<Item, void, undefined> {
  for (const item of items) {
    if (signal.aborted) return;
    yield item;
  }
}

function* copies(chunks: readonly Int16Array[]): Generator<Int16Array> {
  for (const chunk of chunks) yield chunk.slice();
}

async function localFile(path: string): Promise<AudioFile> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new AudioError('audio-unreachable', `${path} cannot be read (${errorCode(cause)})`, { cause });
  });
  // A pipe or a device would never end.
  if (!found.isFile()) throw new AudioError('audio-unreachable', `${path} is no file`);
  return {
    version: `file ${found.mtimeMs} ${found.size} ${found.ino} ${path}`,
    bytes: (signal) => createReadStream(path, { signal }),
  };
}

/** With the source's name, where the message does not hold it yet. */
function named(error: unknown, source: AudioSource): AudioError {
  const name =
    source.kind === 'url'
      ? shownUrl(source.url)
      : source.kind === 'file'
        ? source.path
        : `the ${source.kind}`;
  if (error instanceof AudioError) {
    if (source.kind === 'speech' || error.message.includes(name)) return error;
    return new AudioError(error.code, `${name}: ${error.message}`, { cause: error });
  }
  return new AudioError('audio-unreachable', `${name} cannot be played (${errorMessage(error)})`, {
    cause: error,
  });
}
