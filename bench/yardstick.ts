import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const DATAGRAM_BYTES = 172;
const BATCH = 30;
const BATCHES = 400;
const LOST_MS = 200;

/** What this machine takes to send and receive a datagram of an RTP packet's size through Node, in µs of CPU. Figures
 *  of two machines, or of two days on a rented one, differ about as this does. Takes a third of a second. */
export async function measureYardstick(): Promise<number> {
  const receiver = createSocket('udp4');
  const sender = createSocket('udp4');
  const listening = once(receiver, 'listening');
  receiver.bind(0, '127.0.0.1');
  await listening;
  const connected = once(sender, 'connect');
  sender.connect(receiver.address().port, '127.0.0.1');
  await connected;
  const datagram = Buffer.alloc(DATAGRAM_BYTES);
  let received = 0;
  let batchDone = (): void => {};
  receiver.on('message', () => {
    if (++received % BATCH === 0) batchDone();
  });
  const batch = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, LOST_MS);
      batchDone = () => {
        clearTimeout(timer);
        resolve();
      };
      for (let i = 0; i < BATCH; i++) sender.send(datagram);
    });
  // The first batches are compiled, the others are measured.
  for (let i = 0; i < BATCHES / 2; i++) await batch();
  received = 0;
  const before = process.cpuUsage();
  for (let i = 0; i < BATCHES; i++) await batch();
  const { user, system } = process.cpuUsage(before);
  receiver.close();
  sender.close();
  return (user + system) / Math.max(1, received);
}
