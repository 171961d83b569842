import { describe, expect, test } from 'vitest';
import { type CallerId, Destinations, type Wanted } from '../../../gateway/routing/destinations.ts';

const trunks = [
  { name: 'first', uri: 'sip:carrier.example;transport=tcp', username: 'u', password: 'p', register: false },
  { name: 'second', uri: 'sip:10.0.0.9:5070', register: false },
];
const contact = { uri: 'sip:alice@192.0.2.7:5080;ob', flow: undefined };
const sip = {
  listen: ['udp:127.0.0.1:5060'],
  externalAddress: '203.0.113.7',
  auth: { realm: 'pbx.example' },
};

function destinations(known = trunks) {
  return new Destinations({
    config: { sip, trunks: known } as never,
    lookup: (username) => (username === 'alice' ? [contact] : []),
  });
}

const find = (wanted: Wanted, caller: Partial<CallerId> = {}) =>
  destinations().find(wanted, { cli: '+461', callHeaders: [], ...caller });

describe('where a call of ours goes', () => {
  test.each<{ name: string; wanted: Wanted; expected: object }>([
    {
      name: 'any SIP address, as it is written',
      wanted: { kind: 'sip', uri: 'sips:bob@far.example:5071' },
      expected: {
        placement: { target: 'sips:bob@far.example:5071', from: '<sip:+461@pbx.example>' },
        to: { type: 'sip', endpoint: 'bob@far.example:5071' },
        guarded: { kind: 'sip', host: 'far.example', port: 5071 },
      },
    },
    {
      name: 'a transport, unless the address names one',
      wanted: { kind: 'sip', uri: 'sip:bob@far.example', transport: 'tls' },
      expected: { placement: { target: 'sip:bob@far.example;transport=tls' } },
    },
    {
      name: 'an address that names one',
      wanted: { kind: 'sip', uri: 'sip:bob@far.example;transport=tcp', transport: 'tls' },
      expected: { placement: { target: 'sip:bob@far.example;transport=tcp' } },
    },
    ...['pbx.example', 'PBX.example', '127.0.0.1', '203.0.113.7'].map((host) => ({
      name: `a phone that registered with us, by our name ${host}`,
      wanted: { kind: 'sip', uri: `sip:alice@${host}` } as const,
      expected: {
        placement: { target: contact.uri },
        to: { type: 'username', endpoint: 'alice' },
        guarded: { kind: 'user' },
      },
    })),
    {
      name: 'the same name elsewhere is somebody else',
      wanted: { kind: 'sip', uri: 'sip:alice@far.example' },
      expected: { placement: { target: 'sip:alice@far.example' } },
    },
    {
      name: 'a number through the first trunk, with its digest',
      wanted: { kind: 'number', number: '+46700' },
      expected: {
        placement: {
          target: 'sip:+46700@carrier.example;transport=tcp',
          from: '<sip:+461@carrier.example>',
          credentials: { username: 'u', password: 'p' },
        },
        guarded: { kind: 'number', number: '+46700' },
      },
    },
    {
      name: 'through the trunk that is named',
      wanted: { kind: 'number', number: '112', trunk: 'second' },
      expected: { placement: { target: 'sip:112@10.0.0.9:5070' } },
    },
  ])('$name', ({ wanted, expected }) => {
    expect(find(wanted)).toMatchObject({ found: true, ...expected });
  });

  test('nowhere: no such phone, no such trunk, no trunk at all', () => {
    expect(find({ kind: 'user', username: 'bob' })).toMatchObject({ found: false, reason: 'calleeUnknown' });
    expect(find({ kind: 'number', number: '1', trunk: 'x' })).toMatchObject({
      found: false,
      reason: 'noTrunk',
    });
    expect(
      destinations([]).find({ kind: 'number', number: '1' }, { cli: '', callHeaders: [] }),
    ).toMatchObject({ found: false, reason: 'noTrunk' });
  });
});

describe('who calls', () => {
  const wanted: Wanted = { kind: 'sip', uri: 'sip:bob@far.example' };
  test.each([
    ['a number', '+461', '<sip:+461@pbx.example>'],
    ['a name that needs escaping', 'a b>', '<sip:a%20b%3E@pbx.example>'],
    ['a whole address', 'sip:me@mine.example', '<sip:me@mine.example>'],
    ['nobody', '', '<sip:callwire@pbx.example>'],
    ['private', 'private', '"Anonymous" <sip:anonymous@anonymous.invalid>'],
  ])('%s', (_what, cli, from) => {
    const found = find(wanted, { cli, callHeaders: [{ key: 'ticket', value: '7' }] });
    expect(found).toMatchObject({ placement: { from } });
    const headers = [{ name: 'X-ticket', value: '7' }];
    if (cli === 'private') headers.push({ name: 'Privacy', value: 'id' });
    expect(found).toMatchObject({ placement: { headers } });
  });

  test('on a trunk that has a user, nobody is that user', () => {
    expect(find({ kind: 'number', number: '1' }, { cli: '' })).toMatchObject({
      placement: { from: '<sip:u@carrier.example>' },
    });
  });
});
