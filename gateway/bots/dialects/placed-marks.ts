import type { EventMessage } from '../../../protocol/stream/message-schemas.ts';
import type { HeardSoFar } from '../outgoing-audio.ts';

interface PlacedMark {
  readonly wireName: string;
  readonly name: string;
  /** Audio that the phone has heard once it is reached: what was sent, less what clears dropped. */
  readonly targetMs: number;
  /** What the clock says of the mark where it was there when a `clear` was sent. */
  status: 'played' | 'cleared';
}

/** Marks that the gateway has and did not report yet, for dialects that report a name and nothing else. On the wire each
 *  has a number: names of bots may hold anything, and come twice. */
export class PlacedMarks {
  readonly #heard: () => HeardSoFar;
  readonly #marks: PlacedMark[] = [];
  #made = 0;

  constructor(heard: () => HeardSoFar) {
    this.#heard = heard;
  }

  get count(): number {
    return this.#marks.length;
  }

  /** Gives what it is called on the wire. */
  place(name: string): string {
    const { playedMs, bufferedMs } = this.#heard();
    const wireName = `${++this.#made}`;
    this.#marks.push({ wireName, name, targetMs: playedMs + bufferedMs, status: 'played' });
    return wireName;
  }

  /** A `clear` goes out. What comes back from now on of what was placed before was dropped by it, unless it was all but
   *  reported already. */
  clear(): void {
    const { playedMs } = this.#heard();
    for (const mark of this.#marks) if (mark.targetMs > playedMs) mark.status = 'cleared';
  }

  /** The gateway reports it; none where it is none of ours. */
  returned(wireName: unknown, status?: 'played' | 'cleared'): readonly EventMessage<'mark'>[] {
    const at = this.#marks.findIndex((mark) => mark.wireName === wireName);
    const [mark] = at < 0 ? [] : this.#marks.splice(at, 1);
    return mark === undefined ? [] : [this.#event(mark, status ?? mark.status)];
  }

  /** The gateway has done a `clear` and reports none of those that it dropped: all that were placed before it, and
   *  `wireNameNext`, the first one after it, were. */
  dropped(wireNameNext: number): readonly EventMessage<'mark'>[] {
    const after = this.#marks.findIndex(({ wireName }) => Number(wireName) >= wireNameNext);
    const gone = this.#marks.splice(0, after < 0 ? this.#marks.length : after);
    return gone.map((mark) => this.#event(mark, 'cleared'));
  }

  /** That of the next mark. */
  get wireNameNext(): number {
    return this.#made + 1;
  }

  #event({ name, targetMs }: PlacedMark, status: 'played' | 'cleared'): EventMessage<'mark'> {
    return {
      event: 'mark',
      name,
      status,
      playedMs: status === 'played' ? targetMs : this.#heard().playedMs,
    };
  }
}
