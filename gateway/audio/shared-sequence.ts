import { unlessAborted } from './abort.ts';

/** What one produces and many read, each from its beginning, while it grows. */
export class SharedSequence<Item> {
  readonly #items: Item[] = [];
  readonly #abandoned: () => void;
  #state: 'open' | 'ended' | 'failed' = 'open';
  #error: unknown;
  #readers = 0;
  #changed = deferred();

  /** @param abandoned called when the last reader leaves what is not complete. */
  constructor(abandoned: () => void) {
    this.#abandoned = abandoned;
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  push(item: Item): void {
    if (this.#state !== 'open') return;
    this.#items.push(item);
    this.#change();
  }

  end(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#change();
  }

  fail(error: unknown): void {
    if (this.#state !== 'open') return;
    this.#state = 'failed';
    this.#error = error;
    this.#change();
  }

  /** Rejects with what it failed with, behind all that came before, and with `Aborted`. */
  async *read(signal: AbortSignal): AsyncGenerator<Item, void, undefined> {
    this.#readers++;
    try {
      for (let at = 0; ; ) {
        const item = this.#items[at];
        if (item !== undefined) {
          at++;
          yield item;
        } else if (this.#state === 'ended') return;
        else if (this.#state === 'failed') throw this.#error;
        else await unlessAborted(this.#changed.promise, signal);
      }
    } finally {
      if (--this.#readers === 0 && this.#state === 'open') this.#abandoned();
    }
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = deferred();
    resolve();
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
