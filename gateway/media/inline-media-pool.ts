import type { Clock, Timer } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network } from '../network.ts';
import { createMediaCore, type MediaSettings } from './media-core.ts';
import type { MediaPool } from './media-pool.ts';
import { PoolGroups } from './pool-groups.ts';
import type { OpenStreamSocket } from './stream-socket.ts';

/** The media plane in this thread, driven by `clock`: for tests on virtual time, and for embedding with few calls. */
export function createInlineMediaPool(
  options: MediaSettings & {
    readonly clock: Clock;
    readonly network: Network;
    readonly openStreamSocket: OpenStreamSocket;
    readonly log?: Log;
  },
): MediaPool {
  const { clock, network, openStreamSocket, log } = options;
  let timer: Timer | undefined;
  let timerMs = Number.POSITIVE_INFINITY;

  const core = createMediaCore({
    network,
    clock,
    openStreamSocket,
    settings: options,
    // As from a thread: never from within the command that caused it.
    emit: (event) => queueMicrotask(() => groups.receive(0, event)),
    failed: (endpointId, error) => log?.error({ endpointId, err: error }, 'media endpoint failed'),
  });
  const groups = new PoolGroups(1, (_worker, command) => {
    core.handle(command);
    schedule();
  });

  function schedule(): void {
    const { nextTickMs } = core;
    if (nextTickMs === timerMs) return;
    timer?.cancel();
    timer = undefined;
    timerMs = nextTickMs;
    if (nextTickMs === Number.POSITIVE_INFINITY) return;
    timer = clock.after(nextTickMs - clock.nowMs(), () => {
      timerMs = Number.POSITIVE_INFINITY;
      core.tick(clock.nowMs());
      schedule();
    });
  }

  return {
    start: async () => {},
    openGroup: (receive, beside) => groups.open(receive, beside),
    report: () => groups.report(),
    get overloaded() {
      return groups.overloaded;
    },
    close: async () => {
      core.close();
      timer?.cancel();
    },
  };
}
