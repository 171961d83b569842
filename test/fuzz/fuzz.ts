import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../support/random.ts';
import { allTargets } from './all-targets.ts';
import { minimise, mutate } from './mutator.ts';
import { type FuzzTarget, judge } from './target.ts';

/** `npm run fuzz`: every parser, fed with what was good once. In the environment: CALLWIRE_FUZZ_SECONDS in all (30),
 *  CALLWIRE_FUZZ_SEED (that of the day), CALLWIRE_FUZZ_TARGET (part of a name; all). What breaks one is made small and
 *  written to test/fuzz/found/, where `npm test` tries it from then on. */

const foundDirectory = resolve(import.meta.dirname, 'found');
const seconds = numberFrom('CALLWIRE_FUZZ_SECONDS', 30);
const seed = numberFrom('CALLWIRE_FUZZ_SEED', Math.floor(Date.now() / 86_400_000));
const wanted = process.env.CALLWIRE_FUZZ_TARGET ?? '';
const targets = allTargets.filter(({ name }) => name.includes(wanted));
/** Inputs that were refused later than others, or not at all, are worth to be changed further. */
const poolMax = 400;
const progressMs = 5_000;

let inputs = 0;
let broken = 0;
let saidMs = performance.now();

function numberFrom(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value >= 0)) throw new Error(`${variable} must be a number from 0, got ${JSON.stringify(text)}`);
  return value;
}

async function fuzz(target: FuzzTarget, untilMs: number): Promise<string[]> {
  const random = createRandom(seed ^ hashOf(target.name));
  const pool: Uint8Array[] = [...target.seeds];
  const problems = new Map<string, string>();
  for (let tried = 0; performance.now() < untilMs && problems.size < 3; tried++) {
    const base = pool[Math.floor(random() * pool.length)]!;
    const input = mutate(base, random, { words: target.words ?? [], others: pool });
    inputs++;
    const problem = await judge(target, input);
    if (problem !== undefined) {
      const kind = problem.split('\n').slice(0, 2).join(' ');
      if (!problems.has(kind)) problems.set(kind, await keep(target, input, problem));
    } else if (random() < 0.02) {
      if (pool.length < poolMax) pool.push(input);
      else pool[target.seeds.length + Math.floor(random() * (poolMax - target.seeds.length))] = input;
    }
    sayProgress(target.name, tried);
  }
  return [...problems.values()];
}

async function keep(target: FuzzTarget, input: Uint8Array, problem: string): Promise<string> {
  broken++;
  const first = problem.split('\n')[0];
  const small = await minimise(input, async (part) => (await judge(target, part))?.split('\n')[0] === first);
  const name = `${target.name}.${createHash('sha256').update(small).digest('hex').slice(0, 12)}`;
  mkdirSync(foundDirectory, { recursive: true });
  writeFileSync(resolve(foundDirectory, name), small);
  return `test/fuzz/found/${name} (${small.length} bytes, seed ${seed}): ${problem}`;
}

function sayProgress(name: string, tried: number): void {
  if (performance.now() - saidMs < progressMs) return;
  saidMs = performance.now();
  process.stderr.write(`fuzz: ${name} ${tried} inputs, ${inputs} in all, ${broken} broke something\n`);
}

function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readInt32LE(0);
}

afterAll(() => console.log(`fuzz: seed ${seed}, ${inputs} inputs, ${broken} broke something`));

describe(`seed ${seed}`, () => {
  it('knows the target that was asked for', () => {
    expect(targets.length, `none of ${allTargets.map(({ name }) => name).join(', ')}`).toBeGreaterThan(0);
  });

  it.each(targets.map((target) => ({ target, name: target.name })))('$name', async ({ target }) => {
    const untilMs = performance.now() + (seconds * 1_000) / targets.length;
    expect(await fuzz(target, untilMs)).toEqual([]);
  });
});
