import { EventEmitter } from 'node:events';
import type { EventMessage } from '../../protocol/stream/message-schemas.ts';

/** What a call tells its bot, and with what. Apart from `audio`, `message` and `close` all of it comes only from a
 *  gateway that offers the extension. */
export interface BotCallEvents {
  /** What the phone says: samples at `call.sampleRate`, 20 ms at a time, the listener's to keep; mono but for a tap
   *  of both. */
  audio: [pcm: Int16Array];
  dtmf: [key: EventMessage<'dtmf'>];
  hold: [event: EventMessage<'hold'>];
  resume: [event: EventMessage<'resume'>];
  /** The gateway's buffer fills up, or overflowed. `play` waits by itself. */
  flow: [flow: EventMessage<'flow'>];
  stats: [stats: EventMessage<'stats'>];
  transfer: [outcome: EventMessage<'transfer'>];
  status: [status: EventMessage<'status'>];
  mark: [mark: EventMessage<'mark'>];
  cleared: [cleared: EventMessage<'cleared'>];
  /** The gateway could not obey a command. The call goes on. */
  error: [error: EventMessage<'error'>];
  /** Any text message after `connect`, known or not, as it came. */
  message: [message: Readonly<Record<string, unknown>>];
  /** The call is over; the last event, and it always comes. */
  close: [end: BotCallEnd];
}

export interface BotCallEnd {
  /** 1006 where the connection was lost without a word. */
  readonly code: number;
  /** `CALLERHANGUP`, `MAXDURATION`, …: the gateway's word for it. */
  readonly reason: string;
}

export type BotCallEventName = keyof BotCallEvents;
/** What it returns means nothing, but a promise that rejects is an error of the bot. */
export type BotCallListener<Name extends BotCallEventName> = (...args: BotCallEvents[Name]) => unknown;

type AnyListener = (...args: unknown[]) => unknown;

/** Listeners of a call. What they throw, or reject with, goes to `failed`: it ends the call, not the process. */
export class BotCallListeners {
  readonly #emitter = new EventEmitter();
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
    // Several readers of digits at once are no leak.
    this.#emitter.setMaxListeners(0);
  }

  add<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): void {
    this.#emitter.on(name, listener as AnyListener);
  }

  remove<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): void {
    this.#emitter.off(name, listener as AnyListener);
  }

  has(name: BotCallEventName): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  tell<Name extends BotCallEventName>(name: Name, ...args: BotCallEvents[Name]): void {
    for (const listener of this.#emitter.listeners(name)) {
      try {
        const result: unknown = (listener as AnyListener)(...args);
        if (result instanceof Promise) result.catch(this.#failed);
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
