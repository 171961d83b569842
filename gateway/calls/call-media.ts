import type { EndpointId, MediaCommand, MediaEvent } from '../media/media-messages.ts';
import type { MediaGroup, MediaPool } from '../media/media-pool.ts';

/** The endpoints of one call and the media worker that they are on. */
export class CallMedia {
  readonly #callId: string;
  readonly #pool: MediaPool;
  readonly #guard: (run: () => void) => void;
  /** Called each time the last open endpoint has closed. */
  readonly #emptied: () => void;
  #group: MediaGroup | undefined;
  readonly #receivers = new Map<EndpointId, (event: MediaEvent) => void>();
  /** Endpoints that have not reported their closing yet. */
  readonly #open = new Set<EndpointId>();
  readonly #numbers = new Map<string, number>();

  constructor(options: {
    readonly callId: string;
    readonly pool: MediaPool;
    readonly guard: (run: () => void) => void;
    readonly emptied: () => void;
  }) {
    this.#callId = options.callId;
    this.#pool = options.pool;
    this.#guard = options.guard;
    this.#emptied = options.emptied;
  }

  get worker(): number | undefined {
    return this.#group?.worker;
  }

  /** Its place, chosen at the first question: on the worker of `beside` where that is given, else the one with the
   *  fewest calls. */
  group(beside?: MediaGroup): MediaGroup {
    this.#group ??= this.#pool.openGroup(
      (event) => this.#guard(() => this.#receive(event)),
      ...(beside === undefined ? [] : [beside]),
    );
    return this.#group;
  }

  send(command: MediaCommand): void {
    this.#group?.send(command);
  }

  /** A name that no endpoint had: `callId/sip`, then `callId/sip1`. */
  name(kind: string): EndpointId {
    const number = this.#numbers.get(kind) ?? 0;
    this.#numbers.set(kind, number + 1);
    return `${this.#callId}/${kind}${number === 0 ? '' : number}`;
  }

  /** An endpoint is being opened, and will report its closing: until `closed` the call is not over. */
  opened(endpointId: EndpointId, receive: (event: MediaEvent) => void): void {
    this.#open.add(endpointId);
    this.#receivers.set(endpointId, receive);
  }

  closed(endpointId: EndpointId): void {
    this.#receivers.delete(endpointId);
    this.#open.delete(endpointId);
    if (this.#open.size === 0) this.#emptied();
  }

  /** Events of an endpoint that is gone as soon as it is closed. The answer ends it. */
  listen(endpointId: EndpointId, receive: (event: MediaEvent) => void): () => void {
    this.#receivers.set(endpointId, receive);
    return () => this.#receivers.delete(endpointId);
  }

  /** Endpoints that have not reported their closing. */
  get openEndpoints(): readonly EndpointId[] {
    return [...this.#open];
  }

  /** Nothing is heard of any endpoint from now on. */
  release(): void {
    this.#open.clear();
    this.#receivers.clear();
    this.#group?.release();
  }

  #receive(event: MediaEvent): void {
    if ('endpointId' in event) this.#receivers.get(event.endpointId)?.(event);
  }
}
