import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';
import { allTargets } from './all-targets.ts';
import { mutate } from './mutator.ts';
import { judge } from './target.ts';

/** The corpus, what the fuzzers found in their time, and a few inputs of today's kind. */

const directory = resolve(import.meta.dirname, 'found');
const found = readdirSync(directory).filter((file) => !file.startsWith('.'));
const tries = rounds(60, 5_000);

describe.each(allTargets.map((target) => ({ target, name: target.name })))('$name', ({ target, name }) => {
  it('takes or refuses every input, and neither breaks nor stalls', async () => {
    const random = createRandom(8);
    const { seeds, words = [] } = target;
    for (const seed of seeds) expect(await judge(target, seed)).toBeUndefined();
    for (let tried = 0; tried < tries; tried++) {
      const input = mutate(seeds[tried % seeds.length]!, random, { words, others: seeds });
      expect(await judge(target, input), Buffer.from(input).toString('base64')).toBeUndefined();
    }
  });

  it.each(found.filter((file) => file.startsWith(`${name}.`)))('%s', async (file) => {
    expect(await judge(target, readFileSync(resolve(directory, file)))).toBeUndefined();
  });
});

it('every input that was found belongs to a target', () => {
  const names = new Set(allTargets.map(({ name }) => name));
  expect(found.filter((file) => !names.has(file.split('.')[0]!))).toEqual([]);
});
