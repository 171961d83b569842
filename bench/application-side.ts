import { setTimeout as delay } from 'node:timers/promises';
import { HarnessThread } from './harness-thread.ts';
import type {
  ApplicationCommand,
  ApplicationCounters,
  ApplicationMessage,
  ApplicationPlan,
} from './load-messages.ts';

const QUIT_MS = 3000;
const LOOK_MS = 100;

/** What the application server's thread has told. */
export class ApplicationSide {
  readonly url: string;
  counters: ApplicationCounters | undefined;
  readonly #thread: HarnessThread<ApplicationMessage, ApplicationCommand>;
  #quit: Promise<void> | undefined;

  private constructor(thread: HarnessThread<ApplicationMessage, ApplicationCommand>, port: number) {
    this.#thread = thread;
    this.url = `http://127.0.0.1:${port}/callback`;
    thread.listen(
      (message) => {
        if (message.type === 'report') this.counters = message.counters;
      },
      // Nobody answers the gateway from then on, and its calls are counted as failed.
      () => {},
    );
  }

  static async start(plan: ApplicationPlan): Promise<ApplicationSide> {
    const thread = new HarnessThread<ApplicationMessage, ApplicationCommand>('application-thread', plan);
    return new ApplicationSide(thread, (await thread.first('ready')).port);
  }

  /** Resolves when every call that was asked about was said to be over, or after `limitMs`. */
  async settle(limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    while (performance.now() < untilMs) {
      await delay(LOOK_MS);
      const { counters } = this;
      if (counters !== undefined && counters.waiting === 0 && counters.ended === counters.asked) return;
    }
  }

  quit(): Promise<void> {
    this.#quit ??= this.#thread.quit({ type: 'quit' }, QUIT_MS);
    return this.#quit;
  }
}
