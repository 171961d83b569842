import { Worker } from 'node:worker_threads';

/** A thread of the harness: messages out, commands in, and an error where it fails before or while it works. */
export class HarnessThread<Message extends { readonly type: string }, Command> {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #receive: (message: Message) => void = () => {};
  #fail: (error: Error) => void = () => {};

  /** `file` is the built file's name beside this one. */
  constructor(file: string, plan: object) {
    this.#worker = new Worker(new URL(`./${file}.js`, import.meta.url), { workerData: plan });
    this.#worker.on('message', (message: Message) => {
      if (message.type === 'failed')
        this.#fail(new Error((message as unknown as { message: string }).message));
      this.#receive(message);
    });
    this.#worker.on('error', (error) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
  }

  /** Every message from now on. `failed` is called at most for the thread's own failure. */
  listen(receive: (message: Message) => void, failed: (error: Error) => void): void {
    this.#receive = receive;
    this.#fail = failed;
  }

  /** The first message of this type. Rejects where the thread fails first. */
  first<Type extends Message['type']>(type: Type): Promise<Extract<Message, { type: Type }>> {
    return new Promise((resolve, reject) => {
      this.listen((message) => {
        if (message.type === type) resolve(message as Extract<Message, { type: Type }>);
      }, reject);
    });
  }

  send(command: Command): void {
    this.#worker.postMessage(command);
  }

  /** Resolves when the thread is gone; it is ended by force after `limitMs`. */
  async quit(command: Command, limitMs: number): Promise<void> {
    this.send(command);
    const timer = setTimeout(() => void this.#worker.terminate(), limitMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
