import { defineConfig } from 'vitest/config';

/** Real peers and real faults, one file after another: they share the machine's clock and its ports. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts', 'test/faults/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    // Real programs in real time: a machine that stalls in the wrong moment gets a second try, and the report says so.
    retry: 1,
    reporters: ['verbose'],
  },
});
