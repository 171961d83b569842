import { Slots } from '../callbacks/slots.ts';
import { unlessAborted } from './abort.ts';
import { AudioError } from './audio-source.ts';

/** So many at a time, and so many who wait for that. */
export class WaitingSlots {
  readonly #slots: Slots;
  readonly #setting: string;

  /** @param setting which allows more. */
  constructor(count: number, waitingMax: number, setting: string) {
    this.#slots = new Slots(count, waitingMax);
    this.#setting = setting;
  }

  /** The answer gives the place back; call it as often as you like. Rejects with `AudioError` where too many wait, and
   *  with `Aborted`. */
  async take(signal: AbortSignal): Promise<() => void> {
    let leave: (() => void) | undefined;
    let entered = false;
    const place = new Promise<void>((resolve) => {
      leave = this.#slots.enter(() => {
        entered = true;
        resolve();
      });
    });
    if (leave === undefined)
      throw new AudioError('audio-busy', `too much is wanted at a time (${this.#setting}); try again later`);
    try {
      await unlessAborted(place, signal);
    } catch (error) {
      if (entered) this.#slots.release();
      else leave();
      throw error;
    }
    let held = true;
    return () => {
      if (held) this.#slots.release();
      held = false;
    };
  }
}
