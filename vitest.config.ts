import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/faults/**'],
    testTimeout: 20_000,
    pool: 'threads',
    // Loading the same modules for every file took half of the time. So no test may leave anything changed behind it.
    isolate: false,
    // More than two would make tests on real sockets wait for each other on a small machine; the default is one less
    // than there are cores.
    maxWorkers: 2,
  },
});
