import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createLog, type Log } from '../../gateway/log.ts';

const logged = (write: (log: Log) => void, pretty = false): string => {
  let text = '';
  const destination = {
    write: (line: string) => {
      text += line;
    },
  };
  write(createLog({ level: 'debug', pretty, destination }));
  return text;
};

test('a line is a constant sentence, the fields of the call and a time', () => {
  const line = logged((log) => log.child({ callId: 'gw-1-x' }).info({ codec: 'pcmu' }, 'call answered'));
  expect(JSON.parse(line)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    callId: 'gw-1-x',
    codec: 'pcmu',
    msg: 'call answered',
  });
  expect(line.endsWith('\n')).toBe(true);
});

test('what is below the level is not written', () => {
  expect(logged((log) => log.trace({}, 'fine'))).toBe('');
});

test('a terminal gets lines for people', async () => {
  let text = '';
  const log = createLog({
    level: 'info',
    pretty: true,
    destination: {
      write: (line) => {
        text += line;
      },
    },
  });
  log.info({ callId: 'x' }, 'call answered');
  await expect.poll(() => text).toMatch(/INFO.*call answered[\s\S]*callId: "x"/);
});

describe('what never reaches the log', () => {
  // biome-ignore format: a table reads as a table
  test.each<{ name: string; fields: object; secret: string; kept?: string }>([
    { name: 'a password', fields: { password: 'hunter2' }, secret: 'hunter2' },
    { name: 'a secret deep inside', fields: { config: { applications: [{ key: 'a', Secret: 'hunter2' }] } }, secret: 'hunter2', kept: '"key":"a"' },
    { name: 'an authorization', fields: { headers: { Authorization: 'Bearer hunter2', Via: 'x' } }, secret: 'hunter2', kept: 'Via' },
    { name: 'digits', fields: { digits: '4929' }, secret: '4929' },
    { name: 'a digit', fields: { event: { digit: '7-8' } }, secret: '7-8' },
    { name: 'credentials of a URL', fields: { endpoint: 'wss://user:hunter2@bot.example/a' }, secret: 'hunter2', kept: 'bot.example/a' },
    { name: 'the query of a URL', fields: { endpoint: 'wss://bot.example/a?x=hunter2&access_token=hunter2&y=2' }, secret: 'hunter2', kept: 'wss://bot.example/a?' },
    { name: 'a token of half a URL', fields: { path: '/a?x=1&access_token=hunter2&y=2' }, secret: 'hunter2', kept: 'y=2' },
    { name: 'the key of a storage', fields: { s3: { secretAccessKey: 'hunter2', bucket: 'calls' } }, secret: 'hunter2', kept: 'calls' },
    { name: 'a header of a SIP message', fields: { message: 'INVITE sip:a\r\nProxy-Authorization: Digest response="hunter2"\r\nCSeq: 1 INVITE' }, secret: 'hunter2', kept: 'CSeq: 1 INVITE' },
    { name: 'audio', fields: { frame: new Uint8Array([200, 201, 202]) }, secret: '201', kept: '[3 bytes]' },
    { name: 'a secret in an error', fields: { err: new Error('cannot reach wss://u:hunter2@bot.example') }, secret: 'hunter2', kept: 'bot.example' },
    { name: 'a secret of an error', fields: { err: Object.assign(new Error('no'), { password: 'hunter2' }) }, secret: 'hunter2', kept: '"message":"no"' },
    { name: 'a secret in a nested error', fields: { a: { b: new Error('at wss://u:hunter2@bot.example') } }, secret: 'hunter2', kept: 'bot.example' },
  ])('$name', ({ fields, secret, kept = '' }) => {
    for (const write of [
      (log: Log) => log.info(fields, 'seen'),
      (log: Log) => log.child({ ...fields }).info({}, 'seen'),
    ]) {
      const line = logged(write);
      expect(line).not.toContain(secret);
      expect(line).toContain(kept);
      expect(() => JSON.parse(line)).not.toThrow();
    }
  });
});

test('a field that goes round in a circle, or is endless, is cut', () => {
  const circle: Record<string, unknown> = { name: 'a' };
  circle.self = circle;
  const line = logged((log) => log.info({ circle, long: 'x'.repeat(100_000), big: 1n }, 'odd'));
  expect(line).toContain('[deeper]');
  expect(line).toContain('… (100000 characters)');
  expect(line.length).toBeLessThan(20_000);
});

test('redaction takes linear time', () => {
  for (const text of [
    '://'.repeat(20_000),
    `a://${'b'.repeat(60_000)}`,
    '?key='.repeat(12_000),
    'authorization '.repeat(5_000),
  ]) {
    const startedMs = performance.now();
    logged((log) => log.info({ text }, 'long'));
    expect(performance.now() - startedMs).toBeLessThan(500);
  }
});

test('a reader that stops reading costs lines, not memory: they are counted, and said once when it reads on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'callwire-log-'));
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const log = createLog({ level: 'info', pretty: false, fd, waitingBytesMax: 100_000 });
    const callLog = log.child({ callId: 'x' });
    const written = 1_000;
    for (let number = 0; number < written; number++)
      callLog.info({ number, filler: '.'.repeat(1_000) }, 'line');
    const { linesDropped = 0 } = log;
    expect(linesDropped).toBeGreaterThan(700);
    expect(linesDropped).toBeLessThan(written);
    let text = '';
    await expect.poll(() => (text += readWaiting(fd)), { timeout: 10_000 }).toContain('did not keep up');
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ msg }) => msg === 'line')).toHaveLength(written - linesDropped);
    expect(lines.filter(({ level }) => level === 'warn')).toMatchObject([{ linesDropped }]);
    expect(callLog.linesDropped).toBe(linesDropped);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
});

/** What is in the pipe now. */
function readWaiting(fd: number): string {
  const bytes = Buffer.alloc(1_000_000);
  try {
    return bytes.toString('utf8', 0, readSync(fd, bytes));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return '';
    throw error;
  }
}
