import type { Log } from '../log.ts';
import type { ControlEvent } from './call-control.ts';

/** Hands what happens to everybody who watches. */
export class ControlEvents {
  readonly #log: Log;
  readonly #listeners = new Set<(event: ControlEvent) => void>();

  constructor(log: Log) {
    this.#log = log;
  }

  readonly happened = (event: ControlEvent): void => {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error({ err: error }, 'a watcher of calls failed');
      }
    }
  };

  readonly watch = (listener: (event: ControlEvent) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
