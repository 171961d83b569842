import { Histogram } from './histogram.ts';
import type { PacketCounters } from './load-messages.ts';
import { Rows } from './rows.ts';

/** What all phones of a thread count together. */
export class PhoneMeasures {
  readonly packets: PacketCounters = {
    sent: 0,
    withheld: 0,
    received: 0,
    lost: 0,
    duplicate: 0,
    reordered: 0,
    ignored: 0,
    timestampJumps: 0,
    silent: 0,
    skipped: 0,
  };
  readonly setup = new Histogram();
  readonly roundTrip = new Histogram();
  /** The same, of the last second, for the progress line. */
  readonly roundTripRecent = new Histogram();
  readonly jitter = new Histogram();
  readonly spacing = new Histogram();
  readonly ownReadGap = new Histogram();
  readonly ownSendLate = new Histogram();
  readonly markersSent = new Rows(4);
  readonly markersHeard = new Rows(4);
  readonly silences = new Rows(2);

  /** Forgets the timings so far; the counters go on. */
  beginSteady(): void {
    for (const histogram of [
      this.roundTrip,
      this.roundTripRecent,
      this.jitter,
      this.spacing,
      this.ownReadGap,
      this.ownSendLate,
    ])
      histogram.reset();
  }
}
