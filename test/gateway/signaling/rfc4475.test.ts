import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Registrar } from '../../../gateway/signaling/registrar.ts';
import { headerValue, headerValues, type SipRequest } from '../../../protocol/sip/message.ts';
import { parseNameAddr } from '../../../protocol/sip/name-addr.ts';
import { parseUri } from '../../../protocol/sip/uri.ts';
import { closeAgents, createAgent, createWorld, labelOf } from './agents.ts';

const folder = fileURLToPath(new URL('../../../../shared/vectors/rfc4475/', import.meta.url));

afterEach(closeAgents);

/** What this user agent sends back. It serves no registrations (405) and knows no dialog of theirs (481). */
const answers: { readonly [section: string]: { readonly [name: string]: string } } = {
  '3.1.1 valid': {
    wsinv: '481', // its To has a tag
    intmeth: '501',
    esc01: '100',
    escnull: '405',
    esc02: '501', // the method is RE%47IST%45R, and nothing else
    lwsdisp: '200',
    longreq: '100',
    dblreq: '405', // one request; what follows its body is no message
    semiuri: '200',
    transports: '200',
    mpart01: '405',
    unreason: 'nothing', // responses to nobody
    noreason: 'nothing',
  },
  '3.1.2 invalid': {
    badinv01: '400',
    clerr: '400',
    ncl: '400',
    scalar02: '400',
    scalarlg: 'nothing', // a response
    quotbal: '400',
    ltgtruri: '400',
    lwsruri: '400',
    lwsstart: '400',
    trws: '400',
    escruri: '400',
    baddate: '100', // nothing here reads Date, and the RFC leaves it open
    regbadct: '405',
    badaspec: '400',
    baddn: '400',
    badvers: '505',
    mismatch01: '400',
    mismatch02: '501',
    bigcode: 'nothing', // a response
  },
  '3.2 transactions': { badbranch: '400' },
  '3.3 applications': {
    insuf: '400',
    unkscm: '416',
    novelsc: '416',
    unksm2: '405',
    bext01: '420',
    invut: '415',
    regaut01: '405',
    multi01: '400',
    mcl01: '400',
    bcast: 'nothing', // a response for another host
    zeromf: '200', // we are the endpoint, it goes no further
    cparam01: '405',
    cparam02: '405',
    regescrt: '405',
    sdp01: '406',
  },
  '3.4 RFC 2543': { inv2543: '100' },
};

describe.skipIf(!existsSync(folder)).each(Object.entries(answers))('RFC 4475 §%s', (_section, rows) => {
  it.each(Object.entries(rows))('%s: %s', async (name, answer) => {
    const world = createWorld();
    const bob = await createAgent(world);
    const socket = await world.network.openUdp({ address: '127.0.0.1', port: 0 }, () => {});
    const bytes = readFileSync(`${folder}${name}.dat`);
    for (let time = 0; time < 2; time++) socket.send(bytes, 0, bytes.length, bob.port, '127.0.0.1');
    await world.clock.advance(50);
    const expected = answer === 'nothing' ? [] : [answer, answer];
    expect(bob.sent.map(({ message }) => labelOf(message))).toEqual(expected);
    expect(bob.sessions).toHaveLength(answer === '100' ? 1 : 0);
    expect(bob.counted).not.toContain('internal-error');
  });
});

/** What the registrar says to whoever has proved to be the user of To, and the contacts that it then knows. */
const registrations: Readonly<
  Record<string, { readonly status: string; readonly contacts?: readonly string[] }>
> = {
  escnull: { status: '200', contacts: ['sip:%00@host5.example.com', 'sip:%00%00@host5.example.com'] },
  dblreq: { status: '200', contacts: ['sip:j.user@host.example.com'] },
  scalar02: { status: '400' },
  regbadct: { status: '400' },
  unksm2: { status: '400' },
  regaut01: { status: '200', contacts: [] },
  // A parameter of the header, not of the URI.
  cparam01: { status: '200', contacts: ['sip:+19725552222@gw1.example.net'] },
  cparam02: { status: '200', contacts: ['sip:+19725552222@gw1.example.net;unknownparam'] },
  regescrt: { status: '200', contacts: ['sip:user@example.com?Route=%3Csip:sip.example.com%3E'] },
};

describe.skipIf(!existsSync(folder))('RFC 4475, REGISTER', () => {
  it.each(Object.entries(registrations))('%s', async (name, { status, contacts }) => {
    const world = createWorld();
    const registrar = new Registrar({ clock: world.clock, log: { info() {} }, counted() {}, changed() {} });
    const userOf = (request: SipRequest): string => {
      const { uri } = parseNameAddr(headerValue(request, 'To')!);
      return parseUri(uri).user!;
    };
    const asked: string[] = [];
    const gateway = await createAgent(world, { methodsServed: ['REGISTER'] });
    gateway.on.requestedOutside = (request, source) => {
      asked.push(userOf(request));
      return registrar.receive(request, { ...source, username: userOf(request) });
    };
    await sendTo(world, gateway.port, name);
    expect(gateway.sent.map(({ message }) => labelOf(message))).toEqual([status]);
    expect(asked).toHaveLength(contacts === undefined ? 0 : 1);
    if (contacts === undefined) return;
    const found = registrar.lookup(asked[0]!).map(({ uri }) => uri);
    expect(found.toSorted()).toEqual(contacts.toSorted());
    const listed = headerValues(gateway.sent[0]!.message, 'Contact').map((value) => parseNameAddr(value).uri);
    expect(listed.toSorted()).toEqual(contacts.toSorted());
    registrar.close();
  });

  it.each(['regaut01', 'cparam01', 'escnull'])('%s is asked for digest first', async (name) => {
    const world = createWorld();
    const auth = { realm: 'callwire', users: [{ username: 'j.user', password: 'x' }], required: false };
    const gateway = await createAgent(world, { methodsServed: ['REGISTER'], access: { auth } });
    await sendTo(world, gateway.port, name);
    expect(gateway.sent.map(({ message }) => labelOf(message))).toEqual(['401']);
    expect(headerValues(gateway.sent[0]!.message, 'WWW-Authenticate')[0]).toMatch(/^Digest /);
  });
});

async function sendTo({ network, clock }: ReturnType<typeof createWorld>, port: number, name: string) {
  const socket = await network.openUdp({ address: '127.0.0.1', port: 0 }, () => {});
  const bytes = readFileSync(`${folder}${name}.dat`);
  socket.send(bytes, 0, bytes.length, port, '127.0.0.1');
  await clock.advance(50);
}

it('every one of the 49 messages is listed', () => {
  expect(Object.values(answers).flatMap((rows) => Object.keys(rows))).toHaveLength(49);
});
