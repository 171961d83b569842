import { describe, expect, it } from 'vitest';
import { MessageTrace } from '../../../gateway/signaling/message-trace.ts';
import { readableMessage, traceBlock } from '../../../gateway/signaling/readable-message.ts';
import type { SipAddress } from '../../../gateway/signaling/session.ts';
import { createRequest, type SipRequest } from '../../../protocol/sip/message.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const remote: SipAddress = { protocol: 'udp', address: '192.0.2.1', port: 5060 };
const local: SipAddress = { protocol: 'udp', address: '192.0.2.9', port: 5060 };

function request(method: string, callId: string, cseq = 1): SipRequest {
  const headers = [
    { name: 'Call-ID', value: callId },
    { name: 'CSeq', value: `${cseq} ${method}` },
  ];
  return createRequest({ method, uri: 'sip:bob@example.com', headers });
}

function createTrace(limits: { callsMax?: number; messagesMax?: number } = {}) {
  const clock = new FakeClock();
  const trace = new MessageTrace({ clock, callsMax: 3, messagesMax: 10, ...limits });
  const record = (method: string, callId: string, cseq?: number): void =>
    trace.record('in', request(method, callId, cseq), remote, local);
  return { clock, trace, record };
}

const cseqs = (trace: MessageTrace, callId: string): (string | undefined)[] | undefined =>
  trace.of(callId)?.messages.map(({ message }) => message.headers[1]?.value);

describe('MessageTrace', () => {
  it('has the messages of a call from its INVITE on, of all its dialogs in order', async () => {
    const { clock, trace, record } = createTrace();
    record('INVITE', 'a', 1);
    trace.name('call', 'a');
    await clock.advance(10);
    record('INVITE', 'b', 2);
    trace.name('call', 'b');
    await clock.advance(10);
    record('BYE', 'a', 3);
    expect(cseqs(trace, 'call')).toEqual(['1 INVITE', '2 INVITE', '3 BYE']);
    expect(trace.of('other')).toBeUndefined();
  });

  it('keeps the first and the last of many', () => {
    const { trace, record } = createTrace({ messagesMax: 4 });
    record('INVITE', 'a', 1);
    trace.name('call', 'a');
    for (let cseq = 2; cseq <= 9; cseq++) record('INFO', 'a', cseq);
    expect(cseqs(trace, 'call')).toEqual(['1 INVITE', '2 INFO', '8 INFO', '9 INFO']);
    expect(trace.of('call')?.dropped).toBe(5);
  });

  it('keeps the newest calls, and strangers push out none', () => {
    const { trace, record } = createTrace();
    for (let call = 0; call < 5; call++) {
      record('INVITE', `dialog${call}`);
      trace.name(`call${call}`, `dialog${call}`);
    }
    for (let junk = 0; junk < 1_000; junk++) record('INVITE', `junk${junk}`);
    for (let junk = 0; junk < 1_000; junk++) record('OPTIONS', `more${junk}`);
    const kept = [0, 1, 2, 3, 4].filter((call) => trace.of(`call${call}`) !== undefined);
    expect(kept).toEqual([2, 3, 4]);
  });

  it('keeps nothing where it shall not', () => {
    const { trace, record } = createTrace({ callsMax: 0 });
    record('INVITE', 'a');
    trace.name('call', 'a');
    expect(trace.of('call')).toBeUndefined();
  });
});

describe('a readable message', () => {
  it('moves no cursor, and counts what is no text', () => {
    const headers = [
      { name: 'Subject', value: '\x1b[2Jå' },
      { name: 'Content-Type', value: 'application/octet-stream' },
    ];
    const message = createRequest({ method: 'INFO', uri: 'sip:x', headers, body: new Uint8Array(9) });
    expect(readableMessage(message)).toBe(
      'INFO sip:x SIP/2.0\nSubject: ?[2Jå\nContent-Type: application/octet-stream\nContent-Length: 37\n\n[9 bytes of application/octet-stream]',
    );
  });

  it('has lists on one line, and addresses one a line', () => {
    const headers = ['Via', 'Via', 'Allow', 'Allow', 'Supported'].map((name, index) => ({
      name,
      value: `v${index}`,
    }));
    const message = createRequest({ method: 'OPTIONS', uri: 'sip:x', headers });
    expect(readableMessage(message).split('\n').slice(1, -1)).toEqual([
      'Via: v0',
      'Via: v1',
      'Allow: v2, v3',
      'Supported: v4',
    ]);
  });

  it('is a block with its time and its way', () => {
    const message = request('BYE', 'a');
    const block = traceBlock({ atMs: 0, wallMs: 1_700_000_000_123, direction: 'in', local, remote, message });
    expect(block).toBe(
      '22:13:20.123 ◀── BYE sip:bob@example.com  from udp:192.0.2.1:5060 at udp:192.0.2.9:5060\n' +
        '    BYE sip:bob@example.com SIP/2.0\n    Call-ID: a\n    CSeq: 1 BYE\n    Content-Length: 0\n\n',
    );
  });
});
