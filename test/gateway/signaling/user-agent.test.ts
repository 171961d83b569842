import { afterEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues, type SipMessage } from '../../../protocol/sip/message.ts';
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
  nothing,
  offerSdp,
} from './agents.ts';
import { callFrom, RawPhone } from './raw-phone.ts';

const text = ({ body }: SipMessage): string => Buffer.from(body).toString();
const first = (agent: Agent, what: string): SipMessage =>
  agent.received.find((message) => labelOf(message) === what)!;

afterEach(closeAgents);

describe('a call', () => {
  it('is invited, answered, acknowledged and hung up by the caller', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => {
      expect(session.offer).toBe(offerSdp);
      expect(session.remote).toEqual({ protocol: 'udp', address: '127.0.0.1', port: alice.port });
      expect(session.local).toEqual({ protocol: 'udp', address: '127.0.0.1', port: bob.port });
      session.progress(180);
      session.accept(accept);
    };
    alice.on.accepted = (_response, answer) => expect(answer).toBe(answerSdp);
    const session = alice.call(bob);
    expect(session.state).toBe('early');
    await clock.advance(100);
    expect(session.state).toBe('confirmed');
    expect(session.sipCallId).toBe(bob.sessions[0]!.sipCallId);
    expect(bob.sessions[0]!.state).toBe('confirmed');
    session.end({ status: 200, headers: [{ name: 'Reason', value: 'Q.850;cause=16' }] });
    expect(session.state).toBe('ended');
    await clock.advance(100);
    expect(alice.events).toEqual(['progressed:180', 'accepted', 'ended:local']);
    expect(bob.events).toEqual(['confirmed', 'ended:bye']);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(alice.received.map(labelOf)).toEqual(['100', '180', '200', '200']);
    expect(headerValue(first(bob, 'BYE'), 'Reason')).toBe('Q.850;cause=16');
    await expectNothingLeft(clock, alice, bob);
  });

  it('is hung up by the callee', async () => {
    const { clock, alice, bob, callee } = await createCall();
    callee.end({ status: 200 });
    callee.end({ status: 200 });
    await clock.advance(100);
    expect(bob.events).toEqual(['confirmed', 'ended:local']);
    expect(alice.events).toEqual(['accepted', 'ended:bye']);
    await expectNothingLeft(clock, alice, bob);
  });

  it('is refused', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) =>
      session.end({
        status: 486,
        reasonPhrase: 'Not now',
        headers: [{ name: 'Reason', value: 'SIP;cause=486' }],
      });
    alice.call(bob);
    await clock.advance(100);
    expect(alice.events).toEqual(['ended:486']);
    expect(alice.ends[0]).toMatchObject({
      cause: 'refused',
      response: { status: 486, reasonPhrase: 'Not now' },
    });
    expect(headerValue(first(alice, '486'), 'Reason')).toBe('SIP;cause=486');
    expect(bob.events).toEqual(['ended:local']);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'ACK']);
    await expectNothingLeft(clock, alice, bob);
  });

  it('that is hung up before its answer is refused with 480', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => session.end({ status: 200 });
    alice.call(bob);
    await clock.advance(100);
    expect(alice.events).toEqual(['ended:480']);
  });

  it('to nobody is unreachable after 64 T1, with seven INVITEs', async () => {
    const { clock, alice, bob } = await createPair({ filter: () => 'drop' });
    alice.call(bob);
    await clock.advance(31_990);
    expect(alice.events).toEqual([]);
    await clock.advance(20);
    expect(alice.events).toEqual(['ended:unreachable']);
    expect(alice.times('INVITE')).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    await expectNothingLeft(clock, alice, bob);
  });

  it('to an unknown host is unreachable', async () => {
    const { clock, alice } = await createPair();
    const names = { addresses: () => Promise.reject(new Error('ENOTFOUND')) };
    const carol = await createAgent(createWorld(), { names });
    const session = carol.userAgent.invite(
      { target: 'sip:x@nowhere.invalid', from: alice.uri, offer: () => offerSdp },
      carol.handlers(),
    );
    expect(session.remote.address).toBe('nowhere.invalid');
    await clock.advance(1);
    expect(carol.ends).toEqual([
      { cause: 'unreachable', message: 'cannot look up nowhere.invalid (UNKNOWN)' },
    ]);
    expect(carol.userAgent.counts()).toEqual(nothing);
  });

  it('to a host name goes to its address', async () => {
    const world = createWorld();
    const bob = await createAgent(world);
    const asked: string[] = [];
    const alice = await createAgent(world, {
      names: {
        addresses: async (host) => {
          asked.push(host);
          return { found: ['127.0.0.1'] };
        },
      },
    });
    bob.on.invited = (session) => session.accept(accept);
    const target = `sip:bob@pbx.example:${bob.port}`;
    const session = alice.userAgent.invite(
      { target, from: alice.uri, offer: () => offerSdp },
      alice.handlers(),
    );
    await world.clock.advance(100);
    expect(alice.events).toEqual(['accepted']);
    expect(asked).toEqual(['pbx.example']);
    expect(session.remote).toEqual({ protocol: 'udp', address: '127.0.0.1', port: bob.port });
  });

  it('that needs IPv6 without a listener for it is unreachable', async () => {
    const { clock, alice } = await createPair();
    alice.userAgent.invite({ target: 'sip:[::1]:5060', from: alice.uri, offer: () => '' }, alice.handlers());
    await clock.advance(1);
    expect(alice.ends[0]).toMatchObject({ cause: 'unreachable', message: expect.stringContaining('IPv6') });
  });

  it('refuses arguments that would break the message', async () => {
    const { alice } = await createPair();
    const invite = (target: string, value = 'x') =>
      alice.userAgent.invite(
        { target, from: alice.uri, offer: () => '', headers: [{ name: 'X-A', value }] },
        alice.handlers(),
      );
    expect(() => invite('http://example.com')).toThrow('expected a sip, sips or tel URI');
    expect(() => invite('sip:a@example.com', 'x\r\nVia: y')).toThrow(TypeError);
    expect(alice.userAgent.counts()).toEqual(nothing);
  });

  it('tells its owner nothing after it ended, and survives an owner who throws', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => session.accept(accept);
    alice.on.accepted = () => {
      throw new Error('of the owner');
    };
    const session = alice.call(bob);
    await clock.advance(100);
    expect(alice.counted).toContain('handler-failed');
    expect(alice.errors.splice(0)).toHaveLength(1);
    session.end({ status: 200 });
    session.progress(180);
    session.accept(accept);
    session.end({ status: 200 });
    expect((await session.request('INFO')).status).toBe(481);
    expect(await session.reinvite(offerSdp)).toEqual({ status: 481 });
    await clock.advance(100);
    expect(alice.events).toEqual(['accepted', 'ended:local']);
  });
});

