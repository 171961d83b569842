/** How a conversation sounds, estimated from what the network did to it: the E-model of ITU-T G.107 with its defaults
 *  for everything but delay, codec and loss. */

/** What is known of one leg. `lossIn` and `lossOut` are 0–1, of packets that came too late to be played too. */
export interface LegQuality {
  /** Undefined before the first RTCP that tells. */
  readonly rttMs: number | undefined;
  /** Of what comes in, RFC 3550 §6.4.1. */
  readonly jitterMs: number;
  readonly lossIn: number;
  readonly lossOut: number;
  /** 1–5, of the direction that is worse off. */
  readonly mos: number;
  readonly codec: string;
}

interface Impairment {
  /** Equipment impairment without loss, Ie. */
  readonly equipment: number;
  /** How much loss it takes to matter, Bpl. */
  readonly robustness: number;
}

/** G.711 with loss concealment from ITU-T G.113 appendix I. The others have no figures on the narrow-band scale:
 *  taken as they compare with G.711 in published listening tests. */
const impairments: Readonly<Record<string, Impairment>> = {
  pcmu: { equipment: 0, robustness: 25.1 },
  pcma: { equipment: 0, robustness: 25.1 },
  g722: { equipment: 0, robustness: 20 },
  opus: { equipment: 0, robustness: 22 },
  l16: { equipment: 0, robustness: 15 },
};
/** A codec of which nothing is known is taken for one of low rate, as G.729. */
const impairmentUnknown: Impairment = { equipment: 11, robustness: 19 };

/** R with all defaults, ITU-T G.107 table 2. */
const ratingFaultless = 93.2;
/** Delay beyond which talking to one another becomes hard. */
const delayMsNoticed = 177.3;

/** Transmission rating factor R, 0–93.2. `delayMs` is one way, mouth to ear; `burstRatio` is 1 for random loss and
 *  more where losses come together (G.107 §3.5). */
export function rating(given: {
  readonly codec: string;
  readonly delayMs: number;
  readonly loss: number;
  readonly burstRatio?: number;
}): number {
  const { equipment, robustness } = impairments[given.codec] ?? impairmentUnknown;
  const lossPercent = Math.min(1, Math.max(0, given.loss)) * 100;
  const burstRatio = Math.max(1, given.burstRatio ?? 1);
  const ofLoss = equipment + ((95 - equipment) * lossPercent) / (lossPercent / burstRatio + robustness);
  const delayMs = Math.max(0, given.delayMs);
  const ofDelay = 0.024 * delayMs + 0.11 * Math.max(0, delayMs - delayMsNoticed);
  return Math.max(0, ratingFaultless - ofLoss - ofDelay);
}

/** Mean opinion score 1–4.5 of a rating, ITU-T G.107 annex B. */
export function mosOf(r: number): number {
  if (r <= 0) return 1;
  if (r >= 100) return 4.5;
  // The polynomial dips below 1 for the smallest ratings.
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

/** Totals since the beginning, and what was measured last. */
export interface QualitySample {
  readonly codec: string;
  /** That should have come, those that did not, and those that came too late. */
  readonly packetsExpected: number;
  readonly packetsLost: number;
  readonly packetsLate: number;
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
  /** Of what we send, in the peer's last report, 0–1. */
  readonly lossOut: number;
  /** The same since the beginning. */
  readonly lossOutWhole: number;
  /** Of one packet: what it waits until it is full. */
  readonly ptimeMs: number;
}

const windowSamples = 5;

/** Quality of a leg now and since its beginning, from a sample a second. */
export class QualityMeter {
  /** Of the last five seconds; undefined before the first sample. */
  recent: LegQuality | undefined;
  /** Since the beginning, `mos` on average. */
  whole: LegQuality | undefined;
  readonly #expected = new Float64Array(windowSamples);
  readonly #missing = new Float64Array(windowSamples);
  #samples = 0;
  #mosSum = 0;

  add(sample: QualitySample): void {
    const { codec, packetsExpected, jitterMs, rttMs } = sample;
    const missing = sample.packetsLost + sample.packetsLate;
    const oldest = this.#samples % windowSamples;
    const lossIn = share(missing - this.#missing[oldest]!, packetsExpected - this.#expected[oldest]!);
    this.#expected[oldest] = packetsExpected;
    this.#missing[oldest] = missing;
    // A jitter buffer holds about twice the mean deviation, here or at the peer.
    const delayMs = (rttMs ?? 0) / 2 + sample.ptimeMs + 2 * jitterMs;
    const mos = mosOf(rating({ codec, delayMs, loss: Math.max(lossIn, sample.lossOut) }));
    this.#samples++;
    this.#mosSum += mos;
    this.recent = { rttMs, jitterMs, lossIn, lossOut: sample.lossOut, mos, codec };
    this.whole = {
      rttMs,
      jitterMs,
      lossIn: share(missing, packetsExpected),
      lossOut: sample.lossOutWhole,
      mos: this.#mosSum / this.#samples,
      codec,
    };
  }
}

function share(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, part / whole));
}
