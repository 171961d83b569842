import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../clock.ts';
import type { EndpointGuard } from '../routing/endpoint-guard.ts';
import { Aborted, linkedSignal, unlessAborted } from './abort.ts';
import { AudioError } from './audio-source.ts';
import { shownUrl, startDownload } from './download.ts';
import { SharedSequence } from './shared-sequence.ts';
import type { SizeCache } from './size-cache.ts';
import type { WaitingSlots } from './waiting-slots.ts';

/** A file that can be read, now and again, in one version. */
export interface AudioFile {
  /** Different for each version. */
  readonly version: string;
  /** Rejects with `AudioError`, and with `Aborted`. */
  bytes(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What an answer of a server gave, or gives just now. */
interface Found {
  readonly version: string;
  readonly arriving: SharedSequence<Uint8Array> | undefined;
}

interface Known {
  readonly version: string;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** False for no-store. */
  readonly kept: boolean;
  /** Must be asked about, however well it is known. */
  readonly alwaysAsk: boolean;
  freshUntilMs: number;
  /** While it arrives. */
  arriving: SharedSequence<Uint8Array> | undefined;
}

const knownMax = 2_000;
/** Without a word of the server on it. */
const freshMsDefault = 60_000;
const freshMsMax = 86_400_000;
/** What is still good while its server is not. */
const staleFreshMs = 10_000;

export interface FetchedFilesOptions {
  readonly clock: Clock;
  readonly guard: EndpointGuard;
  readonly bytesMax: number;
  readonly timeoutMs: number;
  readonly downloads: WaitingSlots;
  readonly cache: SizeCache<readonly Uint8Array[]>;
  readonly counted: (code: string) => void;
}

/** Files behind URLs: each fetched once for all who want it at a time, kept as long as its server allows, and then
 *  asked about again by its ETag or date (RFC 9111). */
export class FetchedFiles {
  readonly #options: FetchedFilesOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Found>>();
  readonly #closing = new AbortController();
  #versions = 0;

  constructor(options: FetchedFilesOptions) {
    this.#options = options;
  }

  async find(url: string, trusted: boolean, signal: AbortSignal): Promise<AudioFile> {
    // What an operator may fetch from the inside is not for others.
    const key = `${trusted ? 'trusted' : 'guarded'} ${url}`;
    // Kept here: it may be complete, and too large to be kept elsewhere, when it is read.
    const { version, arriving } = await this.#current(url, key, { trusted, signal });
    return {
      version,
      bytes: (reader) => this.#read(url, key, { version, arriving, trusted, signal: reader }),
    };
  }

  close(): void {
    this.#closing.abort();
    this.#known.clear();
  }

  async #current(url: string, key: string, who: { trusted: boolean; signal: AbortSignal }): Promise<Found> {
    const known = this.#known.get(key);
    const nowMs = this.#options.clock.nowMs();
    if (known !== undefined && (known.arriving !== undefined || known.freshUntilMs > nowMs)) return known;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(url, key, who.trusted).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return unlessAborted(asking, who.signal);
  }

  async *#read(
    url: string,
    key: string,
    file: {
      readonly version: string;
      readonly arriving: SharedSequence<Uint8Array> | undefined;
      readonly trusted: boolean;
      readonly signal: AbortSignal;
    },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const kept = this.#options.cache.get(file.version);
    if (kept !== undefined) return yield* kept;
    if (file.arriving !== undefined) return yield* file.arriving.read(file.signal);
    // It was pushed out of memory, or was never small enough for it.
    if (this.#known.get(key)?.version === file.version) this.#known.delete(key);
    const again = await this.#current(url, key, file);
    const parts = this.#options.cache.get(again.version) ?? again.arriving?.read(file.signal);
    if (parts === undefined)
      throw new AudioError('audio-unreachable', `${shownUrl(url)} was fetched and lost again`);
    yield* parts;
  }

  async #ask(url: string, key: string, trusted: boolean): Promise<Found> {
    const { downloads, guard, bytesMax, timeoutMs, clock, counted } = this.#options;
    const known = this.#known.get(key);
    const stop = new AbortController();
    const { signal, release: unlink } = linkedSignal(stop.signal, this.#closing.signal);
    let leave = () => {};
    const release = () => {
      unlink();
      leave();
    };
    try {
      leave = await downloads.take(signal);
      const { status, headers, body } = await startDownload(url, {
        guard: trusted ? undefined : guard,
        headers: known === undefined || !this.#options.cache.has(known.version) ? {} : conditions(known),
        bytesMax,
        timeoutMs,
        signal,
      });
      if (status === 304 && known !== undefined) {
        release();
        known.freshUntilMs = clock.nowMs() + freshMs(headers);
        return known;
      }
      if (status === 304)
        throw new AudioError('audio-refused', 'answered 304 without being asked to compare');
      const fresh: Known = this.#arrive(headers, () => {
        if (this.#known.get(key) === fresh) this.#known.delete(key);
        stop.abort();
      });
      // Taken before it may be complete, and gone.
      const found = { version: fresh.version, arriving: fresh.arriving };
      this.#remember(key, fresh);
      void this.#fill(key, fresh, body()).finally(release);
      return found;
    } catch (error) {
      release();
      if (known === undefined || known.alwaysAsk || !this.#options.cache.has(known.version)) throw error;
      if (error instanceof Aborted) throw error;
      counted('audio-stale');
      known.freshUntilMs = clock.nowMs() + staleFreshMs;
      return known;
    }
  }

  #arrive(headers: IncomingHttpHeaders, abandoned: () => void): Known {
    const control = headers['cache-control'] ?? '';
    return {
      version: `url ${++this.#versions}`,
      etag: headers.etag,
      lastModified: headers['last-modified'],
      kept: !/\bno-store\b/i.test(control),
      alwaysAsk: /\b(?:no-cache|must-revalidate)\b/i.test(control),
      freshUntilMs: this.#options.clock.nowMs() + freshMs(headers),
      arriving: new SharedSequence(abandoned),
    };
  }

