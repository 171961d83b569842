import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { type SrtpSuite, srtpSuites } from '../../../protocol/rtp/srtp-keys.ts';
import { writeAnswer } from '../../../protocol/sdp/answer.ts';
import type { LocalCrypto, SrtpPolicy } from '../../../protocol/sdp/crypto.ts';
import { type Negotiated, negotiate, warningValue } from '../../../protocol/sdp/negotiate.ts';
import { readAnswer, writeOffer } from '../../../protocol/sdp/offer.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';
import { local, offerOf, pcma, pcmu } from './sdp-samples.ts';

const codecs = [pcmu, pcma];
const savp = 'm=audio 5000 RTP/SAVP 0';
/** RFC 4568 9.1. */
const material = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj';
const line80 = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${material}`;
const line32 = `a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:${material}`;

function settle(offer: Parameters<typeof offerOf>[0], srtp: SrtpPolicy = 'optional'): Negotiated {
  return negotiate(readOffer(offerOf(offer)), { codecs, srtp });
}

function refusal(offer: Parameters<typeof offerOf>[0], srtp: SrtpPolicy = 'optional'): ProtocolError {
  try {
    settle(offer, srtp);
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error('a refusal expected');
}

function keyOf(suite: SrtpSuite, fill: number): LocalCrypto['key'] {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  return {
    suite,
    masterKey: new Uint8Array(keyBytes).fill(fill),
    masterSalt: new Uint8Array(saltBytes).fill(fill + 1),
  };
}

describe('an offer with keys', () => {
  test('gives the key and the salt of its first line that is served', () => {
    const { remoteKey, lineIndex } = settle({ media: savp, lines: [line32, line80] });
    expect(lineIndex).toBe(0);
    expect(remoteKey?.tag).toBe(2);
    expect(remoteKey?.key.suite).toBe('AES_CM_128_HMAC_SHA1_32');
    const whole = Buffer.from(material, 'base64');
    expect(Buffer.from(remoteKey!.key.masterKey)).toEqual(whole.subarray(0, 16));
    expect(Buffer.from(remoteKey!.key.masterSalt)).toEqual(whole.subarray(16));
    expect(remoteKey?.key.packetsMax).toBeUndefined();
  });

  test.each([
    { name: 'a lifetime as a power', line: `${line80}|2^20`, packetsMax: 2 ** 20 },
    { name: 'a lifetime as a number', line: `${line80}|1048576`, packetsMax: 2 ** 20 },
    { name: 'a hint of the window', line: `${line80} WSH=64`, packetsMax: undefined },
    { name: 'what may be ignored', line: `${line80} -x=1 WSH=64`, packetsMax: undefined },
  ])('takes $name', ({ line, packetsMax }) => {
    expect(settle({ media: savp, lines: [line] }).remoteKey?.key.packetsMax).toBe(packetsMax);
  });

  test.each([
    { line: `${line80}|2^20|1:4`, why: '1: MKI is not served' },
    { line: `${line80}|1:4`, why: '1: MKI is not served' },
    { line: `${line80};inline:${material}`, why: '1: one key expected, as MKI is not served, got several' },
    { line: `${line80}|2^49`, why: '1: a lifetime from 1 to 2^48 expected, got 2^49' },
    { line: `${line80}|0`, why: '1: a lifetime from 1 to 2^48 expected, got 0' },
    {
      line: `a=crypto:1 F8_128_HMAC_SHA1_80 inline:${material}`,
      why: '1: suite F8_128_HMAC_SHA1_80 is unknown',
    },
    {
      line: `a=crypto:1 toString inline:${material}`,
      why: '1: suite toString is unknown',
    },
    {
      line: `a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:${material}`,
      why: '1: key and salt of 46 bytes expected in base64',
    },
    { line: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:????`, why: '1: key and salt of 30 bytes expected' },
    { line: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 uri:x`, why: '1: inline:<key> expected' },
    {
      line: `${line80} UNENCRYPTED_SRTP`,
      why: '1: session parameter UNENCRYPTED_SRTP is not served',
    },
    {
      line: `${line80} WSH=64 UNAUTHENTICATED_SRTP`,
      why: '1: session parameter UNAUTHENTICATED_SRTP is not served',
    },
    { line: 'a=sendrecv', why: 'no a=crypto line' },
  ])('is refused for $line', ({ line, why }) => {
    const error = refusal({ media: savp, lines: [line] });
    expect([error.code, error.status]).toEqual(['crypto-unsupported', 488]);
    expect(error.message).toContain(why);
    expect(error.message).not.toContain(material);
    expect(warningValue(error, 'x')).toContain('399 x "');
  });

  test('goes past the lines that are not served', () => {
    const lines = [`${line80}|1:4`, `a=crypto:7 AEAD_AES_128_GCM inline:${material.slice(0, 38)}==`, line32];
    expect(settle({ media: savp, lines }).remoteKey).toMatchObject({
      tag: 7,
      key: { suite: 'AEAD_AES_128_GCM' },
    });
  });
});

describe('rtp.srtp', () => {
  const plain = 'm=audio 6000 RTP/AVP 0';
  const both = `${plain}\r\n${savp}`;
  const dtls = 'm=audio 5000 UDP/TLS/RTP/SAVPF 0';
  test.each([
    { policy: 'off', media: plain, lines: [], outcome: 'plain 0' },
    { policy: 'off', media: plain, lines: [line80], outcome: 'plain 0' },
    { policy: 'off', media: savp, lines: [line80], outcome: 'profile-unsupported' },
    { policy: 'off', media: both, lines: [line80], outcome: 'plain 0' },
    { policy: 'optional', media: plain, lines: [], outcome: 'plain 0' },
    { policy: 'optional', media: plain, lines: [line80], outcome: 'encrypted 0' },
    { policy: 'optional', media: plain, lines: [`${line80}|1:4`], outcome: 'plain 0' },
    { policy: 'optional', media: savp, lines: [line80], outcome: 'encrypted 0' },
    { policy: 'optional', media: both, lines: [line80], outcome: 'encrypted 1' },
    { policy: 'optional', media: both, lines: [], outcome: 'plain 0' },
    { policy: 'optional', media: dtls, lines: [], outcome: 'profile-unsupported' },
    { policy: 'required', media: plain, lines: [], outcome: 'srtp-required' },
    { policy: 'required', media: plain, lines: [line80], outcome: 'encrypted 0' },
    { policy: 'required', media: savp, lines: [line80], outcome: 'encrypted 0' },
    { policy: 'required', media: savp, lines: [], outcome: 'crypto-unsupported' },
    { policy: 'required', media: both, lines: [line80], outcome: 'encrypted 1' },
    { policy: 'required', media: both, lines: [], outcome: 'crypto-unsupported' },
    { policy: 'required', media: dtls, lines: [], outcome: 'srtp-required' },
  ] as const)('$policy and $media with $lines: $outcome', ({ policy, media, lines, outcome }) => {
    let seen: string;
    try {
      const { remoteKey, lineIndex } = settle({ media, lines }, policy);
      seen = `${remoteKey === undefined ? 'plain' : 'encrypted'} ${lineIndex}`;
    } catch (error) {
      seen = (error as ProtocolError).code;
    }
    expect(seen).toBe(outcome);
  });
});

describe('an answer with keys', () => {
  test('has the tag of the offer, our key, and refuses the other line', () => {
    const offer = readOffer(offerOf({ media: `m=audio 6000 RTP/AVP 0\r\n${savp}`, lines: [line32, line80] }));
    const negotiated = negotiate(offer, { codecs, srtp: 'optional' });
    const text = writeAnswer(offer, negotiated, local, { tag: 2, key: keyOf('AES_CM_128_HMAC_SHA1_32', 65) });
    expect(text).toContain('m=audio 0 RTP/AVP 0\r\n');
    expect(text).toContain('m=audio 20000 RTP/SAVP 0\r\n');
    const key = Buffer.concat([Buffer.alloc(16, 65), Buffer.alloc(14, 66)]).toString('base64');
    expect(text.match(/a=crypto:.*/g)).toEqual([`a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:${key}`]);
  });

  const crypto: LocalCrypto[] = (Object.keys(srtpSuites) as SrtpSuite[]).map((suite, index) => ({
    tag: index + 1,
    key: keyOf(suite, index + 1),
  }));
  const answerTo = (media: string, lines: readonly string[], srtp: SrtpPolicy) =>
    readAnswer(offerOf({ media, lines }), { ...local, codecs, srtp, crypto });

  test.each(crypto)('comes back from what was offered as tag $tag', ({ tag, key }) => {
    for (const srtp of ['required', 'optional'] as const) {
      const offer = { ...local, codecs, srtp, crypto: [{ tag, key }] };
      const text = writeOffer(offer);
      expect(text).toContain(srtp === 'required' ? ' RTP/SAVP ' : ' RTP/AVP ');
      const remote = readOffer(text);
      const negotiated = negotiate(remote, { codecs, srtp });
      expect(negotiated.remoteKey).toMatchObject({ tag, key });
      const answerKey = keyOf(key.suite, 100);
      const settled = readAnswer(writeAnswer(remote, negotiated, local, { tag, key: answerKey }), offer);
      expect(settled.remoteKey).toMatchObject({ tag, key: answerKey });
    }
  });

  test('must use a tag and a suite that were offered', () => {
    expect(() =>
      answerTo(savp, [`a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:${material}`], 'required'),
    ).toThrow('crypto 9: not offered');
    expect(() =>
      answerTo(savp, [`a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:${material}`], 'required'),
    ).toThrow('crypto 2: not offered');
    expect(answerTo(savp, [line80], 'required').remoteKey?.tag).toBe(1);
  });

  test('may be plain where that is optional', () => {
    const plain = 'm=audio 6000 RTP/AVP 0';
    expect(answerTo(plain, [], 'optional').remoteKey).toBeUndefined();
    expect(answerTo(plain, [line80], 'optional').remoteKey?.tag).toBe(1);
    expect(() => answerTo(plain, [], 'required')).toThrow('RTP/SAVP with an a=crypto line expected');
    expect(() => answerTo(savp, [], 'optional')).toThrow('no a=crypto line');
  });
});

test('whatever stands in the line, it is read or refused, and never shown', () => {
  const parameter = fc.string({ maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(srtpSuites)), parameter, parameter, (suite, key, rest) => {
      const line = `a=crypto:1 ${suite} inline:${key} ${rest}`.replace(/[\r\n]/g, '');
      try {
        const { remoteKey } = settle({ media: savp, lines: [line] });
        expect(remoteKey?.key.suite).toBe(suite);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { seed: 4568, numRuns: 500 },
  );
});
