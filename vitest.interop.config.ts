import { defineConfig } from 'vitest/config';

/** Real peers, one file after another: they share the machine's clock and its ports. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    reporters: ['verbose'],
  },
});
