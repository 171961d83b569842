import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

/** A port of 127.0.0.1 where nobody listens, over UDP and over TCP, with the next one free over UDP as well: for
 *  programs that cannot be told to let the system choose. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const server = await listen();
    const { port } = server.address() as { port: number };
    const free = port > 20_000 && port < 65_000 && (await isUdpFree(port)) && (await isUdpFree(port + 1));
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
  throw new Error('no free port found in 50 attempts');
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function isUdpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
