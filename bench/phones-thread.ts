import { parentPort, workerData } from 'node:worker_threads';
import type { PhoneCommand, PhoneMessage, PhonePlan } from './load-messages.ts';
import { PhoneBank } from './phone-bank.ts';
import { systemThreadId } from './system-thread.ts';

/** The thread of all phones. */

const port = parentPort;
if (port === null) throw new Error('to be started as a worker thread');
const post = (message: PhoneMessage): void => port.postMessage(message);

post({ type: 'ready', threadId: systemThreadId() });
try {
  const bank = new PhoneBank(workerData as PhonePlan, post);
  port.on('message', (command: PhoneCommand) => {
    if (command.type === 'stop') bank.stop();
    else port.close();
  });
  await bank.start();
} catch (error) {
  post({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  port.close();
}
