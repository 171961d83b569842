import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BindingReply, Bindings } from '../../../protocol/sip/bindings.ts';
import type { SipRequest } from '../../../protocol/sip/message.ts';
import { createRequest } from './messages.ts';

interface Register {
  readonly contacts?: readonly string[];
  readonly expires?: string;
  readonly callId?: string;
  readonly cseq?: number;
}

let sequence = 0;

function register({ contacts = [], expires, callId, cseq }: Register): SipRequest {
  return createRequest('REGISTER', {
    uri: 'sip:gw',
    callId: callId ?? 'reg',
    cseq: cseq ?? ++sequence,
    headers: [
      ...contacts.map((value) => ({ name: 'Contact', value })),
      ...(expires === undefined ? [] : [{ name: 'Expires', value: expires }]),
    ],
  });
}

const uris = (bindings: Bindings<string>, nowMs = 0): string[] =>
  bindings.lookup('alice', nowMs).map(({ uri }) => uri);
const contactsOf = ({ headers }: BindingReply): string[] => headers.map(({ value }) => value);

describe('a REGISTER', () => {
  it.each<{ what: string; request: Register; status: number; listed: string[] }>([
    {
      what: 'adds a contact',
      request: { contacts: ['<sip:a@1.1.1.1:5>'], expires: '120' },
      status: 200,
      listed: ['<sip:a@1.1.1.1:5>;expires=120'],
    },
    {
      what: 'adds several, each with its own expiry',
      request: { contacts: ['<sip:a@1.1.1.1>;expires=60', '<sip:a@2.2.2.2>;q=0.5'], expires: '300' },
      status: 200,
      listed: ['<sip:a@1.1.1.1>;expires=60', '<sip:a@2.2.2.2>;q=0.5;expires=300'],
    },
    {
      what: 'gets an hour where it names no expiry',
      request: { contacts: ['<sip:a@1.1.1.1>'] },
      status: 200,
      listed: ['<sip:a@1.1.1.1>;expires=3600'],
    },
    {
      what: 'gets an hour where nobody can read its expiry',
      request: { contacts: ['<sip:a@1.1.1.1>;expires=soon'], expires: 'later' },
      status: 200,
      listed: ['<sip:a@1.1.1.1>;expires=3600'],
    },
    {
      what: 'gets no more than an hour',
      request: { contacts: ['<sip:a@1.1.1.1>'], expires: '4294967295' },
      status: 200,
      listed: ['<sip:a@1.1.1.1>;expires=3600'],
    },
    { what: 'asks who is there', request: {}, status: 200, listed: [] },
    {
      what: 'takes away what is not there',
      request: { contacts: ['<sip:a@1.1.1.1>'], expires: '0' },
      status: 200,
      listed: [],
    },
    {
      what: 'is too brief',
      request: { contacts: ['<sip:a@1.1.1.1>'], expires: '59' },
      status: 423,
      listed: ['60'],
    },
    {
      what: 'is too brief in one of two',
      request: { contacts: ['<sip:a@1.1.1.1>', '<sip:a@2.2.2.2>;expires=1'] },
      status: 423,
      listed: ['60'],
    },
    { what: 'has * with an expiry', request: { contacts: ['*'], expires: '60' }, status: 400, listed: [] },
    { what: 'has * without an expiry', request: { contacts: ['*'] }, status: 400, listed: [] },
    {
      what: 'has * beside a contact',
      request: { contacts: ['*', '<sip:a@1.1.1.1>'], expires: '0' },
      status: 400,
      listed: [],
    },
    {
      what: 'has a telephone number as contact',
      request: { contacts: ['<tel:+46123>'] },
      status: 400,
      listed: [],
    },
    {
      what: 'has a contact without end',
      request: { contacts: [`<sip:a@1.1.1.1;x=${'x'.repeat(2_000)}>`] },
      status: 400,
      listed: [],
    },
    {
      what: 'has the same contact twice',
      request: { contacts: ['<sip:a@1.1.1.1>', '<sip:a@1.1.1.1>;q=0.1'] },
      status: 200,
      listed: ['<sip:a@1.1.1.1>;q=0.1;expires=3600'],
    },
  ])('that $what: $status', ({ request, status, listed }) => {
    const bindings = new Bindings<string>();
    const reply = bindings.register('alice', register(request), 'way', 0);
    expect(reply.status).toBe(status);
    expect(contactsOf(reply)).toEqual(listed);
    expect(bindings.size).toBe(status === 200 ? listed.length : 0);
  });

  it('refreshes a binding, from another Call-ID too, and takes it away', () => {
    const bindings = new Bindings<string>();
    bindings.register('alice', register({ contacts: ['<sip:a@1.1.1.1>'], expires: '60' }), 'one', 0);
    bindings.register('alice', register({ contacts: ['<sip:a@1.1.1.1>'], expires: '60' }), 'two', 50_000);
    expect(bindings.lookup('alice', 100_000)).toMatchObject([{ way: 'two', expiresMs: 110_000 }]);
    const other = register({ contacts: ['<sip:a@1.1.1.1>;expires=0'], callId: 'other', cseq: 1 });
    expect(bindings.register('alice', other, 'three', 100_000)).toEqual({ status: 200, headers: [] });
    expect(bindings.size).toBe(0);
  });

  it('that came late does not undo a newer one, not even in part', () => {
    const bindings = new Bindings<string>();
    bindings.register('alice', register({ contacts: ['<sip:a@1.1.1.1>'], cseq: 10 }), 'new', 0);
    for (const cseq of [9, 10]) {
      for (const contacts of [['*'], ['<sip:a@1.1.1.1>', '<sip:a@2.2.2.2>']]) {
        const late = register({ contacts, expires: '0', cseq });
        expect(bindings.register('alice', late, 'late', 0).status).toBe(500);
      }
    }
    expect(uris(bindings)).toEqual(['sip:a@1.1.1.1']);
  });

  it('with * takes away everything of this user alone', () => {
    const bindings = new Bindings<string>();
    bindings.register('alice', register({ contacts: ['<sip:a@1.1.1.1>', '<sip:a@2.2.2.2>'] }), 'way', 0);
    bindings.register('bob', register({ contacts: ['<sip:b@3.3.3.3>'] }), 'way', 0);
    bindings.register('alice', register({ contacts: ['*'], expires: '0' }), 'way', 0);
    expect([uris(bindings), bindings.users()]).toEqual([[], ['bob']]);
  });

  it('from the same device replaces its old address', () => {
    const bindings = new Bindings<string>();
    const instance = '+sip.instance="<urn:uuid:1>"';
    bindings.register('alice', register({ contacts: [`<sip:a@1.1.1.1:4000>;${instance}`] }), 'old', 0);
    const reply = bindings.register(
      'alice',
      register({ contacts: [`<sip:a@1.1.1.1:5000>;${instance}`], callId: 'reboot' }),
      'new',
      1,
    );
    expect(contactsOf(reply)).toHaveLength(1);
    expect(uris(bindings)).toEqual(['sip:a@1.1.1.1:5000']);
  });
});

