/** How many random rounds, seconds or calls a test takes: `quick` in `npm test`, `full` in `npm run test:soak`, which
 *  runs the files that ask here. */
export function rounds(quick: number, full: number): number {
  return process.env.CALLWIRE_SOAK === undefined ? quick : full;
}
