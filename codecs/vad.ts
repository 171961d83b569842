/** Whether somebody speaks, by energy over a noise floor that it learns, with hang-over. */

export interface VoiceActivityOptions {
  readonly sampleRateHz: number;
  /** Voice has begun after so much of it. Default 60. */
  readonly attackMs?: number;
  /** It has ended after so long without. Default 400. */
  readonly hangoverMs?: number;
  /** Never taken for voice, in dB over full scale. Default -50. */
  readonly levelDbMin?: number;
  /** How far voice must be over the noise. Default 9. */
  readonly overNoiseDb?: number;
}

const blockMs = 10;
/** The floor is the quietest block of the second before and of this one: noise is even, and no voice goes on for two
 *  seconds without a hole. */
const floorBlocks = 100;
/** Until there was a second to learn from, so that the first word is heard as one. */
const floorDbFirst = -60;

export class VoiceActivity {
  /** True from the start of voice until its end. */
  active = false;
  readonly #attackBlocks: number;
  readonly #hangoverBlocks: number;
  readonly #levelDbMin: number;
  readonly #overNoiseDb: number;
  readonly #blockSamples: number;
  #sum = 0;
  #count = 0;
  #floorDbBefore = floorDbFirst;
  #floorDbNow = Number.POSITIVE_INFINITY;
  #floorCount = 0;
  #loudBlocks = 0;
  #quietBlocks = 0;

  constructor(options: VoiceActivityOptions) {
    this.#blockSamples = Math.round((options.sampleRateHz * blockMs) / 1000);
    this.#attackBlocks = Math.max(1, Math.round((options.attackMs ?? 60) / blockMs));
    this.#hangoverBlocks = Math.max(1, Math.round((options.hangoverMs ?? 400) / blockMs));
    this.#levelDbMin = options.levelDbMin ?? -50;
    this.#overNoiseDb = options.overNoiseDb ?? 9;
  }

  /** Takes what comes next, of any length; says what changed by its end, if anything. */
  push(pcm: Int16Array, offset: number, samples: number): 'started' | 'stopped' | undefined {
    const before = this.active;
    for (let i = offset; i < offset + samples; i++) {
      const sample = pcm[i]!;
      this.#sum += sample * sample;
      if (++this.#count === this.#blockSamples) this.#endBlock();
    }
    if (this.active === before) return undefined;
    return this.active ? 'started' : 'stopped';
  }

  #endBlock(): void {
    const levelDb = 10 * Math.log10(this.#sum / this.#count / 0x4000_0000 + 1e-12);
    this.#sum = 0;
    this.#count = 0;
    this.#learn(levelDb);
    const floorDb = Math.min(this.#floorDbBefore, this.#floorDbNow);
    const loud = levelDb >= this.#levelDbMin && levelDb >= floorDb + this.#overNoiseDb;
    if (loud) {
      this.#quietBlocks = 0;
      this.#loudBlocks++;
      if (this.#loudBlocks >= this.#attackBlocks) this.active = true;
      return;
    }
    this.#quietBlocks++;
    // Speech has holes: one quiet block between two loud ones does not begin the count anew.
    if (this.#quietBlocks > 2) this.#loudBlocks = 0;
    if (this.#quietBlocks >= this.#hangoverBlocks) this.active = false;
  }

  #learn(levelDb: number): void {
    this.#floorDbNow = Math.min(this.#floorDbNow, levelDb);
    if (++this.#floorCount < floorBlocks) return;
    this.#floorDbBefore = this.#floorDbNow;
    this.#floorDbNow = Number.POSITIVE_INFINITY;
    this.#floorCount = 0;
  }
}
