import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../../gateway/cli/command-line.ts';

class Text {
  text = '';
  write(more: string): void {
    this.text += more;
  }
}

async function run(...argv: string[]) {
  const out = new Text();
  const err = new Text();
  const status = await runCommand(argv, { out, err });
  return { status, out: out.text, err: err.text };
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));

const subcommands = [
  'serve',
  'call',
  'bot',
  'conformance',
  'demo',
  'check-config',
  'calls',
  'hangup',
  'trace',
  'drain',
];

describe('help', () => {
  test('names every subcommand', async () => {
    const { status, out, err } = await run('--help');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    for (const name of [...subcommands, 'bench']) expect(out).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
  });

  test.each(subcommands)('of %s has an example', async (name) => {
    const { status, out } = await run(name, '--help');
    expect(status).toBe(0);
    expect(out).toContain(`Usage: callwire ${name}`);
    expect(out).toMatch(/\nExamples?:\n {2}callwire /);
  });

  test('version is that of the package', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('bad usage is status 64 and says what to do', () => {
  const cases: readonly { argv: string[]; says: string }[] = [
    { argv: [], says: 'Usage: callwire' },
    { argv: ['srve'], says: "unknown command 'srve'\n(Did you mean serve?)" },
    { argv: ['serve', '--conifg', 'x'], says: "unknown option '--conifg'\n(Did you mean --config?)" },
    { argv: ['call'], says: "missing required argument 'sip-uri'" },
    { argv: ['call', 'sip:a@b', 'more'], says: 'too many arguments' },
    { argv: ['call', 'sip:a@b', '--plai', 'x'], says: '(Did you mean --play?)' },
    { argv: ['call', 'echo'], says: "'echo' is no SIP URI, expected one such as sip:echo@127.0.0.1:5060" },
    { argv: ['call', 'sip:a@b', '--codec', 'pcmu,mp3'], says: "--codec: found 'mp3', expected one of pcmu" },
    { argv: ['call', 'sip:a@b', '--duration', '-1'], says: 'Expected a number above 0.' },
    { argv: ['call', 'sip:a@b', '--ring-timeout', '9999999'], says: 'Expected at most 1000000 seconds.' },
    { argv: ['serve', '--drain-limit', '9999999'], says: 'Expected at most 1000000 seconds.' },
    { argv: ['call', 'sip:a@b', '--from', 'bad'], says: "--from: found 'bad', expected a URI such as" },
    { argv: ['call', 'sip:a@b', '--from', 'A <b'], says: "--from: found 'A <b', expected a URI such as" },
    { argv: ['calls', '--key', 'app'], says: '--key alone: expected --key and --secret together' },
    { argv: ['call', 'sip:a@b', '--dtmf', '12x'], says: 'Expected digits: 0-9 * # A-D' },
    { argv: ['call', 'sip:a@b', '--header', 'no colon'], says: "Expected 'Name: value'" },
    { argv: ['call', 'sip:a@b', '--header', 'Call-ID: 1'], says: 'The phone itself writes Call-ID.' },
    { argv: ['call', 'sip:a@b', '--header', 'X: a\r\nVia: b'], says: "Expected 'Name: value'" },
    {
      argv: ['call', 'sip:a@b', '--record', '/nowhere/heard.wav'],
      says: '--record: found /nowhere/heard.wav (ENOENT), expected a file that can be written',
    },
    { argv: ['call', 'sip:a@b', '--password', 'p'], says: '--password needs --user' },
    { argv: ['call', 'sip:a@b', '--play', 'a', '--tone', '440'], says: 'exclude each other' },
    { argv: ['bot', 'ekko'], says: 'Allowed choices are echo, tone, play, record.' },
    { argv: ['bot', 'echo', '--reply', 'maybe'], says: 'Allowed choices are answer, busy, reject.' },
    { argv: ['bot', 'echo', '--dialect', 'sip'], says: 'Allowed choices are sinch, twilio, vonage, telnyx' },
    { argv: ['bot', 'echo', '--listen', 'here'], says: 'Expected ADDRESS:PORT' },
    { argv: ['bot', 'play'], says: 'bot play needs --file F.wav' },
    { argv: ['demo', '--sample-rate', '11025'], says: 'Expected a rate in Hz, one of 8000, 16000, 24000' },
    {
      argv: ['serve', '--sip', 'here'],
      says: '--sip: sip.listen[0]: found "here", expected PROTOCOL:ADDRESS:PORT',
    },
    { argv: ['serve', '--route', 'nowhere'], says: '--route: found "nowhere", expected PATTERN=WS_URL' },
    { argv: ['hangup'], says: "missing required argument 'call-id'" },
  ];
  test.each(cases)('$argv', async ({ argv, says }) => {
    const { status, out, err } = await run(...argv);
    expect(err).toContain(says);
    expect({ status, out }).toEqual({ status: 64, out: '' });
  });
});

describe('other failures', () => {
  test('a bad configuration is status 78, with every problem', async () => {
    const file = join(directory, 'bad.yaml');
    await writeFile(file, 'sip:\n  maxCalls: many\nhttpp: {}\n');
    const { status, err } = await run('serve', '--config', file);
    expect(status).toBe(78);
    expect(err).toContain('sip.maxCalls');
    expect(err).toContain('httpp');
    const checked = await run('check-config', file);
    expect(checked.status).toBe(78);
    expect(checked.out).toContain('2 problems');
  });

  test('a WAV that is missing is named', async () => {
    const file = join(directory, 'none.wav');
    const { status, err } = await run('call', 'sip:a@127.0.0.1', '--play', file);
    expect(status).toBe(1);
    expect(err).toContain(`cannot read ${file}`);
  });

  test('nobody there is status 3', async () => {
    const { status, out } = await run('call', 'sip:a@127.0.0.1:9', '--ring-timeout', '0.05');
    expect(status).toBe(3);
    expect(out).toContain('sip:a@127.0.0.1:9  not reached: no answer at all from udp:127.0.0.1:9');
  });

  test('a listener on an address that is not ours is named', async () => {
    const serve = ['serve', '--sip', 'udp:192.0.2.77:0', '--http', '127.0.0.1:0', '--log-level', 'silent'];
    const { status, err } = await run(...serve);
    expect(status).toBe(1);
    expect(err).toContain('192.0.2.77 is no address of this machine');
  });

  test('a gateway that does not run is status 3', async () => {
    const { status, err } = await run('calls', '--http', '127.0.0.1:9');
    expect(status).toBe(3);
    expect(err).toContain('no gateway answers');
  });
});