describe('a late offer', () => {
  it('is answered by the ACK', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    let answer: string | undefined;
    bob.on.invited = (session) => {
      expect(session.offer).toBeUndefined();
      session.accept({ sdp: offerSdp });
    };
    bob.on.confirmed = (sdp) => {
      answer = sdp;
    };
    phone.request('INVITE');
    await clock.advance(50);
    expect(text(phone.last('200'))).toBe(offerSdp);
    phone.request('ACK', { toTag: phone.toTag('200'), sdp: answerSdp });
    await clock.advance(50);
    expect(bob.events).toEqual(['confirmed:answer']);
    expect(answer).toBe(answerSdp);
  });

  it('in a re-INVITE works the same', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    bob.on.offered = (offer) => {
      expect(offer).toBeUndefined();
      return { answer: offerSdp };
    };
    phone.request('INVITE', { toTag, cseq: 2 });
    await clock.advance(50);
    phone.request('ACK', { toTag, cseq: 2, sdp: answerSdp });
    await clock.advance(50);
    expect(bob.events).toEqual(['confirmed', 'offered:none', 'confirmed:answer']);
  });
});

describe('responses', () => {
  it('name what is supported and where we are', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    await callFrom(phone, clock, bob);
    const answer = phone.last('200');
    expect(headerValue(answer, 'Contact')).toBe(`<sip:agent${bob.port}@127.0.0.1:${bob.port}>`);
    expect(headerValues(answer, 'Allow').join(', ')).toBe(
      'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, REFER, MESSAGE, PRACK',
    );
    expect(headerValue(answer, 'Server')).toBe('test');
    expect(headerValue(phone.last('100'), 'To')).not.toContain('tag');
  });

  it.each([
    { peer: '198.51.100.1', carried: '203.0.113.7', who: 'the external address to a peer outside' },
    { peer: '10.0.0.9', carried: '10.0.0.5', who: 'the local address to a neighbour' },
  ])('carry $who', async ({ peer, carried }) => {
    const world = createWorld();
    const bob = await createAgent(world, {
      listen: [{ protocol: 'udp', address: '10.0.0.5', port: 0 }],
      externalAddress: '203.0.113.7',
    });
    const phone = await RawPhone.open(world.network, bob, peer);
    await callFrom(phone, world.clock, bob);
    expect(headerValue(phone.last('200'), 'Contact')).toContain(`@${carried}:${bob.port}>`);
    bob.sessions[0]!.end({ status: 200 });
    await world.clock.advance(10);
    expect(headerValue(phone.last('BYE'), 'Via')).toContain(`SIP/2.0/UDP ${carried}:${bob.port};`);
  });

  it('to a sips: URI are refused where they did not come over TLS', async () => {
    const world = createWorld();
    const bob = await createAgent(world);
    const phone = await RawPhone.open(world.network, bob);
    phone.send(phone.build('INVITE', { uri: 'sips:bob@127.0.0.1', sdp: offerSdp }));
    await world.clock.advance(10);
    expect(phone.labels).toEqual(['100', '403']);
    expect(bob.sessions).toEqual([]);
    expect(bob.counted).toEqual(['sips-without-tls']);
  });

  it('copy the route of the INVITE, and requests follow it', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const proxy = await RawPhone.open(network, bob);
    const headers = [
      { name: 'Record-Route', value: `<sip:127.0.0.1:${proxy.port};lr>` },
      { name: 'Record-Route', value: '<sip:far.example;lr>' },
    ];
    bob.on.invited = (session) => session.accept(accept);
    phone.request('INVITE', { headers, sdp: offerSdp });
    await clock.advance(50);
    const routes = headers.map(({ value }) => value);
    expect(headerValues(phone.last('200'), 'Record-Route')).toEqual(routes);
    phone.request('ACK', { toTag: phone.toTag('200') });
    await clock.advance(50);
    bob.sessions[0]!.end({ status: 200 });
    await clock.advance(50);
    expect(headerValues(proxy.last('BYE'), 'Route')).toEqual(routes);
    expect(proxy.lastRequest('BYE').uri).toBe(`sip:raw@127.0.0.1:${phone.port}`);
  });

  it('go to the port of Via, and to the source where rport asks for it', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const other = await RawPhone.open(network, bob);
    const via = (more: string) =>
      `OPTIONS ${bob.uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${other.port};branch=z9hG4bKx${more}\r\n` +
      `From: <sip:a@b>;tag=1\r\nTo: <${bob.uri}>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n`;
    phone.send(via(''));
    await clock.advance(50);
    expect([phone.labels, other.labels]).toEqual([[], ['200']]);
    phone.send(via(';rport'));
    await clock.advance(50);
    expect([phone.labels, other.labels]).toEqual([['200'], ['200']]);
    expect(headerValue(phone.last('200'), 'Via')).toContain(`;received=127.0.0.1;rport=${phone.port}`);
  });
});

