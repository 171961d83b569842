import { parentPort, workerData } from 'node:worker_threads';
import { ApplicationServer } from './application-server.ts';
import type { ApplicationCommand, ApplicationMessage, ApplicationPlan } from './load-messages.ts';

/** The thread of the application server. */

const parent = parentPort;
if (parent === null) throw new Error('to be started as a worker thread');
const post = (message: ApplicationMessage): void => parent.postMessage(message);

try {
  const server = new ApplicationServer(workerData as ApplicationPlan);
  const port = await server.listen();
  const reporting = setInterval(() => post({ type: 'report', counters: server.report() }), 250);
  parent.on('message', (command: ApplicationCommand) => {
    if (command.type !== 'quit') return;
    clearInterval(reporting);
    post({ type: 'report', counters: server.report() });
    server.close();
    parent.close();
  });
  post({ type: 'ready', port });
} catch (error) {
  post({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  parent.close();
}
