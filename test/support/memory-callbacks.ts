import type {
  CallbackQuestion,
  DiceMessage,
  NotifyMessage,
} from '../../gateway/callbacks/callback-messages.ts';
import type { CallbackAnswer, Callbacks } from '../../gateway/callbacks/callbacks.ts';
import type { Clock } from '../../gateway/clock.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { checkSvaml } from '../../protocol/svaml/svaml.ts';

type Asked = CallbackQuestion;

/** An application's server in memory: what it says is checked as what comes over the network. */
export class MemoryCallbacks implements Callbacks {
  readonly #clock: Clock;
  readonly asked: Asked[] = [];
  readonly urls: (string | undefined)[] = [];
  readonly told: { readonly message: DiceMessage | NotifyMessage; readonly url: string | undefined }[] = [];
  /** What it says to each question: SVAML, or `fail`. */
  ice: (message: Asked) => unknown = () => 'fail';
  ace: (message: Asked) => unknown = () => ({ action: { name: 'continue' } });
  pie: (message: Asked) => unknown = () => ({ action: { name: 'hangup' } });
  delayMs = 0;
  readonly waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ask(_applicationKey: string, message: Asked, url?: string): Promise<CallbackAnswer> {
    this.asked.push(message);
    this.urls.push(url);
    return new Promise((resolve) => {
      this.#clock.after(this.delayMs, () => resolve(this.#answer(message)));
    });
  }

  #answer(message: Asked): CallbackAnswer {
    const said = this[message.event](message);
    if (said === 'fail') return { kind: 'failed', detail: 'the server said 500' };
    try {
      return { kind: 'svaml', svaml: checkSvaml(said), trusted: false };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { kind: 'failed', detail: error.message };
    }
  }

  tell(_applicationKey: string, message: DiceMessage | NotifyMessage, url?: string): void {
    this.told.push({ message, url });
  }

  get dice(): DiceMessage[] {
    return this.told.map(({ message }) => message).filter((message) => message.event === 'dice');
  }

  get notices(): NotifyMessage[] {
    return this.told.map(({ message }) => message).filter((message) => message.event === 'notify');
  }

  async close(): Promise<void> {}
}
