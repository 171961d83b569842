import { describe, expect, test } from 'vitest';
import { callReport, callReportLines } from '../../../gateway/cli/call-report.ts';
import type { CallResult } from '../../../gateway/phone/phone-call.ts';

const answered: CallResult = {
  outcome: 'completed',
  status: 200,
  reasonPhrase: 'OK',
  reasonHeader: undefined,
  responseHeaders: [],
  endedBy: 'phone',
  message: undefined,
  sipCallId: 'c1',
  ringingMs: 4.04,
  setupMs: 12.345,
  durationMs: 2_000.4,
  codec: 'pcma',
  srtpSuite: undefined,
  packetsSent: 100,
  packetsReceived: 98,
  packetsLost: 2,
  packetsDuplicate: 0,
  packetsIgnored: 0,
  packetsRefused: 0,
  packetsLostRemote: 1,
  mosRemote: undefined,
  jitterMs: 0.123,
  rttMs: undefined,
  gapMsMax: 60.02,
  digits: '12',
  heard: new Int16Array(16_000),
  heardRateHz: 8_000,
  heardFromMs: 10,
  spokenFromMs: 5,
  timeline: [{ atMs: 0.123, direction: 'sent', what: 'INVITE' }],
};
const measures = { heardDbfs: -20.04, echo: undefined, recorded: undefined };
const unanswered = {
  ...answered,
  codec: undefined,
  setupMs: undefined,
  ringingMs: undefined,
  endedBy: undefined,
};

function lines(result: Partial<CallResult>, given: Partial<Parameters<typeof callReport>[2]> = {}): string[] {
  return callReportLines(callReport('sip:a@b', { ...answered, ...result }, { ...measures, ...given }));
}

describe('call report', () => {
  test('of a call that was answered', () => {
    expect(lines({})).toEqual([
      'sip:a@b  answered, ended by this phone',
      '  set-up    12.3 ms, ringing after 4 ms',
      '  talked    2.0 s in PCMA',
      '  sent      100 packets, 1 of them lost',
      '  received  98 packets, 2 lost, jitter 0.1 ms, longest gap 60 ms',
      '  heard     2.0 s at -20 dBFS',
      '  digits    2 received',
    ]);
  });

  test('of an encrypted call', () => {
    expect(lines({ srtpSuite: 'AEAD_AES_128_GCM' })).toContain(
      '  talked    2.0 s in PCMA, encrypted with AEAD_AES_128_GCM',
    );
  });

  test('of an echo, RTCP and a recording', () => {
    const echo = { roundTripMs: 41.26, correlation: 0.9876 };
    const told = lines({ rttMs: 3.14, digits: '', endedBy: 'farSide' }, { echo, recorded: 'heard.wav' });
    expect(told[0]).toBe('sip:a@b  answered, ended by the far side');
    expect(told.slice(-3)).toEqual([
      '  echo      what was said came back after 41.3 ms (correlation 0.988)',
      '  RTCP      round trip 3.1 ms',
      '  recorded  heard.wav',
    ]);
  });

  test.each([
    {
      name: 'silence',
      result: {},
      given: { heardDbfs: Number.NEGATIVE_INFINITY },
      says: 'heard     2.0 s silence',
    },
    {
      name: 'another voice',
      result: {},
      given: { echo: { roundTripMs: 4, correlation: 0.2 } },
      says: 'echo      none of what was said came back',
    },
    {
      name: 'a refusal',
      result: { ...unanswered, outcome: 'refused', status: 486, reasonPhrase: 'Busy Here' } as const,
      given: {},
      says: 'sip:a@b  refused: 486 Busy Here',
    },
    {
      name: 'nobody there',
      result: { ...unanswered, outcome: 'unreachable', message: 'no response within 32 s' } as const,
      given: {},
      says: 'sip:a@b  not reached: no response within 32 s',
    },
    {
      name: 'no answer',
      result: { ...unanswered, outcome: 'cancelled' } as const,
      given: {},
      says: 'sip:a@b  not answered, cancelled',
    },
  ])('of $name', ({ result, given, says }) => {
    expect(lines(result, given).join('\n')).toContain(says);
  });

  test('as JSON holds neither audio nor what JSON cannot say', () => {
    const report = callReport('sip:a@b', answered, { ...measures, heardDbfs: Number.NEGATIVE_INFINITY });
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({
      heardDbfs: null,
      heardSeconds: 2,
      setupMs: 12.3,
    });
    expect(report).not.toHaveProperty('heard');
  });
});
