import { createHash } from 'node:crypto';
import { RecentMap } from './source-limits.ts';

/** Wrong passwords that cost nothing: fingers slip. */
const freeGuesses = 2;
/** Of one source for whatever users; phones behind one NAT share it. */
const freeGuessesOfSource = 20;
const delayMsFirst = 500;
/** Below 64·T1, so that an honest phone still hears the answer. */
const delayMsMax = 16_000;
/** Without a wrong password for so long, all is forgotten. */
const forgottenMs = 15 * 60_000;
const entriesMax = 10_000;
const heldMax = 1_000;

interface Guesses {
  readonly wrong: number;
  readonly lastMs: number;
  readonly last: string;
}

export interface Attempt {
  /** The source's address, or what stands for it. */
  readonly source: string;
  readonly username: string;
  /** What makes it the same attempt when it comes again. */
  readonly identity: string;
}

/** What becomes of the answer to a wrong password. */
export type Braking =
  /** It goes out after `delayMs`; then call `release`. `first`: with this one the slowing down began. */
  | { readonly delayMs: number; readonly first: boolean; release(): void }
  /** So many are held back already that there is none. */
  | undefined;

/** Slows down who tries passwords: every wrong one makes the answer to the next come later, and meanwhile nothing more of
 *  that kind is looked at. Counted by source and user, so that one phone with an old password does not lock out its
 *  neighbours, and by source alone, so that trying many users does not help. */
export class GuessBrake {
  readonly #guesses = new RecentMap<Guesses>(entriesMax);
  /** Source and user that were right before. */
  readonly #trusted = new RecentMap<true>(entriesMax);
  /** Whose answers are being held back. */
  readonly #held = new Set<string>();

  get held(): number {
    return this.#held.size;
  }

  isHeld({ source, username }: Attempt): boolean {
    const key = keyOf(source, username);
    return this.#held.has(key) || (this.#held.has(source) && this.#trusted.get(key) === undefined);
  }

  wrong({ source, username, identity }: Attempt, nowMs: number): Braking {
    const key = keyOf(source, username);
    const last = keyOf(identity);
    // A lost answer makes it come again. That is no second guess.
    const again = this.#guesses.get(key)?.last === last;
    const excess = again ? 0 : this.#count(key, last, nowMs) - freeGuesses;
    const excessOfSource = again ? 0 : this.#count(source, last, nowMs) - freeGuessesOfSource;
    const held = [...(excess > 0 ? [key] : []), ...(excessOfSource > 0 ? [source] : [])];
    if (this.#held.size + held.length > heldMax) return undefined;
    for (const name of held) this.#held.add(name);
    const most = Math.max(excess, excessOfSource);
    return {
      delayMs: most <= 0 ? 0 : Math.min(delayMsMax, delayMsFirst * 2 ** Math.min(most - 1, 20)),
      first: excess === 1 || excessOfSource === 1,
      release: () => {
        for (const name of held) this.#held.delete(name);
      },
    };
  }

  right({ source, username }: Attempt): void {
    const key = keyOf(source, username);
    this.#guesses.delete(key);
    this.#trusted.set(key, true);
  }

  #count(key: string, last: string, nowMs: number): number {
    const before = this.#guesses.get(key);
    const wrong = before === undefined || nowMs - before.lastMs > forgottenMs ? 1 : before.wrong + 1;
    this.#guesses.set(key, { wrong, lastMs: nowMs, last });
    return wrong;
  }
}

/** Of one length, however long the names are that somebody thinks of. */
function keyOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