describe('requests outside a call', () => {
  const cases: readonly {
    readonly name: string;
    readonly method: string;
    readonly status: string;
    readonly toTag?: string;
    readonly header?: [string, string];
    readonly sdp?: string;
    readonly uri?: string;
    readonly answered?: [string, string];
  }[] = [
    { name: 'OPTIONS', method: 'OPTIONS', status: '200', answered: ['Accept', 'application/sdp'] },
    { name: 'OPTIONS with a tag nobody gave', method: 'OPTIONS', toTag: 'x', status: '481' },
    {
      name: 'a method that is not allowed',
      method: 'REGISTER',
      status: '405',
      answered: ['Allow', 'INVITE'],
    },
    {
      name: 'MESSAGE',
      method: 'MESSAGE',
      status: '405',
      answered: ['Allow', 'INVITE, ACK, CANCEL, OPTIONS, BYE'],
    },
    { name: 'a method nobody knows', method: 'NEWMETHOD', status: '501' },
    { name: 'BYE', method: 'BYE', status: '481' },
    { name: 'BYE with a tag', method: 'BYE', toTag: 'x', status: '481' },
    { name: 're-INVITE', method: 'INVITE', toTag: 'x', status: '481' },
    { name: 'CANCEL', method: 'CANCEL', status: '481' },
    {
      name: 'an extension we lack',
      method: 'INVITE',
      header: ['Require', 'precondition'],
      status: '420',
      answered: ['Unsupported', 'precondition'],
    },
    {
      name: 'a body we cannot read',
      method: 'INVITE',
      header: ['Content-Type', 'text/x'],
      sdp: 'x',
      status: '415',
      answered: ['Accept', 'application/sdp'],
    },
    { name: 'a URI of another scheme', method: 'INVITE', uri: 'http://a', status: '416' },
    { name: 'a CSeq of another method', method: 'OPTIONS', header: ['CSeq', '1 INVITE'], status: '400' },
  ];

  it.each(cases)('$name: $status, and nothing is remembered', async (row) => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const { method, toTag, header, sdp, uri } = row;
    const request = phone.build(method, {
      ...(toTag && { toTag }),
      ...(uri && { uri }),
      ...(sdp && { sdp }),
    });
    const headers = request.headers.filter(({ name }) => name !== header?.[0]);
    if (header !== undefined) headers.push({ name: header[0], value: header[1] });
    phone.send({ ...request, headers });
    await clock.advance(50);
    phone.send({ ...request, headers });
    await clock.advance(50);
    expect(phone.labels).toEqual([row.status, row.status]);
    expect(headerValue(phone.received[0]!, 'To')).toBe(headerValue(phone.received[1]!, 'To'));
    if (row.answered) {
      const [name, value] = row.answered;
      expect(headerValues(phone.last(row.status), name).join(', ')).toContain(value);
    }
    expect(bob.userAgent.counts()).toEqual(nothing);
    expect(bob.events).toEqual([]);
  });

  it('OPTIONS tells that we drain', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.readiness = 503;
    phone.request('OPTIONS');
    await clock.advance(50);
    expect(headerValue(phone.last('503'), 'Retry-After')).toBe('10');
  });

  it('ACKs and responses that belong to nothing are counted and dropped', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    phone.request('ACK');
    phone.request('ACK', { toTag: 'x' });
    phone.respond(phone.build('INVITE'), 200);
    phone.send('SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n');
    await clock.advance(50);
    expect(phone.labels).toEqual([]);
    expect(bob.counted).toEqual(['stray-ack', 'stray-ack', 'stray-response', 'bad-response']);
  });

  it('an INVITE without a way back is answered 400', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const invite = phone.build('INVITE', { sdp: offerSdp });
    const headers = invite.headers.filter(({ name }) => name !== 'Contact' && name !== 'From');
    phone.send({ ...invite, headers: [...headers, { name: 'From', value: '<http://a.example>;tag=1' }] });
    await clock.advance(50);
    expect(phone.labels).toEqual(['100', '400']);
    await expectNothingLeft(clock, bob);
  });

  it('an INVITE that comes on two ways is answered 482 on the second', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    phone.request('INVITE', { branch: 'z9hG4bK-1', sdp: offerSdp });
    phone.request('INVITE', { branch: 'z9hG4bK-2', sdp: offerSdp });
    await clock.advance(50);
    expect(phone.labels).toEqual(['100', '482']);
    expect(bob.sessions).toHaveLength(1);
  });

  it('an INVITE of RFC 2543, without a unique branch, is one call', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.end({ status: 486 });
    const options = { branch: '1', sdp: offerSdp };
    phone.request('INVITE', options);
    await clock.advance(50);
    phone.request('INVITE', options);
    await clock.advance(50);
    phone.request('ACK', { branch: '1', toTag: phone.toTag('486') });
    await clock.advance(6_000);
    expect(phone.labels).toEqual(['100', '486', '486']);
    expect(bob.userAgent.counts()).toEqual(nothing);
  });
});

