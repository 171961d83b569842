import { parentPort, workerData } from 'node:worker_threads';
import type { StreamCommand, StreamMessage, StreamPlan } from './load-messages.ts';
import { StreamServers } from './stream-servers.ts';
import { systemThreadId } from './system-thread.ts';

/** The thread of all stream servers. */

const parent = parentPort;
if (parent === null) throw new Error('to be started as a worker thread');
const post = (message: StreamMessage): void => parent.postMessage(message);

try {
  const servers = new StreamServers(workerData as StreamPlan);
  const port = await servers.listen();
  const reporting = setInterval(() => post(servers.report()), 1000);
  parent.on('message', (command: StreamCommand) => {
    if (command.type !== 'quit') return;
    clearInterval(reporting);
    post(servers.report());
    servers.close();
    parent.close();
  });
  post({ type: 'ready', port, threadId: systemThreadId() });
} catch (error) {
  post({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  parent.close();
}
