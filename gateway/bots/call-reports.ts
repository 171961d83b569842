import type { EventMessage } from '../../protocol/stream/message-schemas.ts';
import type { Clock, Timer } from '../clock.ts';
import type { ClearReport, MarkReport } from './bot-call.ts';
import { BotError } from './bot-error.ts';
import type { HeardSoFar } from './outgoing-audio.ts';

interface WaitingMark {
  readonly name: string;
  settle(report: MarkReport): void;
  /** Where the clock has to do. */
  timer: Timer | undefined;
}

interface WaitingClear {
  readonly unsentMs: number;
  readonly estimate: ClearReport;
  readonly timer: Timer;
  settle(report: ClearReport): void;
}

/** A gateway that grants extensions and does not report a `clear` is not waited for any longer. */
const clearedTimeoutMs = 1_000;
const pausedCheckMs = 20;

/** What was asked of the gateway and is reported later: marks, clears, the status. */
export class CallReports {
  readonly #clock: Clock;
  readonly #heard: () => HeardSoFar;
  /** In the order in which they were placed. */
  readonly #marks: WaitingMark[] = [];
  readonly #clears: WaitingClear[] = [];
  readonly #statuses: { resolve(event: EventMessage<'status'>): void; reject(error: BotError): void }[] = [];

  /** `heard` tells how things stand by the clock. */
  constructor(clock: Clock, heard: () => HeardSoFar) {
    this.#clock = clock;
    this.#heard = heard;
  }

  mark(name: string): Promise<MarkReport> {
    return new Promise((settle) => this.#marks.push({ name, settle, timer: undefined }));
  }

  /** From now on the clock tells when the mark is reached: all that is buffered comes before it. */
  estimateMark(name: string): void {
    const mark = this.#marks.find((waiting) => waiting.name === name && waiting.timer === undefined);
    if (mark === undefined) return;
    const { playedMs, bufferedMs } = this.#heard();
    const targetMs = playedMs + bufferedMs;
    const look = (): void => {
      const heard = this.#heard();
      const leftMs = targetMs - heard.playedMs;
      // A hair is left over where the clock counts in fractions.
      if (leftMs < 0.5) this.#settleMark(mark, { status: 'played', playedMs: heard.playedMs, exact: false });
      else mark.timer = this.#clock.after(Math.max(leftMs, pausedCheckMs), look);
    };
    mark.timer = this.#clock.after(bufferedMs, look);
  }

  marked({ name, status, playedMs }: EventMessage<'mark'>): void {
    const mark = this.#marks.find((waiting) => waiting.name === name);
    if (mark !== undefined) this.#settleMark(mark, { status, playedMs, exact: true });
  }

  /** Those of `names`, which the gateway never heard of, and with `timedToo` all that are told by the clock. */
  clearMarks(
    names: readonly string[],
    { playedMs, timedToo }: { readonly playedMs: number; readonly timedToo: boolean },
  ): void {
    // Of one name the unsent are the latest.
    const unsent = [...names];
    for (const mark of [...this.#marks].reverse()) {
      const at = unsent.indexOf(mark.name);
      if (at >= 0 && mark.timer === undefined) unsent.splice(at, 1);
      else if (mark.timer === undefined || !timedToo) continue;
      this.#settleMark(mark, { status: 'cleared', playedMs, exact: false });
    }
  }

  /** What the gateway says of a `clear` that was just sent, or `estimate` where it says nothing. `unsentMs` were
   *  dropped before they were sent. */
  cleared(unsentMs: number, estimate: ClearReport): Promise<ClearReport> {
    return new Promise((settle) => {
      const timer = this.#clock.after(clearedTimeoutMs, () => {
        this.#clears.splice(this.#clears.indexOf(waiting), 1);
        settle(estimate);
      });
      const waiting: WaitingClear = { unsentMs, estimate, timer, settle };
      this.#clears.push(waiting);
    });
  }

  wasCleared({ playedMs, droppedMs }: EventMessage<'cleared'>): void {
    const waiting = this.#clears.shift();
    if (waiting === undefined) return;
    waiting.timer.cancel();
    waiting.settle({ playedMs, droppedMs: droppedMs + waiting.unsentMs, exact: true });
  }

  status(): Promise<EventMessage<'status'>> {
    const answer = new Promise<EventMessage<'status'>>((resolve, reject) => {
      this.#statuses.push({ resolve, reject });
    });
    // Nobody has to wait for it: it comes as an event too.
    answer.catch(() => {});
    return answer;
  }

  wasStatus(event: EventMessage<'status'>): void {
    this.#statuses.shift()?.resolve(event);
  }

  /** The call is over: nothing waits any longer. */
  close(): void {
    const { playedMs } = this.#heard();
    for (const mark of [...this.#marks]) this.#settleMark(mark, { status: 'closed', playedMs, exact: false });
    for (const { timer, settle, estimate } of this.#clears.splice(0)) {
      timer.cancel();
      settle(estimate);
    }
    for (const { reject } of this.#statuses.splice(0))
      reject(new BotError('closed', 'the call ended before its status came'));
  }

  #settleMark(mark: WaitingMark, report: Omit<MarkReport, 'name'>): void {
    mark.timer?.cancel();
    this.#marks.splice(this.#marks.indexOf(mark), 1);
    mark.settle({ name: mark.name, ...report });
  }
}