describe('limits', () => {
  it('refuse sessions beyond them', async () => {
    const world = createWorld();
    const bob = await createAgent(world, { limits: { sessionsMax: 1 } });
    const phone = await RawPhone.open(world.network, bob);
    phone.request('INVITE', { callId: 'a', sdp: offerSdp });
    phone.request('INVITE', { callId: 'b', sdp: offerSdp });
    await world.clock.advance(50);
    expect(phone.labels).toEqual(['100', '503']);
    expect(headerValue(phone.last('503'), 'Retry-After')).toBe('10');
    expect(bob.counted).toEqual(['session-limit']);
  });

  it('refuse transactions beyond them', async () => {
    const world = createWorld();
    const bob = await createAgent(world, { limits: { transactionsMax: 1 } });
    const phone = await RawPhone.open(world.network, bob);
    phone.request('INVITE', { callId: 'a', sdp: offerSdp });
    phone.request('INVITE', { callId: 'b', sdp: offerSdp });
    await world.clock.advance(50);
    expect(phone.labels).toEqual(['100', '503']);
    expect(bob.counted).toEqual(['transaction-limit']);
  });

  it('end calls of ours beyond them', async () => {
    const world = createWorld();
    const bob = await createAgent(world);
    const alice = await createAgent(world, { limits: { sessionsMax: 1 } });
    alice.call(bob);
    alice.call(bob);
    await world.clock.advance(50);
    expect(alice.events).toEqual(['ended:unreachable']);
  });
});

describe('close', () => {
  it('ends every session and leaves no timer and no socket', async () => {
    const { clock, network, alice, bob, caller } = await createCall();
    alice.call(bob);
    await clock.advance(20);
    const request = caller.request('INFO');
    const reinvite = caller.reinvite(offerSdp);
    await alice.userAgent.close();
    await bob.userAgent.close();
    expect((await request).status).toBe(503);
    expect(await reinvite).toEqual({ status: 503 });
    expect(alice.events).toEqual(['accepted', 'accepted', 'ended:closed', 'ended:closed']);
    expect([alice.userAgent.counts(), bob.userAgent.counts()]).toEqual([nothing, nothing]);
    await clock.advance(1_000);
    expect(network.openSockets).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it('is what a failed start leaves behind', async () => {
    const world = createWorld();
    const { port } = await createAgent(world);
    const listen = [0, port].map((number) => ({
      protocol: 'udp' as const,
      address: '127.0.0.1',
      port: number,
    }));
    await expect(createAgent(world, { listen })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(world.network.openSockets).toBe(1);
  });
});
