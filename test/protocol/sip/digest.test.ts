import { describe, expect, it } from 'vitest';
import { authorize, DigestClient, parseChallenge, withCredentials } from '../../../protocol/sip/digest.ts';
import { createRequest, createTestResponse } from './messages.ts';

const mufasa = { username: 'Mufasa', password: 'Circle of Life' };
const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
const rfc7616 =
  'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=ALGORITHM, ' +
  'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';

describe('authorize', () => {
  it.each([
    { source: 'RFC 7616 §3.9.1', algorithm: 'MD5', response: '8ca523f5e9506fed4657c9700eebdbec' },
    {
      source: 'RFC 7616 §3.9.1',
      algorithm: 'SHA-256',
      response: '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    },
  ])('answers as $source does with $algorithm', ({ algorithm, response }) => {
    const challenge = parseChallenge(rfc7616.replace('ALGORITHM', algorithm))!;
    const value = authorize({
      challenge,
      credentials: mufasa,
      method: 'GET',
      uri: '/dir/index.html',
      cnonce,
      nonceCount: 1,
    });
    expect(value).toContain(`response="${response}"`);
    expect(value).toContain('qop=auth, nc=00000001');
    expect(value).toContain(`algorithm=${algorithm}`);
  });

  // Computed with md5sum and sha256sum from RFC 7616 §3.4.1–3.4.3.
  it.each([
    {
      what: 'a session',
      challenge: 'qop="auth", algorithm=MD5-sess',
      response: 'f4bb9d7a3b671b25e9fe24eb796c5170',
    },
    {
      what: 'a session',
      challenge: 'qop="auth", algorithm=SHA-256-sess',
      response: 'a9858514254179127342af87ddfe208fc76d218fe8a1307dd22af0cd8e5d9b85',
    },
    {
      what: 'a protected body',
      challenge: 'qop="auth-int", algorithm=MD5',
      response: 'd79fc5e9b6a209379b500c91f03a2f8f',
    },
    {
      what: 'a protected body',
      challenge: 'qop="auth-int", algorithm=SHA-256',
      response: '3d913e64e614d01cdfa7e268db6fe15f0a2c5bf5bc1221689066df026c584708',
    },
  ])('knows $what: $challenge', ({ challenge, response }) => {
    const value = authorize({
      challenge: parseChallenge(`Digest realm="r", nonce="n", ${challenge}`)!,
      credentials: { username: 'u', password: 'p' },
      method: 'MESSAGE',
      uri: 'sip:a@b',
      body: Buffer.from('hello'),
      cnonce: 'c',
      nonceCount: 1,
    });
    expect(value).toContain(`response="${response}"`);
  });

  it('answers a server without qop as RFC 2069 does', () => {
    const challenge = parseChallenge('Digest realm="r", nonce="n"')!;
    const value = authorize({
      challenge,
      credentials: { username: 'u', password: 'p' },
      method: 'INVITE',
      uri: 'sip:a@b',
      cnonce: 'c',
      nonceCount: 1,
    });
    // printf 'u:r:p' | md5sum, 'INVITE:sip:a@b', then both around the nonce.
    expect(value).toBe(
      'Digest username="u", realm="r", nonce="n", uri="sip:a@b", response="268f5a320f4c7be8a96bd7b8aa197d6b"',
    );
  });
});

describe('parseChallenge', () => {
  it.each([
    ['another scheme', 'Basic realm="r"'],
    ['an unknown algorithm', 'Digest realm="r", nonce="n", algorithm=SHA-512-256'],
    ['no qop that we have', 'Digest realm="r", nonce="n", qop="auth-conf"'],
  ])('passes over %s', (_what, value) => {
    expect(parseChallenge(value)).toBeUndefined();
  });

  it('wants realm and nonce', () => {
    expect(() => parseChallenge('Digest realm="r"')).toThrow('expected realm and nonce');
  });

  it('reads quoted pairs, bare values and capitals', () => {
    expect(
      parseChallenge('DIGEST Realm="a \\"b\\"", NONCE=xyz , qop=auth,stale=TRUE, algorithm=md5'),
    ).toMatchObject({
      realm: 'a "b"',
      nonce: 'xyz',
      qop: 'auth',
      stale: true,
      algorithm: 'MD5',
    });
  });

  it('takes linear time', () => {
    const startedMs = performance.now();
    parseChallenge(`Digest realm="r", nonce="n", ${'x="\\'.repeat(15_000)}`);
    parseChallenge(`Digest realm="r", nonce="n"${' ,'.repeat(30_000)}`);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});

describe('DigestClient', () => {
  const client = (): DigestClient => new DigestClient({ username: 'u', password: 'p' }, () => 'cnonce');
  const challenge = (nonce: string, more = '') => [
    { name: 'WWW-Authenticate', value: `Digest realm="r", nonce="${nonce}", qop="auth"${more}` },
  ];
  const invite = createRequest('INVITE');

  it('answers once, not when refused with credentials', () => {
    const digest = client();
    const answer = digest.answer(invite, createTestResponse(invite, 401, 't', challenge('1')))!;
    expect(answer.name).toBe('Authorization');
    const again = { ...invite, headers: withCredentials(invite.headers, answer) };
    expect(digest.answer(again, createTestResponse(again, 401, 't', challenge('2')))).toBeUndefined();
  });

  it('answers again where the nonce was stale, but not for ever', () => {
    const digest = client();
    let request = invite;
    const nonces: string[] = [];
    for (let round = 0; round < 10; round++) {
      const response = createTestResponse(request, 401, 't', challenge(`n${round}`, ', stale=true'));
      const answer = digest.answer(request, response);
      if (answer === undefined) break;
      nonces.push(/nonce="(\w+)"/.exec(answer.value)![1]!);
      request = { ...request, headers: withCredentials(request.headers, answer) };
      expect(request.headers.filter(({ name }) => name === 'Authorization')).toHaveLength(1);
    }
    expect(nonces).toEqual(['n0', 'n1', 'n2']);
  });

  it('counts the uses of a nonce', () => {
    const digest = client();
    const first = digest.answer(invite, createTestResponse(invite, 401, 't', challenge('1')));
    digest.answer(invite, createTestResponse(invite, 200, 't'));
    const bye = createRequest('BYE');
    const second = digest.answer(bye, createTestResponse(bye, 401, 't', challenge('1')));
    expect([first!.value, second!.value].map((value) => /nc=(\d+)/.exec(value)![1])).toEqual([
      '00000001',
      '00000002',
    ]);
  });

  it('answers ahead of the next question, counts on, and follows nextnonce', () => {
    const digest = client();
    expect(digest.ahead(invite)).toBeUndefined();
    digest.answer(invite, createTestResponse(invite, 401, 't', challenge('1')));
    digest.answer(invite, createTestResponse(invite, 200, 't'));
    expect(digest.ahead(invite)!.value).toContain('nonce="1"');
    const information = { name: 'Authentication-Info', value: 'nextnonce="2", qop=auth' };
    digest.answer(invite, createTestResponse(invite, 200, 't', [information]));
    expect(digest.ahead(invite)!.value).toMatch(/nonce="2".*nc=00000001/);
    expect(digest.ahead(invite)!.value).toMatch(/nonce="2".*nc=00000002/);
  });

  it('answers again where what it sent ahead was out of date', () => {
    const digest = client();
    digest.answer(invite, createTestResponse(invite, 401, 't', challenge('1')));
    digest.answer(invite, createTestResponse(invite, 200, 't'));
    const early = { ...invite, headers: withCredentials(invite.headers, digest.ahead(invite)!) };
    const late = digest.answer(early, createTestResponse(early, 401, 't', challenge('2')))!;
    expect(late.value).toContain('nonce="2"');
    const again = { ...invite, headers: withCredentials(invite.headers, late) };
    expect(digest.answer(again, createTestResponse(again, 401, 't', challenge('3')))).toBeUndefined();
  });

  it('answers a proxy in its own header and passes over what it cannot answer', () => {
    const response = createTestResponse(invite, 407, 't', [
      { name: 'Proxy-Authenticate', value: 'Digest realm="r"' },
      { name: 'Proxy-Authenticate', value: 'Digest realm="r", nonce="n", algorithm=SHA-512-256' },
      { name: 'Proxy-Authenticate', value: 'Digest realm="r", nonce="n", algorithm=SHA-256' },
    ]);
    const answer = client().answer(invite, response)!;
    expect(answer.name).toBe('Proxy-Authorization');
    expect(answer.value).toContain('algorithm=SHA-256');
  });

  it('has nothing to say without credentials', () => {
    const digest = new DigestClient(undefined, () => 'cnonce');
    expect(digest.answer(invite, createTestResponse(invite, 401, 't', challenge('1')))).toBeUndefined();
  });
});
