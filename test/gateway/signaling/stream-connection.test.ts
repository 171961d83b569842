import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StreamConnection } from '../../../gateway/signaling/stream-connection.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const message = Buffer.from('OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n');
const minuteMs = 60_000;
const opened: Socket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

/** A connection on virtual time, over a real socket, and its far side. */
async function createConnection({ inbound = false, inUse = false } = {}) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<Socket[]>;
  const far = Object.assign(connect((server.address() as { port: number }).port, '127.0.0.1'), { heard: '' });
  const [near] = await accepted;
  server.close();
  opened.push(far, near!);
  far.on('error', () => {});
  far.on('data', (bytes) => {
    far.heard += bytes.toString();
  });
  const clock = new FakeClock();
  const counted: string[] = [];
  const received: string[] = [];
  const connection = new StreamConnection({
    socket: near!,
    protocol: 'tcp',
    inbound,
    listeningPort: undefined,
    clock,
    random: () => 0,
    handlers: {
      inUse: () => inUse,
      received: (bytes) => received.push(Buffer.from(bytes).toString()),
      broken: () => {},
      counted: (code) => counted.push(code),
      closed: () => {},
    },
  });
  const say = async (text: string | Buffer): Promise<void> => {
    const before = near!.bytesRead;
    far.write(text);
    await vi.waitFor(() => expect(near!.bytesRead).toBe(before + Buffer.byteLength(text)));
  };
  const heard = (count: number): Promise<void> => vi.waitFor(() => expect(far.heard).toHaveLength(count * 4));
  return { clock, counted, received, connection, far, say, heard };
}

describe('a connection that we made', () => {
  it('is asked after two silent minutes whether it is there, and cut when it stops to answer', async () => {
    const { clock, counted, connection, far, say, heard } = await createConnection();
    await clock.advance(2 * minuteMs);
    await heard(1);
    expect(far.heard).toBe('\r\n\r\n');
    await say('\r\n');
    await clock.advance(2 * minuteMs);
    await heard(2);
    await say('\r\n');
    await clock.advance(2 * minuteMs);
    await heard(3);
    await clock.advance(9_000);
    expect(connection.open).toBe(true);
    await clock.advance(1_000);
    expect([connection.open, counted]).toEqual([false, ['connection-dead']]);
    expect(clock.timers).toBe(0);
  });

  it('is kept where the far side knows no keep-alives, and not asked while it talks', async () => {
    const { clock, connection, far, say, heard } = await createConnection();
    for (let minute = 0; minute < 3; minute++) {
      await clock.advance(minuteMs);
      await say(message);
    }
    expect(far.heard).toBe('');
    await clock.advance(20 * minuteMs);
    await heard(10);
    expect(connection.open).toBe(true);
  });

  it('is given up after two hours without a message, unless a call needs it', async () => {
    const idle = await createConnection();
    await idle.clock.advance(121 * minuteMs);
    expect([idle.connection.open, idle.counted]).toEqual([false, ['connection-idle']]);
    const busy = await createConnection({ inUse: true });
    await busy.clock.advance(300 * minuteMs);
    expect(busy.connection.open).toBe(true);
  });
});

describe('a connection that came to us', () => {
  it('has 32 s for its first message, however much it sends', async () => {
    const { clock, counted, connection, say, heard } = await createConnection({ inbound: true });
    for (let turn = 1; turn <= 3; turn++) {
      await clock.advance(10_000);
      await say('\r\n\r\n');
      await vi.waitFor(() => heard(turn / 2));
    }
    await clock.advance(2_000);
    expect([connection.open, counted]).toEqual([false, ['connection-idle']]);
  });

  it('has 32 s for every message, however slowly it trickles', async () => {
    const { clock, counted, connection, received, say } = await createConnection({ inbound: true });
    await say(message);
    expect(received).toHaveLength(1);
    for (let byte = 0; byte < 8; byte++) {
      await say(message.subarray(byte, byte + 1));
      await clock.advance(4_000);
    }
    expect([connection.open, counted]).toEqual([false, ['connection-slow']]);
  });

  it('is held by its keep-alives, which are answered, and closed after 15 minutes without any', async () => {
    const { clock, counted, connection, far, say } = await createConnection({ inbound: true });
    await say(message);
    for (let turn = 1; turn <= 4; turn++) {
      await clock.advance(10 * minuteMs);
      await say('\r\n\r\n');
      await vi.waitFor(() => expect(far.heard).toBe('\r\n'.repeat(turn)));
    }
    await clock.advance(15 * minuteMs);
    expect([connection.open, counted]).toEqual([false, ['connection-idle']]);
    // It is its maker's to hold open.
    expect(far.heard).toBe('\r\n'.repeat(4));
  });

  it('is held by us while a call needs it', async () => {
    const { clock, connection, say, heard } = await createConnection({ inbound: true, inUse: true });
    await say(message);
    await clock.advance(60 * minuteMs);
    await heard(30);
    expect(connection.open).toBe(true);
  });
});
