/** Cuts a piece out of audio where it is heard least. */

const fadeMs = 8;
/** How far from the wanted length the cut may be, to join equal phases of a voice. */
const searchMs = 6;

export interface Splice {
  /** What was cut out, in samples; near what was wanted. */
  readonly cutSamples: number;
  /** The join, at the start of `pcm`; behind it the audio goes on at `cutSamples + joinSamples`. */
  readonly joinSamples: number;
}

/** Samples that `splice` looks at, from where the cut begins. */
export function spliceReach(sampleRateHz: number, cutSamples: number): number {
  return cutSamples + Math.round(((searchMs + fadeMs) * sampleRateHz) / 1000);
}

/** Cuts about `cutSamples` from the start of `pcm`, which holds `spliceReach` of them, and writes the join, a crossfade
 *  of 8 ms, over its first samples. */
export function splice(pcm: Int16Array, sampleRateHz: number, cutSamples: number): Splice {
  const join = Math.round((fadeMs * sampleRateHz) / 1000);
  const search = Math.min(Math.round((searchMs * sampleRateHz) / 1000), cutSamples);
  const stride = Math.max(1, Math.round(sampleRateHz / 8000));
  let best = cutSamples;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let cut = cutSamples - search; cut <= cutSamples + search; cut += stride) {
    const score = likeness(pcm, cut, join, stride);
    if (score > bestScore) {
      bestScore = score;
      best = cut;
    }
  }
  for (let i = 0; i < join; i++) {
    const share = (i + 0.5) / join;
    pcm[i] = Math.round((1 - share) * pcm[i]! + share * pcm[best + i]!);
  }
  return { cutSamples: best, joinSamples: join };
}

/** Correlation of the start with what lies `lag` after it, and silence best of all. */
function likeness(pcm: Int16Array, lag: number, samples: number, stride: number): number {
  let product = 0;
  let energy = 1;
  for (let i = 0; i < samples; i += stride) {
    product += pcm[i]! * pcm[lag + i]!;
    energy += pcm[lag + i]! * pcm[lag + i]!;
  }
  return product / Math.sqrt(energy);
}
