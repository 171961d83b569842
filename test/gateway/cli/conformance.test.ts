import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../../gateway/cli/command-line.ts';
import { type RawBot, startRawBot } from '../conformance/raw-bot.ts';

let directory: string;
let good: RawBot;
let bad: RawBot;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-conformance-'));
  good = await startRawBot({});
  bad = await startRawBot({
    connect: (line) => {
      line.say({ command: 'answer' });
      line.say({ command: '<"shout" & \u0001>' });
    },
  });
});

afterAll(async () => {
  await Promise.all([good.close(), bad.close()]);
  await rm(directory, { recursive: true });
});

class Text {
  text = '';
  write(more: string): void {
    this.text += more;
  }
}

async function run(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  const [out, err] = [new Text(), new Text()];
  const status = await runCommand(['conformance', ...argv], { out, err });
  return { status, out: out.text, err: err.text };
}

describe.concurrent('callwire conformance', () => {
  it('prints a row a rule and ends with 0 where none is broken', async () => {
    const { status, out } = await run(good.url, '--only', 'R1,r2 9');
    expect(status).toBe(0);
    expect(out).toContain(good.url);
    expect(out).toMatch(/pass {2}R1 {3}accepts the upgrade +101 after \d+ ms\n/);
    expect(out).toMatch(/pass {2}R9 /);
    expect(out).toMatch(/3 passed, 0 failed, 0 not judged, \d/);
  });

  it('says what was expected and what was seen, and ends with 1', async () => {
    const file = join(directory, 'junit.xml');
    const { status, out } = await run(bad.url, '--only', 'R2,R12', '--junit', file);
    expect(status).toBe(1);
    expect(out).toMatch(/FAIL {2}R12/);
    expect(out).toMatch(/ {13}expected {2}text messages that are JSON objects/);
    expect(out).toMatch(/ {13}seen {6}.*shout/);
    const xml = await readFile(file, 'utf8');
    expect(xml).toContain('tests="2" failures="1" errors="0" skipped="0"');
    expect(xml).toContain(
      '<testcase classname="callwire.conformance" name="R2 replies to connect" time="0"/>',
    );
    // Nothing of the server's breaks out of an attribute, and nothing is in it that XML cannot hold.
    expect(xml).toMatch(/<failure type="R12" message="[^"<>]*&#60;[^"<>]*shout[^"<>]*">/);
    for (const char of xml) expect(char >= ' ' || char === '\n').toBe(true);
  });

  it('prints JSON for programs', async () => {
    const { status, out } = await run(bad.url, '--only', 'R12', '--json');
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      url: bad.url,
      passed: false,
      startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      results: [{ id: 'R12', outcome: 'fail', seen: expect.stringContaining('shout') }],
    });
  });

  it.each([
    { argv: ['http://127.0.0.1/'], message: "'http://127.0.0.1/' is no WebSocket URL" },
    {
      argv: ['ws://127.0.0.1:1/', '--only', 'R99'],
      message: "--only: found 'R99', expected rules from R1 to R22",
    },
    { argv: ['ws://127.0.0.1:1/', '--timeout-ms', '0'], message: 'Expected a number above 0' },
    { argv: [], message: "missing required argument 'ws-url'" },
  ])('bad usage ends with 64: $message', async ({ argv, message }) => {
    const { status, err } = await run(...argv);
    expect(status).toBe(64);
    expect(err).toContain(message);
  });

  it('a report that cannot be written is named', async () => {
    const file = join(directory, 'missing', 'junit.xml');
    const { status, err } = await run(good.url, '--only', 'R1', '--junit', file);
    expect(status).toBe(64);
    expect(err).toContain(`--junit: found ${file} (ENOENT)`);
  });

  it('help has an example', async () => {
    const { status, out } = await run('--help');
    expect(status).toBe(0);
    expect(out).toContain('callwire conformance ws://127.0.0.1:9000/');
  });
});
