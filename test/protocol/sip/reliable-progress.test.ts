import { describe, expect, it } from 'vitest';
import { emptyBody, headerValue, type SipRequest, type SipResponse } from '../../../protocol/sip/message.ts';
import { ReliableProgress, ReliableReception, reliability } from '../../../protocol/sip/reliable-progress.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { sipTimings } from '../../../protocol/sip/transaction-tables.ts';

const invite: SipRequest = {
  kind: 'request',
  method: 'INVITE',
  uri: 'sip:a@b',
  headers: [{ name: 'CSeq', value: '7 INVITE' }],
  body: emptyBody,
};
const sdp = Buffer.from('v=0');

function ringing(body: Uint8Array = emptyBody): SipResponse {
  return createResponse(invite, 183, { body });
}

function prack(rack: string): SipRequest {
  return { ...invite, method: 'PRACK', headers: [{ name: 'RAck', value: rack }] };
}

function create(): ReliableProgress {
  return new ReliableProgress(invite, sipTimings, 100);
}

/** RFC 3262 §3: T1, doubled without end, until 64·T1. */
describe('a reliable provisional response', () => {
  it('is repeated after 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s and given up at 32 s', () => {
    const progress = create();
    progress.send(ringing(), 0);
    const times: number[] = [];
    for (;;) {
      const atMs = progress.deadlineMs!;
      const due = progress.expire(atMs);
      times.push(atMs);
      if (due === 'giveUp') break;
    }
    expect(times).toEqual([500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
    expect(progress.deadlineMs).toBeUndefined();
  });

  it('says what it is, and the next one waits for its PRACK', () => {
    const progress = create();
    const [first] = progress.send(ringing(), 0);
    expect([headerValue(first!, 'Require'), headerValue(first!, 'RSeq')]).toEqual(['100rel', '100']);
    expect(progress.send(ringing(), 10)).toEqual([]);
    const next = progress.acknowledge(prack('100 7 INVITE'), 20);
    expect(next!.map((response) => headerValue(response, 'RSeq'))).toEqual(['101']);
    expect(progress.acknowledge(prack('101 7 INVITE'), 30)).toEqual([]);
    expect(progress.deadlineMs).toBeUndefined();
  });

  it.each([
    ['another number', '99 7 INVITE'],
    ['another INVITE', '100 8 INVITE'],
    ['another method', '100 7 UPDATE'],
  ])('is not acknowledged with %s', (_what, rack) => {
    const progress = create();
    progress.send(ringing(), 0);
    expect(progress.acknowledge(prack(rack), 10)).toBeUndefined();
    expect(progress.deadlineMs).toBe(500);
  });

  it('with a session description holds the 2xx back, another does not', () => {
    const progress = create();
    progress.send(ringing(), 0);
    expect(progress.holdsAnswer).toBe(false);
    progress.send(ringing(sdp), 0);
    expect(progress.holdsAnswer).toBe(true);
    progress.acknowledge(prack('100 7 INVITE'), 10);
    expect(progress.holdsAnswer).toBe(true);
    progress.acknowledge(prack('101 7 INVITE'), 20);
    expect(progress.holdsAnswer).toBe(false);
  });

  it('is not repeated after the final response, and its late PRACK still known', () => {
    const progress = create();
    progress.send(ringing(), 0);
    progress.stop();
    expect([progress.deadlineMs, progress.expire(40_000)]).toEqual([undefined, undefined]);
    expect(progress.acknowledge(prack('100 7 INVITE'), 50)).toEqual([]);
    expect(progress.acknowledge(prack('100 7 INVITE'), 60)).toBeUndefined();
  });
});

/** §4 */
describe('the caller', () => {
  function reliable(sequence: number): SipResponse {
    const headers = [
      { name: 'Require', value: '100rel' },
      { name: 'RSeq', value: String(sequence) },
    ];
    return createResponse(invite, 183, { headers });
  }

  it('acknowledges each once, in order', () => {
    const reception = new ReliableReception();
    const seen = [5, 5, 7, 6, 7, 6].map((sequence) => reception.receive(invite, reliable(sequence)));
    expect(seen).toEqual([
      { rack: '5 7 INVITE' },
      'again',
      'again',
      { rack: '6 7 INVITE' },
      { rack: '7 7 INVITE' },
      'again',
    ]);
  });

  it('leaves the others alone', () => {
    expect(new ReliableReception().receive(invite, createResponse(invite, 180))).toBeUndefined();
  });
});

it.each([
  ['Require', '100REL', 'required'],
  ['Supported', '100rel', 'supported'],
  ['Supported', 'timer', undefined],
])('%s: %s', (name, value, found) => {
  expect(reliability({ ...invite, headers: [{ name, value }] })).toBe(found);
});
