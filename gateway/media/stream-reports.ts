import type { StreamEvent } from '../../protocol/stream/messages.ts';
import type { Clock, Timer } from '../clock.ts';
import type { StreamDownlink, StreamDownlinkListener } from './stream-downlink.ts';

const statsEveryMs = 5000;

/** What a server is told of its own audio and of the line, where it asked for that. */
export class StreamReports implements StreamDownlinkListener {
  readonly #clock: Clock;
  readonly #tell: (event: StreamEvent) => void;
  readonly overflowed: () => void;
  #stats: Timer | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly tell: (event: StreamEvent) => void;
    readonly overflowed: () => void;
  }) {
    this.#clock = options.clock;
    this.#tell = options.tell;
    this.overflowed = options.overflowed;
  }

  markReached(name: string, status: 'played' | 'cleared', playedMs: number): void {
    this.#tell({ event: 'mark', name, status, playedMs });
  }

  filled(state: 'xoff' | 'xon', bufferedMs: number, droppedMs: number): void {
    const event = 'flow';
    this.#tell(droppedMs > 0 ? { event, state, bufferedMs, droppedMs } : { event, state, bufferedMs });
  }

  drained(playedMs: number): void {
    this.#tell({ event: 'drained', playedMs });
  }

  cleared({ playedMs }: StreamDownlink, droppedMs: number): void {
    this.#tell({ event: 'cleared', playedMs, droppedMs });
  }

  status({ queuedMs: bufferedMs, playedMs, paused, marksWaiting: marks }: StreamDownlink): void {
    const state = paused ? 'paused' : bufferedMs > 0 ? 'playing' : 'idle';
    this.#tell({ event: 'status', state, bufferedMs, playedMs, marks });
  }

  /** Every five seconds from now on, until `stop`. */
  tellStats(downlink: StreamDownlink): void {
    this.stop();
    this.#stats = this.#clock.after(statsEveryMs, () => {
      const { line, queuedMs: bufferedMs } = downlink;
      if (line !== undefined) this.#tell({ event: 'stats', ...line, bufferedMs });
      this.tellStats(downlink);
    });
  }

  stop(): void {
    this.#stats?.cancel();
  }
}
