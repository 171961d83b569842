import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { parseWav } from '../../../codecs/wav.ts';
import { saveWav } from '../../../gateway/phone/wav-file.ts';
import { createRandom } from '../../support/random.ts';

/** The built executable, `npm run build` first, on real sockets of this machine. */

const executable = join(import.meta.dirname, '../../../dist/gateway/cli/main.js');
const processes = new Set<ChildProcess>();
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-run-'));
});
afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

function start(...argv: string[]): ChildProcess {
  // The default range of RTP ports may be in use by another gateway of this machine.
  const env = { ...process.env, CALLWIRE_RTP__PORTS: '[0, 0]' };
  const child = spawn(process.execPath, [executable, ...argv], { cwd: directory, stdio: 'pipe', env });
  processes.add(child);
  child.on('exit', () => processes.delete(child));
  return child;
}

async function run(...argv: string[]) {
  const child = start(...argv);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  const [status] = await once(child, 'close');
  return { status: status as number, out, err };
}

async function firstLine(child: ChildProcess): Promise<string> {
  let err = '';
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  const lines = createInterface({ input: child.stdout! });
  const closed = once(child, 'close').then(() => {
    throw new Error(`ended before it was ready: ${err}`);
  });
  const [line] = await Promise.race([once(lines, 'line'), closed]);
  closed.catch(() => {});
  return line as string;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill(signal);
  const [status] = await ended;
  return status;
}

interface Ready {
  readonly sip: readonly string[];
  readonly http: string;
}

async function startGateway(...argv: string[]) {
  const child = start(
    ...['serve', '--json-ready', '--log-level', 'warn', '--http', '127.0.0.1:0'],
    ...['--sip', 'udp:127.0.0.1:0', '--sip', 'tcp:127.0.0.1:0', ...argv],
  );
  const ready = JSON.parse(await firstLine(child)) as Ready & { readonly ready: true };
  expect(ready.ready).toBe(true);
  const [udp, tcp] = ready.sip.map((listener) => listener.replace(/^\w+:/, ''));
  return { child, udp, tcp, http: ready.http };
}

describe('the embedded default', () => {
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  beforeAll(async () => {
    gateway = await startGateway();
  });

  test('echo over UDP, tone over TCP, the list of calls, a port in use', async () => {
    const { udp, tcp, http } = gateway;
    const heard = join(directory, 'heard.wav');
    const [echo, tone, listed, second] = await Promise.all([
      run('call', `sip:echo@${udp}`, '--tone', '1000', '--duration', '1.5', '--record', heard, '--json'),
      run('call', `sip:tone@${tcp};transport=tcp`, '--duration', '1.5', '--codec', 'pcma'),
      run('calls', '--http', http),
      run('serve', '--sip', `udp:${udp}`, '--http', '127.0.0.1:0'),
    ]);

    expect(echo.status).toBe(0);
    const result = JSON.parse(echo.out);
    expect(result).toMatchObject({ outcome: 'completed', status: 200, endedBy: 'phone', codec: 'pcmu' });
    expect(result.packetsReceived).toBeGreaterThan(50);
    const wav = parseWav(await readFile(heard));
    expect(wav.sampleRateHz).toBe(8_000);
    // -12 dBFS less what a busy machine plays too late.
    const level = toneLevel(wav.pcm.subarray(4_000, 8_000), 8_000, 1_000);
    expect(level).toBeGreaterThan(-14);
    expect(level).toBeLessThan(-11);

    expect(tone.out).toContain('answered, ended by this phone');
    expect(tone.out).toMatch(/heard +1\.\d s at -1\d/);
    expect(tone.status).toBe(0);
    expect(listed.status).toBe(0);
    expect(second.err).toContain(`${udp} is in use`);
    expect(second.status).toBe(1);
  });

  test('a second signal ends live calls at once', async () => {
    const { child, udp, http } = gateway;
    const call = run('call', `sip:echo@${udp}`, '--duration', '60', '--json');
    await untilAnswered(http);
    child.kill('SIGTERM');
    expect(await stop(child, 'SIGINT')).toBe(0);
    expect(JSON.parse((await call).out)).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
  });

  async function untilAnswered(http: string): Promise<void> {
    for (;;) {
      const { calls } = (await (await fetch(`http://${http}/calls`)).json()) as {
        calls: readonly { answeredAt?: string }[];
      };
      if (calls[0]?.answeredAt !== undefined) return;
    }
  }
});

test('bots behind routes say busy and reject; signals end gateway and bots', async () => {
  const replies = { busy: '486 Busy Here', reject: '603 Decline' };
  const bots = await Promise.all(
    Object.keys(replies).map(async (reply) => {
      const child = start('bot', 'echo', '--listen', '127.0.0.1:0', '--reply', reply, '--json');
      const { url } = JSON.parse(await firstLine(child));
      return { child, route: `${reply}=${url}` };
    }),
  );
  const { child, udp } = await startGateway(...bots.flatMap(({ route }) => ['--route', route]));
  await Promise.all(
    Object.entries(replies).map(async ([reply, refusal]) => {
      const call = await run('call', `sip:${reply}@${udp}`);
      expect(call.out).toContain(`refused: ${refusal}`);
      expect(call.out).toMatch(/reason +\S/);
      expect(call.status).toBe(2);
    }),
  );
  for (const bot of bots) expect(await stop(bot.child, 'SIGINT')).toBe(0);
  expect(await stop(child)).toBe(0);
});

// In real time: where the machine stands still for longer than playout keeps in hand, a gap is what is heard.
test('the demo tells of its call and writes what was heard', { retry: 2 }, async () => {
  const random = createRandom(5);
  let sample = 0;
  const pcm = Int16Array.from({ length: 8_000 }, () => {
    sample = 0.7 * sample + (random() - 0.5) * 9_000;
    return sample;
  });
  const said = join(directory, 'said.wav');
  await saveWav(said, { pcm, sampleRateHz: 8_000 });
  const { out, status } = await run('demo', '--play', said);
  for (const word of [
    'INVITE',
    '180 Ringing',
    'connect, 16000 Hz',
    'answer',
    '200 OK',
    'BYE',
    '1000 CALLERHANGUP',
  ])
    expect(out).toContain(word);
  expect(out).toMatch(/round trip +\d+\.\d ms/);
  expect(parseWav(await readFile(join(directory, 'demo-heard.wav'))).pcm.length).toBeGreaterThan(8_000);
  expect(status).toBe(0);
});
