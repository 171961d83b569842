import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AccessOptions } from '../../../gateway/signaling/admission.ts';
import type { UserAgentOptions } from '../../../gateway/signaling/user-agent-options.ts';
import { authorize, parseChallenge } from '../../../protocol/sip/digest.ts';
import { headerValue, headerValues, type SipRequest } from '../../../protocol/sip/message.ts';
import { accept, closeAgents, createAgent, createWorld, expectNothingLeft, nothing } from './agents.ts';
import { openStranger, type StrangeRequest, type Stranger } from './strangers.ts';

afterEach(closeAgents);

const auth = { realm: 'callwire', users: [{ username: 'alice', password: 'secret' }], required: false };
const limits = { requestsPerSecond: 10, burst: 20 };

async function open(
  access: AccessOptions,
  {
    lossPercent = 0,
    seed = 1,
    ...options
  }: { readonly lossPercent?: number; readonly seed?: number } & Partial<UserAgentOptions> = {},
) {
  const world = createWorld({ delayMs: 5, lossPercent, seed });
  const gateway = await createAgent(world, { access, seed: 2, ...options });
  gateway.on.invited = (session) => session.accept(accept);
  const listener = { address: '127.0.0.1', port: gateway.port };
  return {
    ...world,
    gateway,
    stranger: (address: string) => openStranger(world, { address, gateway: listener }),
    async caller(seed = 1) {
      return createAgent(world, { seed });
    },
  };
}

/** Room for a challenge in full. */
const long = { name: 'User-Agent', value: 'a phone with a long name of its own, release 12'.repeat(4) };

/** The request again with credentials, for the challenge in what came last. */
function answer(
  stranger: Stranger,
  options: StrangeRequest & {
    readonly username?: string;
    readonly password?: string;
    readonly method?: string;
  } = {},
): SipRequest {
  const { username = 'alice', password = 'secret', method = 'INVITE', ...rest } = options;
  const challenge = headerValues(stranger.received.at(-1)!.message, 'WWW-Authenticate')[0]!;
  const request = stranger.build(method, { cseq: 2, ...rest });
  const value = authorize({
    challenge: parseChallenge(challenge)!,
    credentials: { username, password },
    method,
    uri: request.uri,
    body: request.body,
    cnonce: 'c',
    nonceCount: 1,
  });
  return { ...request, headers: [...request.headers, { name: 'Authorization', value }] };
}

