import type { Park } from '../../../protocol/svaml/actions.ts';
import type { Timer } from '../../clock.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { playPrompts, promptSources } from '../player.ts';

/** `park`: the caller waits, with a prompt once and another again and again, until another programme comes or
 *  `maxDuration` is over; then the prompt that is being played is the last. */
export class Parking implements Activity {
  readonly #call: Call;
  readonly #action: Park;
  readonly #stopped = new AbortController();
  #limit: Timer | undefined;
  #over = false;
  #playing = false;

  constructor(call: Call, action: Park) {
    this.#call = call;
    this.#action = action;
  }

  start(): void {
    const call = this.#call;
    call.answer();
    this.#limit = call.context.clock.after(this.#action.maxDuration * 1_000, () =>
      call.guard(() => {
        this.#over = true;
        if (!this.#playing) call.end('parkOver');
      }),
    );
    call.background(this.#play(true));
  }

  stop(): void {
    this.#stopped.abort();
    this.#limit?.cancel();
  }

  /** After something else was said: from the beginning of the prompt. */
  rejoin(): void {
    if (!this.#playing) this.#call.background(this.#play(false));
  }

  async #play(intro: boolean): Promise<void> {
    const call = this.#call;
    const { introPrompt, holdPrompt, locale } = this.#action;
    const { signal } = this.#stopped;
    this.#playing = true;
    try {
      if (intro && introPrompt !== undefined)
        await this.#once(promptSources(call, introPrompt, locale), signal);
      const hold = holdPrompt === undefined ? [] : promptSources(call, holdPrompt, locale);
      while (!signal.aborted && !this.#over && hold.length > 0) {
        if (!(await this.#once(hold, signal))) break;
      }
    } finally {
      this.#playing = false;
    }
    if (!signal.aborted && this.#over) call.end('parkOver');
  }

  async #once(sources: ReturnType<typeof promptSources>, signal: AbortSignal): Promise<boolean> {
    const { leg } = this.#call;
    return leg !== undefined && (await playPrompts(this.#call, sources, { signal, to: leg })) === 'played';
  }
}
