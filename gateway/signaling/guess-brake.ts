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

interface Guesses {
  wrong: number;
  lastMs: number;
}

/** Slows down who tries passwords: every wrong one makes the answer to the next come later. Counted by source and user,
 *  so that one phone with an old password does not lock out its neighbours, and by source alone, so that trying many
 *  users does not help. */
export class GuessBrake {
  readonly #ofUser = new RecentMap<Guesses>(entriesMax);
  readonly #ofSource = new RecentMap<Guesses>(entriesMax);
  /** Answers that are being held back, by source and user. */
  readonly #held = new Set<string>();

  /** While an answer is held back, no other attempt of that source for that user is looked at; nor, once the source has
   *  tried too often, for any user that it has not been right about. */
  isHeld(source: string, username: string, nowMs: number): boolean {
    if (this.#held.has(keyOf(source, username))) return true;
    return this.#held.has(source) && this.#count(this.#ofUser, keyOf(source, username), nowMs) >= 0;
  }

  /** A wrong password: for how long to hold the answer back. */
  wrong(source: string, username: string, nowMs: number): number {
    const ofUser = this.#add(this.#ofUser, keyOf(source, username), nowMs);
    const ofSource = this.#add(this.#ofSource, source, nowMs);
    const excess = Math.max(ofUser - freeGuesses, ofSource - freeGuessesOfSource);
    return excess <= 0 ? 0 : Math.min(delayMsMax, delayMsFirst * 2 ** Math.min(excess - 1, 20));
  }

  right(source: string, username: string): void {
    this.#ofUser.delete(keyOf(source, username));
  }

  #add(table: RecentMap<Guesses>, key: string, nowMs: number): number {
    const guesses = table.get(key);
    const wrong = guesses === undefined || nowMs - guesses.lastMs > forgottenMs ? 1 : guesses.wrong + 1;
    table.set(key, { wrong, lastMs: nowMs });
    return wrong;
  }

  #count(table: RecentMap<Guesses>, key: string, nowMs: number): number {
    const guesses = table.get(key);
    return guesses === undefined || nowMs - guesses.lastMs > forgottenMs ? 0 : guesses.wrong;
  }
}

function keyOf(source: string, username: string): string {
  return `${source} ${username}`;
}
