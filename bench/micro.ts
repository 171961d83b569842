/** `npm run build && node dist/bench/micro.js [--json]`: nanoseconds of each step that a packet takes. */

import { bestMicroseconds } from './best-time.ts';
import { codecSteps } from './codec-steps.ts';
import { srtpSteps } from './srtp-steps.ts';

const results = [...codecSteps(), ...srtpSteps()].map(({ name, run }) => ({
  step: name,
  ns: Math.round(bestMicroseconds(run, 120) * 1000),
}));

if (process.argv.includes('--json')) console.log(JSON.stringify(results, undefined, 2));
else for (const { step, ns } of results) console.log(`${String(ns).padStart(9)} ns  ${step}`);
