import { describe, expect, it } from 'vitest';
import { sessionEndReason } from '../../../gateway/calls/session-ends.ts';
import { createRequest } from '../../../protocol/sip/message.ts';
import { createResponse } from '../../../protocol/sip/response.ts';

const invite = createRequest({ method: 'INVITE', uri: 'sip:a@b', headers: [] });
const bye = createRequest({ method: 'BYE', uri: 'sip:a@b', headers: [] });

describe('what the end of a session means', () => {
  it.each([
    ['of a caller', 'caller', 'callerHangup'],
    ['of a called party', 'callee', 'calleeHangup'],
  ] as const)('BYE %s', (_what, role, reason) => {
    expect(sessionEndReason({ cause: 'bye', request: bye }, role, true)).toMatchObject({ reason });
  });

  it.each([
    [404, 'calleeUnknown'],
    [408, 'calleeUnreachable'],
    [480, 'noAnswer'],
    [484, 'calleeUnknown'],
    [486, 'calleeBusy'],
    [488, 'calleeNoCodec'],
    [500, 'calleeUnreachable'],
    [503, 'calleeUnreachable'],
    [600, 'calleeBusy'],
    [403, 'calleeDeclined'],
    [603, 'calleeDeclined'],
  ])('a called party that says %i', (status, reason) => {
    const response = createResponse(invite, status);
    expect(sessionEndReason({ cause: 'refused', response }, 'callee', false)).toEqual({
      reason,
      detail: `${status} ${response.reasonPhrase}`,
    });
  });

  it('nobody there: before the answer unreachable, after it lost', () => {
    const end = { cause: 'unreachable', message: 'no answer' } as const;
    expect(sessionEndReason(end, 'callee', false)?.reason).toBe('calleeUnreachable');
    expect(sessionEndReason(end, 'callee', true)?.reason).toBe('calleeLost');
    expect(sessionEndReason(end, 'caller', true)?.reason).toBe('legLost');
  });

  it('an end of ours means nothing', () => {
    expect(sessionEndReason({ cause: 'local' }, 'callee', true)).toBeUndefined();
  });
});
