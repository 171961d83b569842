import { expect, it } from 'vitest';
import { digitsOverLine } from '../../../bench/digit-figures.ts';
import { createRandom } from '../../support/random.ts';

/** A digit of 100 ms is five packets and two more of its end, and each of them says that it was pressed: it is lost
 *  only with all seven, once in a thousand million at 5 %. */
it.each([
  { name: '5 % of the packets lost', lossPercent: 5, burstPackets: 1, jitterMs: 0 },
  { name: '5 % lost in bursts, reordered', lossPercent: 5, burstPackets: 1.3, jitterMs: 40 },
  { name: '20 % lost', lossPercent: 20, burstPackets: 1, jitterMs: 0 },
])('10,000 digits with $name: none lost, doubled or invented', (line) => {
  const random = createRandom(line.lossPercent + line.jitterMs);
  const { said, heard } = digitsOverLine({ count: 10_000, random, ...line });
  expect(said).toHaveLength(10_000);
  expect(heard.length).toBe(said.length);
  expect(heard === said).toBe(true);
});
