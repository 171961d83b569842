import { describe, expect, test } from 'vitest';
import { defaultOptions, parseLoadOptions, parseTarget } from '../../bench/load-options.ts';

function parsed(line: string): ReturnType<typeof parseLoadOptions> {
  return parseLoadOptions(line.split(' ').filter((word) => word !== ''));
}

describe('the command line of callwire bench', () => {
  test('is understood whole', () => {
    const line =
      '--target sip:echo@127.0.0.1:5070 --calls 300 --rate 150 --duration 60 --codec pcma --json r.json --html r.html --pid 77 --max-loss 0.1 --max-p99 80 --impair loss=2,jitter=30 --churn 5 --hold 2 --seed 9';
    expect(parsed(line)).toEqual({
      kind: 'options',
      options: {
        ...defaultOptions,
        target: 'sip:echo@127.0.0.1:5070',
        calls: 300,
        callsPerSecond: 150,
        durationSeconds: 60,
        codec: 'pcma',
        json: 'r.json',
        html: 'r.html',
        pid: 77,
        maxLossPercent: 0.1,
        maxP99Ms: 80,
        impairment: { lossPercent: 2, jitterMs: 30 },
        churnPerSecond: 5,
        holdSeconds: 2,
        seed: 9,
      },
    });
  });

  test.each([
    ['--spawn', { spawn: true, mode: 'echo' }],
    ['--spawn --burst --tls --workers 2', { mode: 'burst', tls: true, workers: 2 }],
    ['--spawn --clear --sample-rate 48000', { mode: 'clear', sampleRateHz: 48_000 }],
    ['--spawn --tone --impair jitter=5', { mode: 'tone', impairment: { lossPercent: 0, jitterMs: 5 } }],
  ])('%s', (line, expected) => {
    expect(parsed(line)).toMatchObject({ kind: 'options', options: expected });
  });

  test('an application that decides slowly, and what the audio must keep to', () => {
    expect(parsed('--spawn --callbacks 2000 --max-spacing 4')).toMatchObject({
      kind: 'options',
      options: { callbackDelayMs: 2000, maxSpacingMs: 4 },
    });
  });

  test.each([
    ['--spawn --cals 3', /unknown option '--cals'[\s\S]*--calls/],
    ['', /--target sip:USER@HOST:PORT is missing/],
    ['--target echo@host', /is no SIP URI; expected sip:USER@HOST:PORT/],
    ['--spawn --target sip:echo@h', /exclude each other/],
    ['--spawn --calls many', /'many' is invalid[\s\S]*whole number/],
    ['--spawn --rate 0', /above 0/],
    ['--spawn --codec mp3', /Allowed choices are pcmu/],
    ['--spawn --sample-rate 11025', /one of 8000/],
    ['--spawn --impair delay=3', /'delay=3' is not understood; expected loss=PERCENT,jitter=MS/],
    ['--spawn --impair loss=101', /0 to 100 percent/],
    ['--spawn --calls 0', /would place no call/],
    ['--target sip:a@h --burst', /need --spawn or --stream-listen/],
    ['--target sip:a@h --tls', /--tls needs --spawn/],
    ['--target sip:a@h --workers 2', /--workers needs --spawn/],
    ['--target sip:a@h --callbacks 2000', /--callbacks needs --spawn/],
    ['--spawn --callbacks 60000', /whole number from 0 to 50000/],
    ['--spawn --burst --clear', /cannot be used with/],
    ['--spawn left over', /too many arguments/],
  ])('refuses %j and says why', (line, message) => {
    const result = parsed(line);
    expect(result.kind).toBe('error');
    expect(result.kind === 'error' && result.message).toMatch(message);
  });

  test('explains itself with examples', () => {
    const help = parsed('--help');
    expect(help.kind).toBe('text');
    expect(help.kind === 'text' && help.text).toMatch(
      /--spawn[\s\S]*Examples:[\s\S]*callwire bench --target/,
    );
  });
});

test.each([
  ['sip:echo@127.0.0.1:5060', { host: '127.0.0.1', port: 5060 }],
  ['sip:echo@gateway.example', { host: 'gateway.example', port: 5060 }],
  ['sip:127.0.0.1:5062', { host: '127.0.0.1', port: 5062 }],
  ['sip:echo@[::1]:5062;transport=udp', { host: '::1', port: 5062 }],
  ['sips:echo@host', undefined],
  ['sip:echo@host:0', undefined],
  ['sip:echo@host:99999', undefined],
  ['tel:+46', undefined],
])('target %s', (uri, expected) => {
  expect(parseTarget(uri)).toEqual(expected);
});
