import { setMaxListeners } from 'node:events';

/** Why a wait was given up: the one who waited is gone. */
export class Aborted extends Error {
  constructor() {
    super('nobody waits for it any more');
    this.name = 'Aborted';
  }
}

/** The promise, or a rejection with `Aborted` as soon as the signal is. What the promise brings later is let go. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      reject(new Aborted());
      return;
    }
    const abort = () => reject(new Aborted());
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A signal that follows several until it is released. `AbortSignal.any` leaves something behind in each of them for
 *  as long as it lives, and some of ours live as long as the gateway. */
export function linkedSignal(...signals: readonly AbortSignal[]): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const abort = () => controller.abort();
  // As many as there are who hear something now: no leak, of which Node would warn from the eleventh on.
  setMaxListeners(0, ...signals);
  for (const signal of signals) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  }
  return {
    signal: controller.signal,
    release() {
      for (const signal of signals) signal.removeEventListener('abort', abort);
    },
  };
}
