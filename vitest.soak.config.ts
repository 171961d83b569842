import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** The tests that ask `test/support/rounds.ts` how many, at length. */
const include = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((path) => `test/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.test.ts') && /support\/rounds\.ts'/.test(readFileSync(path, 'utf8')));

export default defineConfig({
  test: { include, testTimeout: 300_000, pool: 'threads', isolate: false, maxWorkers: 2 },
});
