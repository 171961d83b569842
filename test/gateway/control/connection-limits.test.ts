import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { limitConnections } from '../../../gateway/control/connection-limits.ts';

let server: Server;
let counted: string[];
const sockets: Socket[] = [];

async function start(limits: { connectionsMax: number; perSource: number }): Promise<number> {
  counted = [];
  server = createServer((_request, response) => response.end('ok'));
  limitConnections(server, { ...limits, counted: (code) => counted.push(code) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Opens one that says nothing; true where it was let in. */
async function hold(port: number, localAddress: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  // Whoever is cut hears of it at once; who is not is answered.
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const answered = await Promise.race([
    once(socket, 'data').then(() => true),
    once(socket, 'close').then(() => false),
  ]);
  return answered;
}

/** Status of a question, as a probe asks it. */
function ask(port: number, localAddress: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', localAddress, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe.skipIf(process.platform !== 'linux')('connections that are held open', () => {
  it('are so many of one address, and leave room for the others', async () => {
    const port = await start({ connectionsMax: 10, perSource: 3 });
    const held: boolean[] = [];
    for (let i = 0; i < 6; i++) held.push(await hold(port, '127.0.0.2'));
    expect(held).toEqual([true, true, true, false, false, false]);
    expect(await ask(port, '127.0.0.1')).toBe(200);
    expect(counted).toEqual(Array(3).fill('http-source-connection-limit'));
    sockets[0]!.destroy();
    while ((await hold(port, '127.0.0.2')) === false) counted.splice(3);
    expect(counted).toHaveLength(3);
  });

  it('are so many in all', async () => {
    const port = await start({ connectionsMax: 2, perSource: 3 });
    expect(await hold(port, '127.0.0.2')).toBe(true);
    expect(await hold(port, '127.0.0.3')).toBe(true);
    expect(await hold(port, '127.0.0.4')).toBe(false);
    expect(counted).toEqual(['http-connection-limit']);
  });
});
