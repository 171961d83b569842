/** Whether loss comes in bursts, RFC 3611 §4.7.2: a burst begins and ends with a lost packet and has fewer than Gmin
 *  received ones in a row; what lies between bursts is a gap. */

export const gapPacketsMin = 16;

export interface LossBursts {
  /** Lost among those of bursts, and of gaps, 0–1. */
  readonly burstDensity: number;
  readonly gapDensity: number;
  /** Of an average one, in packets. */
  readonly burstPackets: number;
  readonly gapPackets: number;
}

/** Takes every packet in the order of the sequence, once. */
export class LossBurstMeter {
  #packets = 0;
  #lost = 0;
  /** Received since the last loss. */
  #receivedInRow = gapPacketsMin;
  /** Of what may yet become a burst. */
  #openPackets = 0;
  #openLost = 0;
  #bursts = 0;
  #burstPackets = 0;
  #burstLost = 0;

  received(): void {
    this.#packets++;
    this.#receivedInRow++;
  }

  lost(): void {
    this.#packets++;
    this.#lost++;
    if (this.#receivedInRow >= gapPacketsMin) {
      this.#close();
      this.#openPackets = 1;
      this.#openLost = 1;
    } else {
      this.#openPackets += this.#receivedInRow + 1;
      this.#openLost++;
    }
    this.#receivedInRow = 0;
  }

  get measured(): LossBursts {
    const open = this.#openLost > 1;
    const bursts = this.#bursts + (open ? 1 : 0);
    const burstPackets = this.#burstPackets + (open ? this.#openPackets : 0);
    const burstLost = this.#burstLost + (open ? this.#openLost : 0);
    const gapPackets = this.#packets - burstPackets;
    return {
      burstDensity: burstPackets === 0 ? 0 : burstLost / burstPackets,
      gapDensity: gapPackets === 0 ? 0 : (this.#lost - burstLost) / gapPackets,
      burstPackets: bursts === 0 ? 0 : burstPackets / bursts,
      gapPackets: gapPackets / (bursts + 1),
    };
  }

  /** One lost packet alone belongs to the gap. */
  #close(): void {
    if (this.#openLost < 2) return;
    this.#bursts++;
    this.#burstPackets += this.#openPackets;
    this.#burstLost += this.#openLost;
  }
}
