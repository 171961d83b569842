import { defineConfig } from 'vitest/config';

/** Seconds through CALLWIRE_FUZZ_SECONDS, see test/fuzz/fuzz.ts. */
export default defineConfig({
  test: {
    include: ['test/fuzz/fuzz.ts'],
    testTimeout: 24 * 3_600_000,
    reporters: ['verbose'],
  },
});
