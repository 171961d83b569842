/** Rows about lines, clocks and digits for the table of audio quality. */

import { DtmfDetector } from '../codecs/dtmf-detector.ts';
import { digitsOverLine } from './digit-figures.ts';
import { toneToPhone, toneToStream } from './line-figures.ts';
import { talkOff } from './talk-off.ts';
import { clickDbfs } from './tone-clicks.ts';

type Row = Readonly<Record<string, string | number>>;

/** The same numbers in each run (a linear congruential generator). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

function fixed(value: number, digits: number): number {
  return Number(value.toFixed(digits)) + 0;
}

/** Two minutes of a tone. */
export function lineRows(): Row[] {
  const lines = [
    { lossPercent: 0, burstPackets: 1, jitterMs: 0 },
    { lossPercent: 0, burstPackets: 1, jitterMs: 40 },
    { lossPercent: 2, burstPackets: 2.5, jitterMs: 40 },
    { lossPercent: 5, burstPackets: 2.5, jitterMs: 40 },
  ];
  return lines.flatMap((line) =>
    [toneToStream, toneToPhone].map((carry) => {
      const { present, addedMs } = carry({ seconds: 120, random: seeded(11), ...line });
      return {
        'tone to': carry === toneToStream ? 'stream' : 'phone',
        'lost %': line.lossPercent,
        'mean burst': line.burstPackets,
        'jitter ±ms': line.jitterMs,
        'present %': fixed(100 * present, 1),
        'added ms median': fixed(addedMs.median, 0),
        'p99 ms': fixed(addedMs.p99, 0),
        'max ms': fixed(addedMs.max, 0),
      };
    }),
  );
}

/** Ten minutes between phones whose clocks differ. */
export function driftRows(): Row[] {
  return [0.005, -0.005, 0.0001].map((drift) => {
    const { startMs, awayMs, addedMs, pcm } = toneToPhone({
      seconds: 600,
      random: seeded(12),
      drift,
      codec: 'l16-8000',
    });
    return {
      'clock off by %': fixed(100 * drift, 2),
      'added ms at the start': fixed(startMs, 0),
      'furthest from it': fixed(awayMs, 0),
      'max ms': fixed(addedMs.max, 0),
      'loudest click dB': fixed(clickDbfs(pcm, 8000, 1000), 1),
    };
  });
}

export function digitRows(speech: Int16Array, speechRateHz: number): Row[] {
  const rows: Row[] = [5, 20].map((lossPercent) => {
    const random = seeded(lossPercent);
    const { said, heard } = digitsOverLine({
      count: 10_000,
      random,
      lossPercent,
      burstPackets: 1,
      jitterMs: 40,
    });
    return {
      digits: `10000 by RFC 4733, ${lossPercent} % lost, 40 ms jitter`,
      heard: heard.length,
      'all right': heard === said ? 'yes' : 'no',
    };
  });
  let seconds = 0;
  let heard = 0;
  for (const pcm of talkOff({ speech, speechRateHz, random: seeded(8) })) {
    const detector = new DtmfDetector(8000);
    detector.listen(pcm, 0, pcm.length);
    detector.flush();
    while (detector.next() !== undefined) heard++;
    seconds += pcm.length / 8000;
  }
  rows.push({
    digits: `none in ${seconds.toFixed(0)} s of speech and the like`,
    heard,
    'all right': heard === 0 ? 'yes' : 'no',
  });
  return rows;
}
