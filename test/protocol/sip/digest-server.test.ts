import { describe, expect, it } from 'vitest';
import { authorize, parseChallenge } from '../../../protocol/sip/digest.ts';
import { DigestServer } from '../../../protocol/sip/digest-server.ts';
import type { SipRequest } from '../../../protocol/sip/message.ts';
import { NonceCounts } from '../../../protocol/sip/nonce-counts.ts';
import { createRequest } from './messages.ts';

const alice = { username: 'alice', password: 'secret' };
let made = 0;

interface ServerOptions {
  readonly secret?: string;
  readonly realm?: string;
  readonly algorithms?: readonly ('MD5' | 'SHA-256')[];
}

function createServer(options: ServerOptions = {}): DigestServer {
  return new DigestServer({
    realm: options.realm ?? 'callwire',
    algorithms: options.algorithms,
    users: [alice, { username: 'bob "b"', password: 'pässword' }],
    secret: Buffer.from((options.secret ?? 'one').padEnd(32)),
    createRandom: (sizeBytes) => new Uint8Array(sizeBytes).fill(made++),
    nonceMsMax: 60_000,
  });
}

interface Presenting {
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly algorithm?: 'MD5' | 'SHA-256';
  readonly nonceCount?: number;
  readonly body?: Uint8Array;
  readonly method?: string;
  readonly uri?: string;
  /** In the header instead of the Request-URI. */
  readonly digestUri?: string;
  readonly qop?: 'auth-int' | 'none';
  readonly change?: (value: string) => string;
}

/** A request with an answer to the challenge. */
function present(challenge: string, options: Presenting = {}): SipRequest {
  const { credentials = alice, nonceCount = 1, method = 'INVITE', uri = 'sip:echo@gw' } = options;
  const offered = parseChallenge(challenge)!;
  const { qop = offered.qop } = options;
  const request = createRequest(method, { uri, ...(options.body && { body: options.body }) });
  const value = authorize({
    challenge: { ...offered, qop: qop === 'none' ? undefined : qop },
    credentials,
    method,
    uri: options.digestUri ?? uri,
    body: request.body,
    cnonce: 'c',
    nonceCount,
  });
  const header = { name: 'Authorization', value: options.change?.(value) ?? value };
  return { ...request, headers: [...request.headers, header] };
}

const challengeOf = (server: DigestServer, nowMs = 0, algorithm: 'SHA-256' | 'MD5' = 'SHA-256'): string =>
  server.challenges(nowMs).find(({ value }) => value.includes(`algorithm=${algorithm}`))!.value;

describe('challenges', () => {
  it('prefer SHA-256 and offer MD5 too, with the same nonce', () => {
    const challenges = createServer().challenges(0);
    const parsed = challenges.map(({ value }) => parseChallenge(value)!);
    expect(challenges.map(({ name }) => name)).toEqual(['WWW-Authenticate', 'WWW-Authenticate']);
    expect(parsed.map(({ algorithm }) => algorithm)).toEqual(['SHA-256', 'MD5']);
    expect(parsed[0]!.nonce).toBe(parsed[1]!.nonce);
    expect(parsed[0]).toMatchObject({ realm: 'callwire', qop: 'auth', stale: false });
    expect(parseChallenge(createServer().challenges(0, { stale: true })[0]!.value)!.stale).toBe(true);
  });

  it('come in the order that was asked for, for callers that read only the first', () => {
    const challenges = createServer({ algorithms: ['MD5', 'SHA-256'] }).challenges(0);
    expect(challenges.map(({ value }) => parseChallenge(value)!.algorithm)).toEqual(['MD5', 'SHA-256']);
  });

  it('of one algorithm make the other as good as wrong', () => {
    const challenge = challengeOf(createServer(), 0, 'MD5');
    const server = createServer({ algorithms: ['SHA-256'] });
    expect(server.challenges(0)).toHaveLength(1);
    expect(server.check(present(challenge), 10)).toMatchObject({ verdict: 'refused' });
  });

  it('differ within a millisecond', () => {
    const server = createServer();
    expect(challengeOf(server)).not.toBe(challengeOf(server));
  });
});

