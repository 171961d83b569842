/** `npm run build && node dist/bench/sip-micro.js [--json]`: how many SIP messages a core reads and writes a second. */

import { bestMicroseconds } from './best-time.ts';
import { sipSteps } from './sip-steps.ts';

const budgetMs = 1_000;

const results = sipSteps().map(({ name, run }) => {
  const us = bestMicroseconds(run, budgetMs);
  return { step: name, us: Number(us.toFixed(2)), perSecond: Math.round(1e6 / us) };
});

if (process.argv.includes('--json')) console.log(JSON.stringify(results, undefined, 2));
else {
  for (const { step, us, perSecond } of results) {
    console.log(
      `${us.toFixed(2).padStart(8)} us ${perSecond.toLocaleString('en').padStart(12)} a second  ${step}`,
    );
  }
}
