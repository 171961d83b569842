import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import type { MediaGroup, MediaPool } from '../../gateway/media/media-pool.ts';

type Options = Parameters<typeof createInlineMediaPool>[0];

/** Several media workers in this thread: groups go to each in turn, or to that of `beside`. */
export function createManyWorkers(options: Options, workers: number): MediaPool {
  const pools = Array.from({ length: workers }, () => createInlineMediaPool(options));
  const inner = new WeakMap<MediaGroup, MediaGroup>();
  let next = 0;
  return {
    start: async () => {},
    openGroup(receive, beside) {
      const worker = beside?.worker ?? next++ % workers;
      const near = beside && inner.get(beside);
      const group = pools[worker]!.openGroup(receive, ...(near === undefined ? [] : [near]));
      const outer = {
        worker,
        send: (command: Parameters<MediaGroup['send']>[0]) => group.send(command),
        release: () => group.release(),
      };
      inner.set(outer, group);
      return outer;
    },
    async report() {
      const reports = await Promise.all(pools.map((pool) => pool.report()));
      return {
        rtp: new Map(reports.flatMap(({ rtp }) => [...rtp])),
        streams: new Map(reports.flatMap(({ streams }) => [...streams])),
        workers: reports.flatMap((report) => report.workers),
      };
    },
    get overloaded() {
      return pools.every(({ overloaded }) => overloaded);
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.close()));
    },
  };
}