describe('credentials', () => {
  it.each([
    { what: 'SHA-256', options: {}, algorithm: 'SHA-256' as const },
    { what: 'MD5', options: {}, algorithm: 'MD5' as const },
    {
      what: 'a name and a password with letters of their own',
      options: { credentials: { username: 'bob "b"', password: 'pässword' } },
      algorithm: 'SHA-256' as const,
    },
    {
      what: 'a protected body',
      options: { qop: 'auth-int' as const, body: Buffer.from('v=0') },
      algorithm: 'MD5' as const,
    },
    { what: 'no qop', options: { qop: 'none' as const }, algorithm: 'MD5' as const },
    {
      what: 'a host that a proxy changed',
      options: { digestUri: 'sip:echo@proxy' },
      algorithm: 'MD5' as const,
    },
    {
      what: 'capitals and spaces',
      options: { change: (value: string) => value.replace('Digest ', 'DIGEST  ').replaceAll(', ', ' , ') },
      algorithm: 'SHA-256' as const,
    },
  ])('with $what are accepted', ({ options, algorithm }) => {
    const server = createServer();
    const request = present(challengeOf(server, 0, algorithm), options);
    expect(server.check(request, 10)).toMatchObject({ verdict: 'accepted' });
  });

  const wrong: readonly { readonly what: string; readonly options: Presenting }[] = [
    { what: 'a wrong password', options: { credentials: { ...alice, password: 'Secret' } } },
    { what: 'an unknown user', options: { credentials: { username: 'mallory', password: 'secret' } } },
    { what: 'another number than the one that is called', options: { digestUri: 'sip:tone@gw' } },
    {
      what: 'a response cut short',
      options: { change: (value) => value.replace(/(response="[0-9a-f]{8})[0-9a-f]*/, '$1') },
    },
    { what: 'no response', options: { change: (value) => value.replace(/response="[^"]*",/, '') } },
    { what: 'a count that is none', options: { change: (value) => value.replace('nc=00000001', 'nc=1') } },
    {
      what: 'an algorithm that was not offered',
      options: { change: (value) => value.replace('SHA-256', 'SHA-256-sess') },
    },
    {
      what: 'another method',
      options: { change: (value) => value.replace(/uri="[^"]*"/, 'uri="sip:echo@other"') },
    },
  ];
  it.each(wrong)('with $what are refused', ({ options }) => {
    const server = createServer();
    expect(server.check(present(challengeOf(server), options), 10)).toMatchObject({ verdict: 'refused' });
  });

  it('of another realm, another scheme, or none at all are absent', () => {
    const server = createServer();
    const foreign = present(challengeOf(createServer({ realm: 'elsewhere' })));
    const basic = { ...foreign, headers: [{ name: 'Authorization', value: 'Basic YTpi' }] };
    expect([foreign, basic, createRequest('INVITE')].map((request) => server.check(request, 0))).toEqual(
      Array(3).fill({ verdict: 'absent' }),
    );
  });

  it('look the same for a known and an unknown user that are wrong', () => {
    const server = createServer();
    const [known, unknown] = ['alice', 'mallory'].map((username) => {
      const request = present(challengeOf(server), { credentials: { username, password: 'x' } });
      return { ...server.check(request, 0), username: '' };
    });
    expect(known).toEqual(unknown);
  });
});

describe('nonces', () => {
  it('serve every count once, in nearly any order', () => {
    const server = createServer();
    const challenge = challengeOf(server);
    const verdicts = [1, 3, 2, 3, 2, 4].map(
      (nonceCount) => server.check(present(challenge, { nonceCount }), 10).verdict,
    );
    expect(verdicts).toEqual(['accepted', 'accepted', 'accepted', 'stale', 'stale', 'accepted']);
  });

  it('without a count serve once', () => {
    const server = createServer();
    const request = present(challengeOf(server), { qop: 'none' });
    expect([server.check(request, 1).verdict, server.check(request, 2).verdict]).toEqual([
      'accepted',
      'stale',
    ]);
  });

  it.each([
    { what: 'are too old', make: () => challengeOf(createServer(), 0), nowMs: 60_001 },
    { what: 'come from the future', make: () => challengeOf(createServer(), 5_000), nowMs: 0 },
    { what: 'are somebody else’s', make: () => challengeOf(createServer({ secret: 'two' })), nowMs: 0 },
    {
      what: 'were spelled anew',
      make: () => challengeOf(createServer()).replace(/nonce="([^"]*)"/, 'nonce="$1="'),
      nowMs: 0,
    },
    {
      what: 'are made up',
      make: () => 'Digest realm="callwire",nonce="x",qop="auth",algorithm=MD5',
      nowMs: 0,
    },
  ])('that $what are stale with the right password, refused with a wrong one', ({ make, nowMs }) => {
    const server = createServer();
    expect(server.check(present(make()), nowMs).verdict).toBe('stale');
    const wrong = present(make(), { credentials: { ...alice, password: 'x' } });
    expect(server.check(wrong, nowMs).verdict).toBe('refused');
  });

  it('survive exactly as long as they should', () => {
    const server = createServer();
    expect(server.check(present(challengeOf(server, 0)), 60_000).verdict).toBe('accepted');
  });
});

describe('the memory for counts', () => {
  it('is bounded, and nothing that it lost can be used again', () => {
    const counts = new NonceCounts(100);
    for (let n = 0; n < 1_000; n++) expect(counts.use(`nonce-${n}`, 1, n)).toBe(true);
    expect(counts.size).toBe(100);
    expect(counts.use('nonce-5', 1, 5)).toBe(false);
    expect(counts.use('nonce-899', 2, 899)).toBe(false);
    expect(counts.use('nonce-950', 2, 950)).toBe(true);
    expect(counts.use('fresh', 1, 1_000)).toBe(true);
  });

  it('lets go of what is too old anyway', () => {
    const counts = new NonceCounts(100);
    counts.use('old', 1, 0);
    counts.use('young', 1, 50);
    counts.forgetBefore(20);
    expect(counts.size).toBe(1);
  });

  it.each([
    { counts: [1, 40, 9, 8], used: [true, true, true, false] },
    { counts: [0, -1, 1], used: [false, false, true] },
    { counts: [32, 1, 1, 33, 2, 2], used: [true, true, false, true, true, false] },
    { counts: [5, 100_000, 5, 99_999], used: [true, true, false, true] },
  ])('knows a window of 32 below the highest: $counts', ({ counts, used }) => {
    const memory = new NonceCounts(10);
    expect(counts.map((count) => memory.use('n', count, 0))).toEqual(used);
  });
});
