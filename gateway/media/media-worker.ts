import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import { systemNetwork } from '../network.ts';
import { polledNetwork } from '../polled-network.ts';
import { openPolledSystem } from '../polled-system.ts';
import { createMediaCore, type MediaSettings } from './media-core.ts';
import type { MediaCommand, MediaEvent } from './media-messages.ts';
import { SleepLoop } from './sleep-loop.ts';
import { openStreamSocket } from './stream-transports.ts';
import { postMedia } from './unit-messages.ts';
import { warmUp } from './warm-up.ts';

/** What the pool says to a worker thread, and the thread to the pool. */
export type ToWorker = MediaCommand | { readonly type: 'stop' };
export interface WorkerStart {
  readonly settings: MediaSettings;
  /** What it has open, for when it dies (`createDescriptorMarks`). */
  readonly descriptors: Uint8Array;
}
export type FromWorker =
  | MediaEvent
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly endpointId: string; readonly error: Error };

/** After that the compiler has seen most of what there is. */
const warmUpMsDefault = 150;

/** Streams get so long to close when the pool stops. */
const stopLimitMs = 1000;

if (parentPort !== null) run(parentPort, workerData as WorkerStart);

function run(port: NonNullable<typeof parentPort>, { settings, descriptors }: WorkerStart): void {
  const say = (message: FromWorker) => postMedia(port, message);
  const polled = settings.accelerator === 'auto' ? openPolledSystem(descriptors) : undefined;
  const core = createMediaCore({
    network: polled === undefined ? systemNetwork : polledNetwork(polled, systemNetwork),
    clock: systemClock,
    openStreamSocket: (options, handlers) => openStreamSocket(options, handlers, { system: polled }),
    settings,
    accelerator: polled === undefined ? 'none' : 'koffi',
    emit: say,
    failed: (endpointId, error) =>
      say({ type: 'failed', endpointId, error: error instanceof Error ? error : new Error(String(error)) }),
  });
  const loop = new SleepLoop(core, systemClock, polled);

  port.on('message', (message: ToWorker) => {
    if (message.type === 'stop') return stop();
    core.handle(message);
    loop.wake();
  });
  // Commands that come meanwhile are obeyed at once.
  const started = () => say({ type: 'started' });
  warmUp(systemClock, settings.warmUpMs ?? warmUpMsDefault).then(started, started);

  function stop(): void {
    core.close();
    const deadlineMs = systemClock.nowMs() + stopLimitMs;
    const poll = () => {
      if (core.endpoints === 0 || systemClock.nowMs() >= deadlineMs) process.exit(0);
      systemClock.after(10, poll);
    };
    poll();
  }
}