  async #fill(key: string, known: Known, body: AsyncGenerator<Uint8Array>): Promise<void> {
    const sequence = known.arriving!;
    let bytes = 0;
    try {
      for await (const part of body) {
        bytes += part.length;
        sequence.push(part);
      }
      if (known.kept) this.#options.cache.set(known.version, sequence.items, bytes);
      sequence.end();
    } catch (error) {
      sequence.fail(error);
      if (this.#known.get(key) === known) this.#known.delete(key);
    } finally {
      known.arriving = undefined;
    }
  }

  #remember(key: string, known: Known): void {
    const old = this.#known.get(key);
    if (old !== undefined) this.#options.cache.delete(old.version);
    this.#known.delete(key);
    this.#known.set(key, known);
    for (const [oldest, { arriving }] of this.#known) {
      if (this.#known.size <= knownMax) break;
      if (arriving === undefined) this.#known.delete(oldest);
    }
  }
}

function conditions({ etag, lastModified }: Known): Record<string, string> {
  return {
    ...(etag !== undefined && { 'If-None-Match': etag }),
    ...(lastModified !== undefined && { 'If-Modified-Since': lastModified }),
  };
}

/** For how long the answer may be used without asking, RFC 9111 §4.2.1. */
function freshMs(headers: IncomingHttpHeaders): number {
  const control = headers['cache-control'] ?? '';
  if (/\bno-(?:store|cache)\b/i.test(control)) return 0;
  const [, shared, own] = /\bs-maxage="?(\d+)|\bmax-age="?(\d+)/i.exec(control) ?? [];
  const seconds = shared ?? own;
  if (seconds !== undefined) return Math.min(freshMsMax, 1000 * Number(seconds));
  if (headers.expires === undefined) return freshMsDefault;
  const left = Date.parse(headers.expires) - Date.parse(headers.date ?? '');
  return Number.isFinite(left) ? Math.max(0, Math.min(freshMsMax, left)) : 0;
}
