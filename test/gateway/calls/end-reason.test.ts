import { describe, expect, it } from 'vitest';
import { callStates, nextCallState } from '../../../gateway/calls/call-states.ts';
import {
  diceOf,
  type EndReason,
  endReasons,
  reasonHeader,
  refusalCode,
} from '../../../gateway/calls/end-reason.ts';
import { streamEndReason } from '../../../gateway/calls/stream-leg.ts';
import { parseReason } from '../../../protocol/sip/header-values.ts';
import { streamCloses } from '../../../protocol/stream/messages.ts';

const reasons = Object.keys(endReasons) as EndReason[];

describe('end reasons', () => {
  it.each(reasons)('%s says the same to the phone, the stream and the records', (reason) => {
    const row = endReasons[reason];
    expect(row.sipStatus).toBeGreaterThanOrEqual(400);
    expect(streamCloses[row.close]).toBeDefined();
    expect(parseReason(reasonHeader(reason, 'some "detail" \\ with ümlaut').value)).toMatchObject({
      protocol: 'Q.850',
      cause: row.q850,
    });
  });

  it('a close reason full of quotes leaves the Reason header whole, wherever it is cut', () => {
    for (const sizeBytes of [165, 166, 167, 168, 400]) {
      const { value } = reasonHeader('streamClosed', '"'.repeat(sizeBytes));
      expect(value).toMatch(/;text="(?:[^"\\]|\\.)*"$/);
      expect(parseReason(value).text).toHaveLength(Math.min(200, 29 + sizeBytes));
    }
  });

  it('ordinary endings are no refusals, the others are counted in one spelling', () => {
    for (const reason of reasons) expect(refusalCode(reason) ?? 'none').toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    expect(refusalCode('noRoute')).toBe('no-route');
    const ordinary = reasons.filter((reason) => refusalCode(reason) === undefined);
    expect(ordinary).toEqual(expect.arrayContaining(['cancelled', 'busy', 'rejected', 'callerHangup']));
    expect(ordinary).not.toContain('declined');
  });

  it('an ending after the answer is ANSWERED, one before it never is', () => {
    for (const reason of reasons) {
      expect(diceOf(reason, true).result).toBe('ANSWERED');
      expect(diceOf(reason, false).result).not.toBe('ANSWERED');
    }
  });

  it('a server that goes away means one thing before its answer and another after it', () => {
    const closed = { cause: 'closed', code: 1000, reason: '' } as const;
    expect(streamEndReason(closed, false).reason).toBe('closedEarly');
    expect(streamEndReason(closed, true).reason).toBe('streamClosed');
    expect(streamEndReason({ ...closed, code: 1006 }, true).reason).toBe('streamLost');
    expect(streamEndReason({ cause: 'violation', code: 1002, message: '' }, true).reason).toBe('violation');
    expect(streamEndReason({ cause: 'unreachable', code: 'CONNECTTIMEOUT', message: '' }, false).reason).toBe(
      'connectTimeout',
    );
  });
});

describe('call states', () => {
  it('every state but the last two can end, and nothing leads out of the last', () => {
    for (const [state, { on, deadline }] of Object.entries(callStates)) {
      if (state === 'ended') {
        expect(on).toEqual({});
        expect(deadline).toBeUndefined();
      } else {
        expect(deadline).toBeDefined();
        if (state !== 'ending') expect(on.end).toBe('ending');
      }
    }
  });

  it('an answer that comes too late changes nothing', () => {
    expect(nextCallState('ending', 'answered')).toBeUndefined();
    expect(nextCallState('answered', 'answered')).toBeUndefined();
  });
});
