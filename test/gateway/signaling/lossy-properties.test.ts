import { afterEach, expect, it, vi } from 'vitest';
import { headerValue, headerValues, type SipMessage } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { parseVia } from '../../../protocol/sip/via.ts';
import {
  type Agent,
  accept,
  answerSdp,
  closeAgents,
  createAgent,
  createCall,
  createPair,
  createWorld,
  expectNothingLeft,
  labelOf,
  offerSdp,
} from './agents.ts';
import { openStranger } from './strangers.ts';

/** Properties of docs/sip.md that no other file tries over a link that loses a fifth: each a whole dialog, from the
 *  first message until nothing is left of it. */

afterEach(closeAgents);

const lossy = { delayMs: 20, lossPercent: 20 };
type World = ReturnType<typeof createWorld>;

async function createPairOn(world: World, bobs: Parameters<typeof createAgent>[1] = {}, address?: string) {
  const listen = address === undefined ? {} : { listen: [{ protocol: 'udp', address, port: 0 } as const] };
  const alice = await createAgent(world, { seed: 1, ...listen });
  const bob = await createAgent(world, { seed: 2, ...listen, ...bobs });
  bob.on.invited = (session) => session.accept(accept);
  return { alice, bob };
}

/** Calls, talks, hangs up. */
async function talk({ clock }: World, alice: Agent, bob: Agent): Promise<void> {
  const session = alice.call(bob);
  await clock.until(() => bob.events.includes('confirmed'), 60_000);
  session.end({ status: 200 });
  await clock.until(() => bob.events.includes('ended:bye'), 60_000);
  expect(alice.events).toEqual(['accepted', 'ended:local']);
}

/** Sends INVITEs on to several, and what they answer back, as a proxy without state does that forks and does not stay on
 *  the way. Returns its URI. */
async function openFork({ network }: World, targets: readonly Agent[]): Promise<string> {
  const forward = (message: SipMessage, port: number): void => {
    const bytes = serializeMessage(message);
    socket.send(bytes, 0, bytes.length, port, '127.0.0.1');
  };
  const socket = await network.openUdp({ address: '127.0.0.1', port: 0 }, (datagram) => {
    const message = parseMessage(datagram);
    const [top, next] = headerValues(message, 'Via').map(parseVia);
    if (message.kind === 'response') {
      const first = message.headers.findIndex(({ name }) => name === 'Via');
      return forward({ ...message, headers: message.headers.toSpliced(first, 1) }, next!.port!);
    }
    for (const { port, uri } of targets) {
      // The same for a request that comes again.
      const branch = `${top!.branch}-${port}`;
      const via = { name: 'Via', value: `SIP/2.0/UDP 127.0.0.1:${socket.port};branch=${branch}` };
      forward({ ...message, uri, headers: [via, ...message.headers] }, port);
    }
  });
  return `sip:all@127.0.0.1:${socket.port}`;
}

