import { Slots } from '../callbacks/slots.ts';
import { unlessAborted } from './abort.ts';
import { AudioError } from './audio-source.ts';

/** Who hears nothing for so long should hear why. */
const waitMsDefault = 15_000;

/** So many at a time, and so many who wait for that. */
export class WaitingSlots {
  readonly #slots: Slots;
  readonly #setting: string;
  readonly #waitMsMax: number;

  /** @param setting which allows more. */
  constructor(count: number, waitingMax: number, setting: string, waitMsMax: number = waitMsDefault) {
    this.#waitMsMax = waitMsMax;
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
    const busy = () =>
      new AudioError('audio-busy', `too much is wanted at a time (${this.#setting}); try again later`);
    if (leave === undefined) throw busy();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(busy()), this.#waitMsMax);
    });
    try {
      await unlessAborted(Promise.race([place, late]), signal);
    } catch (error) {
      if (entered) this.#slots.release();
      else leave();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    let held = true;
    return () => {
      if (held) this.#slots.release();
      held = false;
    };
  }
}
