import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
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
    mismatch02: '400',
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

it('every one of the 49 messages is listed', () => {
  expect(Object.values(answers).flatMap((rows) => Object.keys(rows))).toHaveLength(49);
});
