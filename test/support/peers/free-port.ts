import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const attemptsMax = 100;

/** The first of `count` ports in a row on which nobody listens at 127.0.0.1, neither over UDP nor over TCP: for programs
 *  that cannot be told to let the system choose. Somebody else may take one before it is used. */
export async function freePort(count = 1): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const first = await tryPort(0);
    if (first === undefined || first < 20_000 || first + count > 65_000) continue;
    let free = 0;
    while (free < count && (await tryPort(first + free)) !== undefined && (await isUdpFree(first + free)))
      free++;
    if (free === count) return first;
  }
  throw new Error(`no ${count} free ports in a row found in ${attemptsMax} attempts`);
}

/** False where somebody listens there, over UDP or TCP. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined && (await isUdpFree(port));
}

/** The TCP port that was bound for a moment, undefined where that failed. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as { port: number };
      server.close(() => resolve(bound));
    });
  });
}

function isUdpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
