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
  readonly #open = new Map<EndpointId, MediaGroup | undefined>();
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
    this.#group ??= this.#openGroup(beside);
    return this.#group;
  }

  #openGroup(beside: MediaGroup | undefined): MediaGroup {
    return this.#pool.openGroup(
      (event) => this.#guard(() => this.#receive(event)),
      ...(beside === undefined ? [] : [beside]),
    );
  }

  /** To the worker of the endpoint that it is about: after a move some are still on the one that was left. */
  send(command: MediaCommand): void {
    const about = 'endpointId' in command ? command.endpointId : 'source' in command ? command.source : '';
    (this.#open.get(about) ?? this.#group)?.send(command);
  }

  /** A name that no endpoint had: `callId/sip`, then `callId/sip1`. */
  name(kind: string): EndpointId {
    const number = this.#numbers.get(kind) ?? 0;
    this.#numbers.set(kind, number + 1);
    return `${this.#callId}/${kind}${number === 0 ? '' : number}`;
  }

  /** An endpoint is being opened, and will report its closing: until `closed` the call is not over. */
  opened(endpointId: EndpointId, receive: (event: MediaEvent) => void, group = this.#group): void {
    this.#open.set(endpointId, group);
    this.#receivers.set(endpointId, receive);
  }

  closed(endpointId: EndpointId): void {
    const group = this.#open.get(endpointId);
    this.#receivers.delete(endpointId);
    this.#open.delete(endpointId);
    if (group !== this.#group && ![...this.#open.values()].includes(group)) group?.release();
    if (this.#open.size === 0) this.#emptied();
  }

  /** A place on another worker, to be tried; given back when its last endpoint has closed. */
  openBeside(beside: MediaGroup): MediaGroup {
    return this.#openGroup(beside);
  }

  /** What is opened from now on is there. */
  use(group: MediaGroup): void {
    const before = this.#group;
    this.#group = group;
    if (![...this.#open.values()].includes(before)) before?.release();
  }

  /** Endpoints that have not reported their closing. */
  get openEndpoints(): readonly EndpointId[] {
    return [...this.#open.keys()];
  }

  /** Nothing is heard of any endpoint from now on. */
  release(): void {
    const groups = new Set([this.#group, ...this.#open.values()]);
    this.#open.clear();
    this.#receivers.clear();
    for (const group of groups) group?.release();
  }

  #receive(event: MediaEvent): void {
    if ('endpointId' in event) this.#receivers.get(event.endpointId)?.(event);
  }
}
