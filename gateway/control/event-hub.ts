import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ControlEvent } from '../calls/call-control.ts';
import type { Clock, Timer } from '../clock.ts';

export interface EventHubOptions {
  readonly clock: Clock;
  readonly limits: {
    readonly eventClients: number;
    readonly eventQueue: number;
    readonly eventHistory: number;
  };
  /** `events-dropped` an event, `events-stalled` a reader that was given up. */
  readonly counted: (code: string) => void;
}

interface Kept {
  readonly number: number;
  readonly applicationKey: string;
  readonly text: string;
}

interface Reader {
  readonly response: ServerResponse;
  readonly sees: (applicationKey: string) => boolean;
  readonly queue: string[];
  dropped: number;
  /** Since when it has taken nothing; undefined while it keeps up. */
  blockedMs: number | undefined;
}

const heartbeatMs = 15_000;
/** A reader that takes nothing for so long is gone. */
const stalledMs = 60_000;

/** `GET /events`: what happens to calls, as server-sent events to any number of readers. Each has a bounded queue of
 *  its own, and the latest events are kept for readers who come back. */
export class EventHub {
  readonly #options: EventHubOptions;
  /** Numbers begin anew with the process: an id of another one says nothing here. */
  readonly #epoch = randomBytes(4).toString('hex');
  readonly #readers = new Set<Reader>();
  #history: Kept[] = [];
  #historyFrom = 0;
  #number = 0;
  #heartbeat: Timer | undefined;
  #closed = false;

  constructor(options: EventHubOptions) {
    this.#options = options;
  }

  get readers(): number {
    return this.#readers.size;
  }

  get full(): boolean {
    return this.#closed || this.#readers.size >= this.#options.limits.eventClients;
  }

  publish(event: ControlEvent): void {
    const number = ++this.#number;
    const { applicationKey } = event;
    const text = `id: ${this.#epoch}-${number}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    this.#keep({ number, applicationKey, text });
    for (const reader of this.#readers) if (reader.sees(applicationKey)) this.#offer(reader, text);
  }

  /** Takes the response over. `lastEventId` is the header of a reader who was here before. */
  add(
    response: ServerResponse,
    sees: (applicationKey: string) => boolean,
    lastEventId: string | undefined,
  ): void {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
    });
    const reader: Reader = { response, sees, queue: [], dropped: 0, blockedMs: undefined };
    this.#readers.add(reader);
    response.on('close', () => this.#remove(reader));
    response.on('error', () => this.#remove(reader));
    response.on('drain', () => this.#drain(reader));
    this.#write(reader, 'retry: 2000\n\n');
    this.#replay(reader, lastEventId);
    this.#heartbeat ??= this.#options.clock.after(heartbeatMs, () => this.#beat());
  }

  close(): void {
    this.#closed = true;
    this.#heartbeat?.cancel();
    for (const { response } of this.#readers) response.end();
  }

  #keep(event: Kept): void {
    const { eventHistory } = this.#options.limits;
    if (eventHistory === 0) return;
    this.#history.push(event);
    if (this.#history.length - this.#historyFrom > eventHistory) this.#historyFrom++;
    if (this.#historyFrom < Math.max(1_000, eventHistory)) return;
    this.#history = this.#history.slice(this.#historyFrom);
    this.#historyFrom = 0;
  }

  #replay(reader: Reader, lastEventId: string | undefined): void {
    if (lastEventId === undefined) return;
    const [epoch, digits = ''] = lastEventId.split('-');
    const last = epoch === this.#epoch && /^\d{1,15}$/.test(digits) ? Number(digits) : 0;
    const oldest = this.#history[this.#historyFrom]?.number ?? this.#number + 1;
    // Of any application: which of those that are gone were its own, nobody knows any more.
    if (oldest > last + 1) this.#offer(reader, droppedText(oldest - last - 1));
    for (let at = this.#historyFrom; at < this.#history.length; at++) {
      const { number, applicationKey, text } = this.#history[at]!;
      if (number > last && reader.sees(applicationKey)) this.#offer(reader, text);
    }
  }

  #offer(reader: Reader, text: string): void {
    if (reader.blockedMs === undefined) {
      this.#write(reader, text);
      return;
    }
    if (reader.queue.length >= this.#options.limits.eventQueue) {
      reader.queue.shift();
      reader.dropped++;
      this.#options.counted('events-dropped');
    }
    reader.queue.push(text);
  }

  #write(reader: Reader, text: string): void {
    if (!reader.response.write(text)) reader.blockedMs = this.#options.clock.nowMs();
  }

  #drain(reader: Reader): void {
    reader.blockedMs = undefined;
    if (reader.dropped > 0) {
      const { dropped } = reader;
      reader.dropped = 0;
      this.#write(reader, droppedText(dropped));
    }
    while (reader.blockedMs === undefined) {
      const text = reader.queue.shift();
      if (text === undefined) return;
      this.#write(reader, text);
    }
  }

  #beat(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const reader of this.#readers) {
      if (reader.blockedMs === undefined) {
        this.#write(reader, ': heartbeat\n\n');
      } else if (nowMs - reader.blockedMs >= stalledMs) {
        this.#options.counted('events-stalled');
        reader.response.destroy();
      }
    }
    this.#heartbeat =
      this.#readers.size === 0 ? undefined : this.#options.clock.after(heartbeatMs, () => this.#beat());
  }

  #remove(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#heartbeat?.cancel();
    this.#heartbeat = undefined;
  }
}

/** Without an id, so that a reader who comes back asks from the last real one. */
function droppedText(count: number): string {
  return `event: dropped\ndata: ${JSON.stringify({ count })}\n\n`;
}
