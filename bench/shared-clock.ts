// performance.now() counts from the start of its own thread; hrtime is the same in every process of a machine.
const [seconds, nanoseconds] = process.hrtime();
const offsetMs = seconds * 1000 + nanoseconds / 1e6 - performance.now();

/** Monotonic milliseconds that can be compared between the threads and processes of one machine. */
export function sharedNowMs(): number {
  return performance.now() + offsetMs;
}