describe('bindings', () => {
  it('come preferred first, then the latest', () => {
    const bindings = new Bindings<string>();
    for (const [index, contact] of [
      '<sip:old@h>',
      '<sip:low@h>;q=0.3',
      '<sip:new@h>',
      '<sip:odd@h>;q=9',
    ].entries())
      bindings.register('alice', register({ contacts: [contact] }), 'way', index);
    expect(uris(bindings, 10)).toEqual(['sip:new@h', 'sip:old@h', 'sip:low@h', 'sip:odd@h']);
  });

  it('expire, and tell who is gone', () => {
    const bindings = new Bindings<string>();
    bindings.register(
      'alice',
      register({ contacts: ['<sip:a@h>;expires=60', '<sip:b@h>;expires=90'] }),
      'way',
      0,
    );
    expect([bindings.deadlineMs, bindings.expire(59_999)]).toEqual([60_000, []]);
    expect([bindings.expire(60_000), bindings.size, bindings.deadlineMs]).toEqual([[], 1, 90_000]);
    expect([bindings.expire(90_000), bindings.size, bindings.deadlineMs]).toEqual([['alice'], 0, undefined]);
  });

  it('are bounded: the one refreshed longest ago gives way', () => {
    const bindings = new Bindings<string>({ contactsMax: 3 });
    for (let port = 1; port <= 50; port++)
      bindings.register('alice', register({ contacts: [`<sip:a@h:${port}>`] }), 'way', port);
    expect(bindings.size).toBe(3);
    expect(uris(bindings)).toEqual(['sip:a@h:50', 'sip:a@h:49', 'sip:a@h:48']);
  });

  it('stay within their limits whatever comes', () => {
    const contact = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 7_200 }));
    const step = fc.record({
      contacts: fc.array(contact, { maxLength: 4 }),
      all: fc.boolean(),
      cseq: fc.integer({ min: 1, max: 50 }),
      callId: fc.constantFrom('a', 'b'),
      user: fc.constantFrom('alice', 'bob'),
      waitMs: fc.integer({ min: 0, max: 2_000_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const bindings = new Bindings<string>({ contactsMax: 4 });
        let nowMs = 0;
        for (const { contacts, all, user, waitMs, ...rest } of steps) {
          nowMs += waitMs;
          const values = contacts.map(([port, expires]) => `<sip:x@h:${port}>;expires=${expires}`);
          const request = register({
            ...rest,
            ...(all ? { contacts: ['*'], expires: '0' } : { contacts: values }),
          });
          const before = bindings.lookup(user, nowMs);
          const { status } = bindings.register(user, request, 'way', nowMs);
          const after = bindings.lookup(user, nowMs);
          if (status !== 200) expect(after).toEqual(before);
          expect(after.length).toBeLessThanOrEqual(4);
          for (const { expiresMs } of after) expect(expiresMs - nowMs).toBeLessThanOrEqual(3_600_000);
          expect(bindings.size).toBe(
            bindings.users().reduce((sum, name) => sum + bindings.lookup(name, nowMs).length, 0),
          );
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