const properties: readonly { readonly name: string; readonly run: (seed: number) => Promise<void> }[] = [
  {
    name: 'IPv6',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world, {}, '::1');
      await talk(world, alice, bob);
      const { invite } = bob.sessions[0]!;
      expect(parseVia(headerValue(invite, 'Via')!).host).toBe('::1');
      expect(headerValue(invite, 'Contact')).toContain('@[::1]:');
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'externalAddress',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(
        world,
        { externalAddress: '203.0.113.7', listen: [{ protocol: 'udp', address: '10.0.0.5', port: 0 }] },
        '198.51.100.1',
      );
      // The network of the tests goes by ports alone.
      await talk(world, alice, { ...bob, uri: `sip:bob@203.0.113.7:${bob.port}` });
      const answer = alice.received.find((message) => labelOf(message) === '200')!;
      expect(headerValue(answer, 'Contact')).toContain(`203.0.113.7:${bob.port}`);
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'a large request goes over UDP where TCP is refused',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world);
      const offer = offerSdp + 'a=x:0123456789012345678901234567890123456789\r\n'.repeat(30);
      const session = alice.userAgent.invite(
        { target: bob.uri, from: alice.uri, offer: () => offer },
        alice.handlers(),
      );
      // TCP is real, and so is its refusal.
      await vi.waitFor(() => expect(alice.sent.map(({ message }) => labelOf(message))).toContain('INVITE'));
      await world.clock.until(() => bob.events.includes('confirmed'), 60_000);
      expect(session.offer?.length ?? bob.sessions[0]!.offer!.length).toBeGreaterThan(1_300);
      session.end({ status: 200 });
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'a late offer is answered by the ACK, at first and in mid-call',
    async run(seed) {
      const { clock, alice, bob } = await createPair({ ...lossy, seed });
      bob.on.invited = (session) => session.accept({ sdp: offerSdp });
      alice.on.accepted = (_response, answer) => expect(answer).toBe(offerSdp);
      const caller = alice.call(bob, { offer: () => '' });
      await clock.until(() => bob.events.includes('confirmed'), 60_000);
      bob.on.offered = (offer) => (offer === undefined ? { answer: offerSdp } : { status: 488 });
      let outcome: unknown;
      void caller.reinvite('').then((result) => {
        outcome = result;
      });
      await clock.until(() => outcome !== undefined, 60_000);
      expect(outcome).toEqual({ answer: offerSdp });
      expect(bob.events).toContain('offered:none');
      caller.end({ status: 200 });
      await expectNothingLeft(clock, alice, bob);
    },
  },
  {
    name: 're-INVITEs that cross: 491, and both come through',
    async run(seed) {
      const { clock, alice, bob, caller, callee } = await createCall({ ...lossy, seed });
      let crossed = 0;
      for (let round = 0; round < 5; round++) {
        const outcomes: unknown[] = [];
        for (const session of [caller, callee])
          void session.reinvite(offerSdp).then((result) => outcomes.push(result));
        await clock.until(() => outcomes.length === 2, 120_000);
        expect(outcomes).toEqual([{ answer: answerSdp }, { answer: answerSdp }]);
        crossed += [...alice.sent, ...bob.sent].filter(({ message }) => labelOf(message) === '491').length;
        await clock.advance(1_000);
      }
      expect(crossed).toBeGreaterThan(0);
      caller.end({ status: 200 });
      await expectNothingLeft(clock, alice, bob);
    },
  },
  {
    name: 'an offer that is refused with 488 leaves the session as it was, by re-INVITE and UPDATE',
    async run(seed) {
      const { clock, alice, bob, caller, callee } = await createCall({ ...lossy, seed });
      const outcomes: unknown[] = [];
      for (const agent of [alice, bob]) agent.on.offered = () => ({ status: 488 });
      for (const ask of [
        () => caller.reinvite(offerSdp),
        () => callee.reinvite(offerSdp),
        () => caller.update(offerSdp),
        () => callee.update(offerSdp),
      ]) {
        const before = outcomes.length;
        void ask().then((result) => outcomes.push(result));
        await clock.until(() => outcomes.length > before, 60_000);
      }
      expect(outcomes).toEqual(Array.from({ length: 4 }, () => ({ status: 488 })));
      expect([caller.state, callee.state]).toEqual(['confirmed', 'confirmed']);
      caller.end({ status: 200 });
      await expectNothingLeft(clock, alice, bob);
    },
  },
  {
    name: 'a forked INVITE: one phone has the call, the other gets ACK and BYE',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world);
      const carol = await createAgent(world, { seed: 3 });
      carol.on.invited = bob.on.invited!;
      const session = alice.call({ uri: await openFork(world, [bob, carol]) });
      const confirmed = (agent: Agent): boolean => agent.events.includes('confirmed');
      await world.clock.until(() => confirmed(bob) && confirmed(carol), 60_000);
      await world.clock.advance(40_000);
      const states = [bob, carol].map(({ sessions }) => sessions[0]!.state).toSorted();
      expect([states, session.state]).toEqual([['confirmed', 'ended'], 'confirmed']);
      expect(alice.events).toEqual(['accepted']);
      session.end({ status: 200 });
      await expectNothingLeft(world.clock, alice, bob, carol);
    },
  },
  {
    name: 'X- headers, User-to-User and Reason pass both ways, on INVITE, 200 and BYE',
    async run(seed) {
      const { clock, alice, bob } = await createPair({ ...lossy, seed });
      const header = (name: string, value: string) => ({ name, value });
      bob.on.invited = (session) => session.accept({ ...accept, headers: [header('X-Agent', 'bot-7')] });
      const session = alice.call(bob, {
        headers: [header('X-Ticket', '4815'), header('User-to-User', '00')],
      });
      await clock.until(() => bob.events.includes('confirmed'), 60_000);
      const { invite } = bob.sessions[0]!;
      expect([headerValue(invite, 'X-Ticket'), headerValue(invite, 'User-to-User')]).toEqual(['4815', '00']);
      const answer = alice.received.find((message) => labelOf(message) === '200')!;
      expect(headerValue(answer, 'X-Agent')).toBe('bot-7');
      session.end({ status: 200, headers: [header('Reason', 'Q.850;cause=31'), header('X-Why', 'done')] });
      await clock.until(() => bob.ends.length === 1, 60_000);
      const [end] = bob.ends;
      const bye = end?.cause === 'bye' ? end.request : invite;
      expect([headerValue(bye, 'Reason'), headerValue(bye, 'X-Why')]).toEqual(['Q.850;cause=31', 'done']);
      await expectNothingLeft(clock, alice, bob);
    },
  },
  {
    name: 'digest with a nonce that has grown old in mid-call: stale, and again',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const users = [{ username: 'alice', password: 'secret' }];
      const { alice, bob } = await createPairOn(world, {
        access: { auth: { realm: 'callwire', users, required: true } },
      });
      const credentials = users[0]!;
      for (let round = 0; round < 3; round++) {
        const session = alice.call(bob, { credentials });
        await world.clock.until(() => bob.events.length === 2 * round + 1, 60_000);
        session.end({ status: 200 });
        await world.clock.until(() => bob.events.length === 2 * round + 2, 60_000);
        await world.clock.advance(600_000);
      }
      expect(bob.events).toEqual(Array.from({ length: 3 }, () => ['confirmed', 'ended:bye']).flat());
      expect(bob.counted).not.toContain('auth-refused');
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'OPTIONS is answered 200, and 503 while draining',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world);
      for (const status of [200, 503]) {
        bob.readiness = status;
        let answered: number | undefined;
        void alice.userAgent
          .request({ method: 'OPTIONS', target: bob.uri, from: alice.uri })
          .then((response) => {
            answered = response.status;
          });
        await world.clock.until(() => answered !== undefined, 60_000);
        expect(answered).toBe(status);
      }
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'strangers are not remembered, hear nothing larger than they said, and calls go through',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const users = [{ username: 'alice', password: 'secret' }];
      const { alice, bob } = await createPairOn(world, {
        access: { auth: { realm: 'callwire', users, required: true } },
      });
      const gateway = { address: '127.0.0.1', port: bob.port };
      const stranger = await openStranger(world, { address: '198.51.100.7', gateway });
      let largest = 0;
      for (let round = 0; round < 300; round++) {
        largest = Math.max(largest, stranger.send(stranger.build(['INVITE', 'REGISTER'][round % 2]!)));
        if (round % 10 === 0) await world.clock.advance(10);
      }
      expect(bob.userAgent.counts()).toMatchObject({ sessions: 0, transactions: 0 });
      expect(Math.max(...stranger.received.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(largest);
      const session = alice.call(bob, { credentials: users[0]! });
      await world.clock.until(() => bob.events.includes('confirmed'), 60_000);
      session.end({ status: 200 });
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'who is not listed in sip.allow hears nothing; who is has its call',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world, {
        access: { allow: ['127.0.0.1'] },
      });
      const gateway = { address: '127.0.0.1', port: bob.port };
      const stranger = await openStranger(world, { address: '198.51.100.7', gateway });
      for (let round = 0; round < 200; round++) stranger.send(stranger.build('OPTIONS'));
      stranger.send('junk\r\n\r\n');
      await talk(world, alice, bob);
      expect([stranger.received, bob.sessions.length]).toEqual([[], 1]);
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
  {
    name: 'a source is heard within its rate, others have their calls',
    async run(seed) {
      const world = createWorld({ ...lossy, seed });
      const { alice, bob } = await createPairOn(world, {
        access: { limits: { requestsPerSecond: 10, burst: 20 } },
      });
      const gateway = { address: '127.0.0.1', port: bob.port };
      const stranger = await openStranger(world, { address: '198.51.100.7', gateway });
      for (let slice = 0; slice < 40; slice++) {
        for (let round = 0; round < 10; round++) stranger.send(stranger.build('OPTIONS'));
        await world.clock.advance(100);
      }
      expect(stranger.received.length).toBeGreaterThan(20);
      expect(stranger.received.length).toBeLessThanOrEqual(20 + 4 * 10);
      await talk(world, alice, bob);
      await expectNothingLeft(world.clock, alice, bob);
    },
  },
];

it.each(properties)('over a link that loses 20 %: $name', async ({ run }) => {
  for (const seed of [1, 2, 3]) {
    await run(seed);
    await closeAgents();
  }
});