describe('with sip.auth', () => {
  it.each([0, 20])(
    'a call with the password goes through, one without or with a wrong one does not (loss %i %%)',
    async (lossPercent) => {
      const world = await open({ auth }, { lossPercent, seed: 5 });
      const caller = await world.caller();
      const outcome = async (password: string | undefined): Promise<string> => {
        caller.events.length = 0;
        const credentials = password === undefined ? {} : { credentials: { username: 'alice', password } };
        const session = caller.call(world.gateway, credentials);
        await world.clock.until(() => /accepted|ended/.test(caller.events.join()), 60_000);
        const [first] = caller.events;
        session.end({ status: 200 });
        await world.clock.advance(40_000);
        return first!;
      };
      expect([await outcome('secret'), await outcome(undefined), await outcome('Secret')]).toEqual([
        'accepted',
        'ended:401',
        'ended:401',
      ]);
      await expectNothingLeft(world.clock, world.gateway, caller);
    },
  );

  it('the challenge remembers nothing and offers SHA-256 before MD5', async () => {
    const world = await open({ auth });
    const stranger = await world.stranger('198.51.100.1');
    stranger.send(stranger.build('INVITE', { headers: [long] }));
    await world.clock.advance(20);
    expect(stranger.labels).toEqual(['401']);
    const challenges = headerValues(stranger.received[0]!.message, 'WWW-Authenticate').map(
      (value) => parseChallenge(value)!.algorithm,
    );
    expect(challenges).toEqual(['SHA-256', 'MD5']);
    expect(world.gateway.userAgent.counts()).toEqual(nothing);
  });

  it.each(['MD5', 'SHA-256'])('%s is enough', async (algorithm) => {
    const world = await open({ auth });
    const stranger = await world.stranger('198.51.100.1');
    stranger.send(stranger.build('INVITE', { headers: [long] }));
    await world.clock.advance(20);
    const [{ message }] = stranger.received as [Stranger['received'][number]];
    const kept = headerValues(message, 'WWW-Authenticate').filter((value) => value.endsWith(algorithm));
    stranger.received[0] = {
      ...stranger.received[0]!,
      message: { ...message, headers: [{ name: 'WWW-Authenticate', value: kept[0]! }] },
    };
    stranger.send(answer(stranger));
    await world.clock.advance(20);
    expect(stranger.labels).toEqual(['401', '100', '200']);
  });

  it('an old nonce is stale, a used one too, and neither counts as a wrong password', async () => {
    const world = await open({ auth });
    const stranger = await world.stranger('198.51.100.1');
    stranger.send(stranger.build('INVITE'));
    await world.clock.advance(20);
    const request = answer(stranger);
    await world.clock.advance(301_000);
    for (let round = 0; round < 5; round++) {
      stranger.send({
        ...request,
        headers: request.headers.with(0, {
          name: 'Via',
          value: `SIP/2.0/UDP 198.51.100.1:${stranger.port};branch=z9hG4bK-r${round}`,
        }),
      });
      await world.clock.advance(20);
    }
    expect(stranger.labels).toEqual(Array(6).fill('401'));
    expect(parseChallenge(headerValue(stranger.received.at(-1)!.message, 'WWW-Authenticate')!)!.stale).toBe(
      true,
    );
    expect(world.gateway.counted.filter((code) => code.startsWith('auth-'))).toEqual([
      'auth-challenged',
      ...Array(5).fill('auth-stale'),
    ]);
  });

  it('who guesses is answered ever later, and what he tries meanwhile is not looked at', async () => {
    const world = await open({ auth });
    const stranger = await world.stranger('198.51.100.1');
    stranger.send(stranger.build('INVITE'));
    await world.clock.advance(20);
    const waitsMs: number[] = [];
    for (let round = 0; round < 7; round++) {
      const before = stranger.received.length;
      const sentMs = world.clock.nowMs();
      stranger.send(answer(stranger, { password: `guess ${round}` }));
      await world.clock.advance(10);
      stranger.send(answer(stranger, { password: `guess ${round} too` }));
      await world.clock.until(() => stranger.received.length > before, 60_000, 5);
      waitsMs.push(Math.round((stranger.received[before]!.atMs - sentMs) / 100) * 100);
      await world.clock.advance(20);
    }
    // Two at a time count while they are free.
    expect(waitsMs).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(world.gateway.counted.filter((code) => code === 'auth-held')).toHaveLength(6);
    expect(stranger.labels.every((label) => label === '401')).toBe(true);
  });

  it('whether a user exists is not to be told', async () => {
    const world = await open({ auth });
    const answers = await Promise.all(
      ['alice', 'nobody'].map(async (username, index) => {
        const stranger = await world.stranger(`198.51.100.${index + 1}`);
        stranger.send(stranger.build('INVITE', { callId: 'c' }));
        await world.clock.advance(20);
        stranger.send(answer(stranger, { username, password: 'x', callId: 'c' }));
        await world.clock.advance(20);
        const { message } = stranger.received.at(-1)!;
        return message.headers
          .filter(({ name }) => name === 'WWW-Authenticate')
          .map(({ value }) => value.replace(/nonce="[^"]*"/, ''));
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });

  it('no answer to a stranger is larger than what it sent', async () => {
    const world = await open({ auth });
    const stranger = await world.stranger('198.51.100.1');
    const short = { name: 'User-Agent', value: 'a phone with a long name of its own, release 12' };
    const requests: (SipRequest | string)[] = [
      ...['INVITE', 'REGISTER', 'MESSAGE', 'OPTIONS', 'BYE', 'FOO', 'SUBSCRIBE'].flatMap((method) => [
        stranger.build(method, { sdp: '' }),
        stranger.build(method, { sdp: '', headers: [short] }),
        stranger.build(method, { headers: [short, { name: 'Require', value: 'x, y' }] }),
      ]),
      'INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\r\n\r\n',
      'OPTIONS sip:a@b SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n',
    ];
    let answered = 0;
    for (const request of requests) {
      const before = stranger.received.length;
      const sizeBytes = stranger.send(request);
      await world.clock.advance(20);
      for (const { sizeBytes: answerBytes } of stranger.received.slice(before)) {
        answered++;
        expect(answerBytes, String(sizeBytes)).toBeLessThanOrEqual(sizeBytes);
      }
    }
    expect(answered).toBeGreaterThan(12);
    // Ordinary phones are answered, if briefly.
    expect(stranger.labels).toEqual(expect.arrayContaining(['401', '200', '405', '420', '481', '501']));
  });

  it('a listed source needs no digest, unless everybody does', async () => {
    for (const [required, labels] of [
      [false, ['100', '200']],
      [true, ['401']],
    ] as const) {
      const world = await open({ auth: { ...auth, required }, allow: ['198.51.100.0/24'] });
      const stranger = await world.stranger('198.51.100.9');
      stranger.send(stranger.build('INVITE'));
      await world.clock.advance(20);
      expect(stranger.labels).toEqual(labels);
    }
  });
});

it('a listed source that registers needs digest all the same', async () => {
  const world = await open({ auth, allow: ['198.51.100.0/24'] }, { methodsServed: ['REGISTER'] });
  const stranger = await world.stranger('198.51.100.9');
  stranger.send(stranger.build('REGISTER'));
  await world.clock.advance(20);
  expect(stranger.labels).toEqual(['401']);
});

describe('over TCP', () => {
  const listen = [{ protocol: 'tcp', address: '127.0.0.1', port: 0 }] as const;
  const outcome = async (access: AccessOptions): Promise<string> => {
    const world = await open(access, { listen });
    const socket = connect({ host: '127.0.0.1', port: world.gateway.port });
    socket.on('error', () => {});
    socket.write(
      `OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n` +
        `Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
    );
    const first = await Promise.race([
      once(socket, 'data').then(String),
      once(socket, 'close').then(() => 'closed'),
    ]);
    socket.destroy();
    return first.slice(0, 11);
  };

  it.each<[string, AccessOptions]>([
    ['SIP/2.0 200', {}],
    ['SIP/2.0 200', { auth }],
    ['SIP/2.0 200', { allow: ['127.0.0.1'] }],
    ['closed', { allow: ['10.0.0.0/8'] }],
  ])('%s', async (expected, access) => {
    expect(await outcome(access)).toBe(expected);
  });
});

describe('with sip.allow', () => {
  it('alone, others hear nothing, whatever they send, and cost nothing', async () => {
    const world = await open({ allow: ['198.51.100.0/24'] });
    const [friend, stranger] = [await world.stranger('198.51.100.9'), await world.stranger('203.0.113.1')];
    const methods = ['INVITE', 'OPTIONS', 'REGISTER', 'BYE', 'CANCEL', 'FOO', 'ACK'];
    for (const method of methods) {
      stranger.send(stranger.build(method));
      stranger.send(stranger.build(method, { to: '<sip:echo@127.0.0.1>;tag=guess' }));
    }
    stranger.send('INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bK1\r\n\r\n');
    await world.clock.advance(100);
    expect(stranger.received).toEqual([]);
    expect(world.gateway.userAgent.counts()).toEqual(nothing);
    expect(world.gateway.counted).toContain('source-not-allowed');
    friend.send(friend.build('OPTIONS'));
    friend.send(friend.build('INVITE'));
    await world.clock.advance(100);
    expect(friend.labels).toEqual(['200', '100', '200']);
  });

  it('and sip.auth, others are asked for digest, and scanners hear nothing', async () => {
    const world = await open({ auth, allow: ['198.51.100.0/24'] });
    const stranger = await world.stranger('203.0.113.1');
    for (const method of ['OPTIONS', 'BYE', 'FOO', 'INVITE']) stranger.send(stranger.build(method));
    await world.clock.advance(100);
    expect(stranger.labels).toEqual(['401']);
    stranger.send(answer(stranger));
    await world.clock.advance(100);
    expect(stranger.labels).toEqual(['401', '100', '200']);
  });

  it('who was let in may speak within the call from anywhere', async () => {
    const world = await open({ allow: ['198.51.100.0/24'] });
    const [friend, other] = [await world.stranger('198.51.100.9'), await world.stranger('203.0.113.1')];
    friend.send(friend.build('INVITE', { callId: 'c' }));
    await world.clock.advance(100);
    const to = headerValue(friend.received.at(-1)!.message, 'To')!;
    other.send({
      ...other.build('ACK', { callId: 'c', to }),
      headers: dialogHeaders(friend, other, 'ACK', 1, to),
    });
    other.send({
      ...other.build('BYE', { callId: 'c', to }),
      headers: dialogHeaders(friend, other, 'BYE', 2, to),
    });
    await world.clock.advance(100);
    expect(other.labels).toEqual(['200']);
    await expectNothingLeft(world.clock, world.gateway);
  });
});

function dialogHeaders(friend: Stranger, other: Stranger, method: string, cseq: number, to: string) {
  return other
    .build(method, { callId: 'c', to, cseq })
    .headers.map((header) =>
      header.name === 'From' ? { name: 'From', value: `<sip:x@${friend.address}>;tag=x` } : header,
    );
}

describe('with sip.limits', () => {
  it('a source that floods is dropped beyond its rate, others are not', async () => {
    const world = await open({ limits });
    const [flood, honest] = [await world.stranger('198.51.100.1'), await world.stranger('198.51.100.2')];
    for (let second = 0; second < 4; second++) {
      for (let n = 0; n < 100; n++) flood.send(flood.build('OPTIONS'));
      honest.send(honest.build('OPTIONS'));
      await world.clock.advance(1_000);
    }
    expect(flood.received.length).toBe(20 + 3 * 10);
    expect(honest.received.length).toBe(4);
    expect(world.gateway.counted.filter((code) => code === 'rate-limited').length).toBe(400 - 50);
  });

  it.each(['127.0.0.1', '198.51.100.1'])(
    'loopback and listed sources are not limited: %s',
    async (address) => {
      const world = await open({ limits, allow: ['127.0.0.1', '198.51.100.0/24'] });
      const trunk = await world.stranger(address);
      for (let n = 0; n < 100; n++) trunk.send(trunk.build('OPTIONS'));
      await world.clock.advance(100);
      expect(trunk.received.length).toBe(100);
    },
  );
});

describe('somebody who does not listen', () => {
  it('has so many refusals remembered for him, and no more', async () => {
    const world = await open({});
    world.gateway.on.invited = (session) => session.end({ status: 404 });
    const stranger = await world.stranger('127.0.0.1');
    for (let n = 0; n < 300; n++) {
      stranger.send(stranger.build('INVITE'));
      await world.clock.advance(1);
    }
    await world.clock.advance(20);
    expect(world.gateway.userAgent.counts().transactions).toBeLessThan(130);
    expect(world.gateway.counted.filter((code) => code === 'unacknowledged-limit').length).toBeGreaterThan(
      150,
    );
    expect(stranger.labels.filter((label) => label === '503').length).toBeGreaterThan(150);
    const honest = await world.stranger('127.0.0.1');
    honest.send(honest.build('INVITE'));
    await world.clock.advance(20);
    expect(honest.labels).toEqual(['100', '404']);
    await expectNothingLeft(world.clock, world.gateway);
    stranger.send(stranger.build('INVITE'));
    await world.clock.advance(20);
    expect(stranger.labels.at(-1)).toBe('404');
  });
});
