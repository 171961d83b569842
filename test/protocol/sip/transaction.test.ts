import { describe, expect, it } from 'vitest';
import type { SipRequest, SipResponse } from '../../../protocol/sip/message.ts';
import { Transaction, type TransactionOutput } from '../../../protocol/sip/transaction.ts';
import { buildAck } from '../../../protocol/sip/transaction-requests.ts';
import type { TransactionKind, TransactionState } from '../../../protocol/sip/transaction-tables.ts';
import { createRequest, createTestResponse } from './messages.ts';

/** What happens to the transaction, `in` from the network, `out` from its user. */
type Step = 'in' | `in ${number}` | 'in ACK' | `out ${number}` | `wait ${number}` | 'transport error';

interface Row {
  readonly name: string;
  readonly after: readonly Step[];
  readonly step: Step;
  readonly outputs: readonly string[];
  readonly state: TransactionState;
  readonly reliable?: boolean;
}

const tables: { readonly [kind in TransactionKind]: readonly Row[] } = {
  // RFC 3261 Figure 5, RFC 6026 Figure 5.
  inviteClient: [
    {
      name: 'repeats the INVITE after T1',
      after: [],
      step: 'wait 500',
      outputs: ['send INVITE'],
      state: 'calling',
    },
    {
      name: 'doubles timer A',
      after: ['wait 500'],
      step: 'wait 1000',
      outputs: ['send INVITE'],
      state: 'calling',
    },
    { name: 'does not repeat early', after: ['wait 500'], step: 'wait 999', outputs: [], state: 'calling' },
    {
      name: 'sends seven INVITEs and gives up after 64 T1',
      after: ['wait 500', 'wait 1000', 'wait 2000', 'wait 4000', 'wait 8000', 'wait 16000'],
      step: 'wait 500',
      outputs: ['report timeout'],
      state: 'terminated',
    },
    {
      name: 'does not repeat over a connection',
      after: [],
      step: 'wait 31999',
      outputs: [],
      state: 'calling',
      reliable: true,
    },
    {
      name: 'gives up over a connection too',
      after: [],
      step: 'wait 32000',
      outputs: ['report timeout'],
      state: 'terminated',
      reliable: true,
    },
    {
      name: 'fails with its transport',
      after: [],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'terminated',
    },
    {
      name: 'passes a provisional response',
      after: [],
      step: 'in 180',
      outputs: ['deliver 180'],
      state: 'proceeding',
    },
    {
      name: 'is silent once proceeding',
      after: ['in 100'],
      step: 'wait 200000',
      outputs: [],
      state: 'proceeding',
    },
    {
      name: 'passes them all',
      after: ['in 100'],
      step: 'in 183',
      outputs: ['deliver 183'],
      state: 'proceeding',
    },
    { name: 'passes a 2xx', after: [], step: 'in 200', outputs: ['deliver 200'], state: 'accepted' },
    {
      name: 'passes a 2xx after ringing',
      after: ['in 180'],
      step: 'in 200',
      outputs: ['deliver 200'],
      state: 'accepted',
    },
    {
      name: 'passes every repeated 2xx',
      after: ['in 200'],
      step: 'in 200',
      outputs: ['deliver 200'],
      state: 'accepted',
    },
    {
      name: 'ignores a refusal after the answer',
      after: ['in 200'],
      step: 'in 486',
      outputs: [],
      state: 'accepted',
    },
    { name: 'ends with timer M', after: ['in 200'], step: 'wait 32000', outputs: [], state: 'terminated' },
    {
      name: 'acknowledges a refusal',
      after: [],
      step: 'in 486',
      outputs: ['send ACK', 'deliver 486'],
      state: 'completed',
    },
    {
      name: 'acknowledges a refusal after ringing',
      after: ['in 180'],
      step: 'in 302',
      outputs: ['send ACK', 'deliver 302'],
      state: 'completed',
    },
    {
      name: 'repeats the ACK alone',
      after: ['in 486'],
      step: 'in 486',
      outputs: ['send ACK'],
      state: 'completed',
    },
    { name: 'ignores a late 2xx', after: ['in 486'], step: 'in 200', outputs: [], state: 'completed' },
    { name: 'ends with timer D', after: ['in 486'], step: 'wait 32000', outputs: [], state: 'terminated' },
    { name: 'waits for timer D', after: ['in 486'], step: 'wait 31999', outputs: [], state: 'completed' },
    {
      name: 'has no timer D over a connection',
      after: [],
      step: 'in 486',
      outputs: ['send ACK', 'deliver 486'],
      state: 'terminated',
      reliable: true,
    },
    {
      name: 'cannot send its ACK',
      after: ['in 486'],
      step: 'transport error',
      outputs: [],
      state: 'terminated',
    },
  ],
  // RFC 3261 Figure 6.
  client: [
    { name: 'repeats after T1', after: [], step: 'wait 500', outputs: ['send BYE'], state: 'trying' },
    {
      name: 'doubles timer E up to T2',
      after: ['wait 500', 'wait 1000', 'wait 2000', 'wait 4000'],
      step: 'wait 4000',
      outputs: ['send BYE'],
      state: 'trying',
    },
    {
      name: 'gives up after 64 T1',
      after: ['wait 500', 'wait 1000', 'wait 2000', ...Array<Step>(7).fill('wait 4000')],
      step: 'wait 500',
      outputs: ['report timeout'],
      state: 'terminated',
    },
    {
      name: 'does not repeat over a connection',
      after: [],
      step: 'wait 32000',
      outputs: ['report timeout'],
      state: 'terminated',
      reliable: true,
    },
    {
      name: 'fails with its transport',
      after: [],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'terminated',
    },
    {
      name: 'passes a provisional response',
      after: [],
      step: 'in 100',
      outputs: ['deliver 100'],
      state: 'proceeding',
    },
    {
      name: 'repeats every T2 then',
      after: ['in 100'],
      step: 'wait 4000',
      outputs: ['send BYE'],
      state: 'proceeding',
    },
    { name: 'not before', after: ['in 100'], step: 'wait 3999', outputs: [], state: 'proceeding' },
    {
      name: 'and again',
      after: ['in 100', 'wait 4000'],
      step: 'wait 4000',
      outputs: ['send BYE'],
      state: 'proceeding',
    },
    {
      name: 'gives up while proceeding',
      after: ['in 100', ...Array<Step>(7).fill('wait 4000')],
      step: 'wait 4000',
      outputs: ['report timeout'],
      state: 'terminated',
    },
    {
      name: 'fails while proceeding',
      after: ['in 100'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'terminated',
    },
    {
      name: 'passes provisional after provisional',
      after: ['in 100'],
      step: 'in 182',
      outputs: ['deliver 182'],
      state: 'proceeding',
    },
    { name: 'passes a 2xx', after: [], step: 'in 200', outputs: ['deliver 200'], state: 'completed' },
    { name: 'passes a refusal', after: [], step: 'in 481', outputs: ['deliver 481'], state: 'completed' },
    {
      name: 'passes a 2xx while proceeding',
      after: ['in 100'],
      step: 'in 200',
      outputs: ['deliver 200'],
      state: 'completed',
    },
    {
      name: 'passes a refusal while proceeding',
      after: ['in 100'],
      step: 'in 500',
      outputs: ['deliver 500'],
      state: 'completed',
    },
    {
      name: 'absorbs a repeated response',
      after: ['in 200'],
      step: 'in 200',
      outputs: [],
      state: 'completed',
    },
    { name: 'waits for timer K', after: ['in 200'], step: 'wait 4999', outputs: [], state: 'completed' },
    { name: 'ends with timer K', after: ['in 200'], step: 'wait 5000', outputs: [], state: 'terminated' },
    {
      name: 'has no timer K over a connection',
      after: [],
      step: 'in 200',
      outputs: ['deliver 200'],
      state: 'terminated',
      reliable: true,
    },
  ],
  // RFC 3261 Figure 7, RFC 6026 Figure 7.
  inviteServer: [
    { name: 'has nothing to repeat yet', after: [], step: 'in', outputs: [], state: 'proceeding' },
    {
      name: 'sends a provisional response',
      after: [],
      step: 'out 100',
      outputs: ['send 100'],
      state: 'proceeding',
    },
    {
      name: 'repeats the last one',
      after: ['out 100', 'out 180'],
      step: 'in',
      outputs: ['send 180'],
      state: 'proceeding',
    },
    {
      name: 'waits without limit',
      after: ['out 180'],
      step: 'wait 300000',
      outputs: [],
      state: 'proceeding',
    },
    {
      name: 'tells of its transport and stays',
      after: ['out 180'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'proceeding',
    },
    {
      name: 'ignores an ACK that comes too early',
      after: ['out 180'],
      step: 'in ACK',
      outputs: [],
      state: 'proceeding',
    },
    { name: 'sends a 2xx', after: [], step: 'out 200', outputs: ['send 200'], state: 'accepted' },
    { name: 'absorbs the INVITE then', after: ['out 200'], step: 'in', outputs: [], state: 'accepted' },
    {
      name: 'sends it again when told',
      after: ['out 200'],
      step: 'out 200',
      outputs: ['send 200'],
      state: 'accepted',
    },
    {
      name: 'passes an ACK with its branch',
      after: ['out 200'],
      step: 'in ACK',
      outputs: ['deliver ACK'],
      state: 'accepted',
    },
    {
      name: 'does not repeat the 2xx itself',
      after: ['out 200'],
      step: 'wait 31999',
      outputs: [],
      state: 'accepted',
    },
    { name: 'ends with timer L', after: ['out 200'], step: 'wait 32000', outputs: [], state: 'terminated' },
    {
      name: 'cannot be refused any more',
      after: ['out 200'],
      step: 'out 487',
      outputs: [],
      state: 'accepted',
    },
    {
      name: 'tells of its transport after the answer',
      after: ['out 200'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'accepted',
    },
    {
      name: 'sends a refusal',
      after: ['out 180'],
      step: 'out 486',
      outputs: ['send 486'],
      state: 'completed',
    },
    {
      name: 'repeats it for the INVITE',
      after: ['out 486'],
      step: 'in',
      outputs: ['send 486'],
      state: 'completed',
    },
    {
      name: 'repeats it with timer G',
      after: ['out 486'],
      step: 'wait 500',
      outputs: ['send 486'],
      state: 'completed',
    },
    {
      name: 'doubles timer G up to T2',
      after: ['out 486', 'wait 500', 'wait 1000', 'wait 2000', 'wait 4000'],
      step: 'wait 4000',
      outputs: ['send 486'],
      state: 'completed',
    },
    { name: 'is decided', after: ['out 486'], step: 'out 200', outputs: [], state: 'completed' },
    {
      name: 'misses the ACK with timer H',
      after: ['out 486', 'wait 500', 'wait 1000', 'wait 2000', ...Array<Step>(7).fill('wait 4000')],
      step: 'wait 500',
      outputs: ['report missingAck'],
      state: 'terminated',
    },
    {
      name: 'does not repeat over a connection',
      after: ['out 486'],
      step: 'wait 32000',
      outputs: ['report missingAck'],
      state: 'terminated',
      reliable: true,
    },
    {
      name: 'tells of its transport after a refusal',
      after: ['out 486'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'completed',
    },
    { name: 'is confirmed by the ACK', after: ['out 486'], step: 'in ACK', outputs: [], state: 'confirmed' },
    {
      name: 'absorbs more ACKs',
      after: ['out 486', 'in ACK'],
      step: 'in ACK',
      outputs: [],
      state: 'confirmed',
    },
    {
      name: 'is silent then',
      after: ['out 486', 'in ACK'],
      step: 'wait 4999',
      outputs: [],
      state: 'confirmed',
    },
    {
      name: 'ends with timer I',
      after: ['out 486', 'in ACK'],
      step: 'wait 5000',
      outputs: [],
      state: 'terminated',
    },
    {
      name: 'has no timer I over a connection',
      after: ['out 486'],
      step: 'in ACK',
      outputs: [],
      state: 'terminated',
      reliable: true,
    },
  ],
  // RFC 3261 Figure 8.
  server: [
    { name: 'absorbs the request', after: [], step: 'in', outputs: [], state: 'trying' },
    {
      name: 'sends a provisional response',
      after: [],
      step: 'out 100',
      outputs: ['send 100'],
      state: 'proceeding',
    },
    { name: 'repeats it', after: ['out 100'], step: 'in', outputs: ['send 100'], state: 'proceeding' },
    {
      name: 'sends another',
      after: ['out 100'],
      step: 'out 182',
      outputs: ['send 182'],
      state: 'proceeding',
    },
    { name: 'sends a 2xx', after: [], step: 'out 200', outputs: ['send 200'], state: 'completed' },
    { name: 'sends a refusal', after: [], step: 'out 481', outputs: ['send 481'], state: 'completed' },
    {
      name: 'sends a 2xx after that',
      after: ['out 100'],
      step: 'out 200',
      outputs: ['send 200'],
      state: 'completed',
    },
    {
      name: 'sends a refusal after that',
      after: ['out 100'],
      step: 'out 500',
      outputs: ['send 500'],
      state: 'completed',
    },
    {
      name: 'fails with its transport',
      after: ['out 100'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'terminated',
    },
    {
      name: 'repeats the final response',
      after: ['out 200'],
      step: 'in',
      outputs: ['send 200'],
      state: 'completed',
    },
    { name: 'is decided', after: ['out 200'], step: 'out 500', outputs: [], state: 'completed' },
    {
      name: 'fails with its transport later',
      after: ['out 200'],
      step: 'transport error',
      outputs: ['report transportError'],
      state: 'terminated',
    },
    { name: 'waits for timer J', after: ['out 200'], step: 'wait 31999', outputs: [], state: 'completed' },
    { name: 'ends with timer J', after: ['out 200'], step: 'wait 32000', outputs: [], state: 'terminated' },
    {
      name: 'has no timer J over a connection',
      after: [],
      step: 'out 200',
      outputs: ['send 200'],
      state: 'terminated',
      reliable: true,
    },
  ],
};

const starts: { readonly [kind in TransactionKind]: readonly string[] } = {
  inviteClient: ['send INVITE'],
  client: ['send BYE'],
  inviteServer: [],
  server: [],
};

for (const [kind, rows] of Object.entries(tables) as [TransactionKind, readonly Row[]][]) {
  describe(`${kind} transaction`, () => {
    it.each(rows)('$name ($after → $step)', ({ after, step, outputs, state, reliable = false }) => {
      const request = createRequest(kind.startsWith('invite') ? 'INVITE' : 'BYE');
      const transaction = new Transaction({
        kind,
        request,
        reliable,
        buildAck: (response) => buildAck(request, response),
      });
      let nowMs = 1_000;
      expect(transaction.start(nowMs).map(label)).toEqual(starts[kind]);
      const take = (what: Step): string[] => {
        if (what.startsWith('wait ')) {
          const untilMs = nowMs + Number(what.slice(5));
          const waited = waitUntil(transaction, untilMs);
          nowMs = untilMs;
          return waited;
        }
        return apply(transaction, request, what, nowMs).map(label);
      };
      for (const what of after) take(what);
      expect(take(step)).toEqual(outputs);
      expect(transaction.state).toBe(state);
      if (state === 'terminated') expect(transaction.deadlineMs).toBeUndefined();
    });
  });
}

describe('the ACK inside the transaction', () => {
  it('has the branch and the Request-URI of the INVITE and the To tag of the response', () => {
    const invite = createRequest('INVITE', { routes: ['<sip:proxy.example;lr>'] });
    const ack = buildAck(invite, createTestResponse(invite, 486, 'abc'));
    expect(ack.method).toBe('ACK');
    expect(ack.uri).toBe(invite.uri);
    expect(ack.headers).toEqual([
      invite.headers[0],
      { name: 'Route', value: '<sip:proxy.example;lr>' },
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: '<sip:alice@a.example>;tag=alice' },
      { name: 'To', value: '<sip:bob@b.example>;tag=abc' },
      { name: 'Call-ID', value: 'call-1' },
      { name: 'CSeq', value: '1 ACK' },
    ]);
  });
});

function waitUntil(transaction: Transaction, untilMs: number): string[] {
  const outputs: string[] = [];
  while (transaction.deadlineMs !== undefined && transaction.deadlineMs <= untilMs) {
    outputs.push(...transaction.expire(transaction.deadlineMs).map(label));
  }
  return outputs;
}

function apply(
  transaction: Transaction,
  request: SipRequest,
  step: Step,
  nowMs: number,
): TransactionOutput[] {
  if (step === 'transport error') return transaction.transportFailed(nowMs);
  if (step === 'in') return transaction.receive(request, nowMs);
  if (step === 'in ACK') return transaction.receive({ ...request, method: 'ACK' }, nowMs);
  const [direction, status] = step.split(' ');
  const response: SipResponse = createTestResponse(request, Number(status), 'bob');
  return direction === 'in' ? transaction.receive(response, nowMs) : transaction.respond(response, nowMs);
}

function label(output: TransactionOutput): string {
  if ('report' in output) return `report ${output.report}`;
  const message = 'send' in output ? output.send : output.deliver;
  const what = message.kind === 'request' ? message.method : String(message.status);
  return `${'send' in output ? 'send' : 'deliver'} ${what}`;
}
