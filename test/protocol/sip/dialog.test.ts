import { describe, expect, it } from 'vitest';
import { Dialog } from '../../../protocol/sip/dialog.ts';
import { headerValue, headerValues, type SipHeader } from '../../../protocol/sip/message.ts';
import { createRequest, createTestResponse } from './messages.ts';

const recordRoutes = (...values: string[]): SipHeader[] =>
  values.map((value) => ({ name: 'Record-Route', value }));
const contact = '"Alice" <sip:alice@192.0.2.1:5070;transport=tcp>;expires=60';

function calledDialog(...routes: string[]): Dialog {
  return Dialog.fromRequest(
    createRequest('INVITE', { contact, cseq: 314, headers: recordRoutes(...routes) }),
    'bob',
  );
}

function callingDialog(routes: string[], contactValue = '<sip:bob@192.0.2.2>'): Dialog {
  const invite = createRequest('INVITE', { cseq: 7 });
  const headers = [...recordRoutes(...routes), { name: 'Contact', value: contactValue }];
  return Dialog.fromResponse(invite, createTestResponse(invite, 200, 'bob', headers));
}

describe('a dialog made by a request', () => {
  it('calls back with swapped addresses and its own CSeq', () => {
    const { request, nextHop } = calledDialog().createRequest('BYE');
    expect(request.uri).toBe('sip:alice@192.0.2.1:5070;transport=tcp');
    expect(nextHop).toBe(request.uri);
    expect(headerValue(request, 'From')).toBe('<sip:bob@b.example>;tag=bob');
    expect(headerValue(request, 'To')).toBe('<sip:alice@a.example>;tag=alice');
    expect(headerValue(request, 'Call-ID')).toBe('call-1');
    expect(headerValue(request, 'CSeq')).toBe('1 BYE');
    expect(headerValue(request, 'Max-Forwards')).toBe('70');
  });

  it('keeps the order of Record-Route', () => {
    const dialog = calledDialog('<sip:p1.example;lr>', '<sip:p2.example;lr>');
    const { request, nextHop } = dialog.createRequest('BYE');
    expect(headerValues(request, 'Route')).toEqual(['<sip:p1.example;lr>', '<sip:p2.example;lr>']);
    expect(nextHop).toBe('sip:p1.example;lr');
    expect(request.uri).toBe('sip:alice@192.0.2.1:5070;transport=tcp');
  });

  it('uses From where the caller gave no Contact', () => {
    const dialog = Dialog.fromRequest(createRequest('INVITE'), 'bob');
    expect(dialog.remoteTarget).toBe('sip:alice@a.example');
  });

  it('lives without a From tag (RFC 2543)', () => {
    const dialog = Dialog.fromRequest(createRequest('INVITE', { from: '<sip:a@a.example>' }), 'bob');
    expect(dialog.remoteTag).toBeUndefined();
  });
});

describe('a dialog made by a response', () => {
  it('reverses Record-Route', () => {
    const { request } = callingDialog(['<sip:p2.example;lr>', '<sip:p1.example;lr>']).createRequest('BYE');
    expect(headerValues(request, 'Route')).toEqual(['<sip:p1.example;lr>', '<sip:p2.example;lr>']);
    expect(headerValue(request, 'CSeq')).toBe('8 BYE');
  });

  it('turns its request round for a strict router', () => {
    const dialog = callingDialog(['<sip:p2.example;lr>', '<sip:p1.example>']);
    const { request, nextHop } = dialog.createRequest('BYE');
    expect(request.uri).toBe('sip:p1.example');
    expect(nextHop).toBe('sip:p1.example');
    expect(headerValues(request, 'Route')).toEqual(['<sip:p2.example;lr>', '<sip:bob@192.0.2.2>']);
  });

  it('acknowledges with the CSeq of the INVITE and its credentials', () => {
    const invite = createRequest('INVITE', {
      cseq: 7,
      headers: [{ name: 'Authorization', value: 'Digest username="u"' }],
    });
    const dialog = Dialog.fromResponse(invite, createTestResponse(invite, 200, 'bob'));
    dialog.createRequest('INFO');
    const { request } = dialog.createAck(invite);
    expect(headerValue(request, 'CSeq')).toBe('7 ACK');
    expect(headerValue(request, 'Authorization')).toBe('Digest username="u"');
    expect(headerValue(request, 'To')).toBe('<sip:bob@b.example>;tag=bob');
  });

  it('falls back to the Request-URI where Contact is missing or bad', () => {
    expect(callingDialog([], '<tel:+46>').remoteTarget).toBe('sip:bob@b.example');
    expect(callingDialog([], 'nonsense').remoteTarget).toBe('sip:bob@b.example');
  });

  it('refuses a route that is none', () => {
    expect(() => callingDialog(['<sip:>'])).toThrow('expected');
  });
});

describe('the order of requests', () => {
  it.each([
    [315, true],
    [400, true],
    [314, false],
    [313, false],
  ])('CSeq %i after 314: %s', (cseq, accepted) => {
    expect(calledDialog().acceptCSeq(createRequest('INFO', { cseq }))).toBe(accepted);
  });

  it('starts anywhere where the far side has sent nothing yet', () => {
    const dialog = callingDialog([]);
    expect(dialog.acceptCSeq(createRequest('INFO', { cseq: 0 }))).toBe(true);
    expect(dialog.acceptCSeq(createRequest('INFO', { cseq: 0 }))).toBe(false);
  });
});

describe('the remote target', () => {
  it('moves with the Contact of a refresh, not with a bad one', () => {
    const dialog = calledDialog();
    dialog.refreshTarget(createRequest('INVITE', { contact: '<sip:alice@198.51.100.7>' }));
    dialog.refreshTarget(createRequest('INVITE', { contact: '<<>' }));
    dialog.refreshTarget(createRequest('INVITE'));
    expect(dialog.createRequest('BYE').request.uri).toBe('sip:alice@198.51.100.7');
  });

  it('leaves out what a Request-URI must not carry', () => {
    const dialog = calledDialog();
    dialog.refreshTarget(
      createRequest('INVITE', { contact: '<sip:alice@198.51.100.7;method=INVITE?Subject=x>' }),
    );
    expect(dialog.remoteTarget).toBe('sip:alice@198.51.100.7');
  });
});
