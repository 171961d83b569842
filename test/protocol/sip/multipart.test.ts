import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import type { SipRequest } from '../../../protocol/sip/message.ts';
import { parseMultipart } from '../../../protocol/sip/multipart.ts';
import { checkRequest } from '../../../protocol/sip/request-check.ts';
import { sdpOf } from '../../../protocol/sip/session-description.ts';

const type = 'multipart/mixed;boundary=x1';
const sdp = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n';
const sdpPart = `Content-Type: application/sdp\r\n\r\n${sdp}`;

const body = (...parts: readonly string[]): Uint8Array =>
  Buffer.from(`${parts.map((part) => `--x1\r\n${part}\r\n`).join('')}--x1--\r\n`);
const texts = (contentType: string, bytes: Uint8Array): string[] =>
  parseMultipart(contentType, bytes).map(({ type: of, body: part }) => `${of} ${Buffer.from(part)}`);

describe('a body of several parts', () => {
  it.each([
    { name: 'one', bytes: body(sdpPart), parts: [`application/sdp ${sdp}`] },
    {
      name: 'two, the second without headers',
      bytes: body(sdpPart, '\r\nhello'),
      parts: [`application/sdp ${sdp}`, 'text/plain hello'],
    },
    {
      name: 'headers folded, compact, in any case',
      bytes: body('cOnTeNt-tYpE:\r\n  Application/SDP;a=b\r\n\r\nx', 'c: a/b\r\n\r\ny'),
      parts: ['application/sdp x', 'a/b y'],
    },
    {
      name: 'words before the first and behind the last, space behind a boundary',
      bytes: Buffer.from('hello\r\n--x1 \t\r\n\r\none\r\n--x1--\r\nbye'),
      parts: ['text/plain one'],
    },
    {
      name: 'a boundary within another word',
      bytes: body('\r\na--x1\r\n--x12\r\n--x1y\r\nb'),
      parts: ['text/plain a--x1\r\n--x12\r\n--x1y\r\nb'],
    },
    { name: 'an empty part', bytes: body('\r\n'), parts: ['text/plain '] },
  ])('is read: $name', ({ bytes, parts }) => {
    expect(texts(type, bytes)).toEqual(parts);
  });

  it('may have its boundary in quotes', () => {
    expect(texts('multipart/mixed; boundary="x1"', body('\r\na'))).toEqual(['text/plain a']);
  });

  it.each([
    ['no boundary in its type', 'multipart/mixed', body('\r\na')],
    ['another boundary', 'multipart/mixed;boundary=y', body('\r\na')],
    ['no closing boundary', type, Buffer.from('--x1\r\n\r\na')],
    ['no empty line in a part', type, body('Content-Type: a/b')],
    ['too many parts', type, body(...Array.from({ length: 17 }, () => '\r\na'))],
    ['a head without end', type, body(`A: ${'b'.repeat(5_000)}\r\n\r\nc`)],
  ])('is refused with %s', (_what, contentType, bytes) => {
    expect(() => parseMultipart(contentType, bytes)).toThrow(ProtocolError);
  });

  it('throws nothing but ProtocolError', () => {
    const piece = fc.constantFrom('--x1', '--', '\r\n', '\r', 'a', ':', 'Content-Type: a/b', ' ', '"');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          parseMultipart(type, Buffer.from(pieces.join('')));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { seed: 5_621, numRuns: 2_000 },
    );
  });

  it('is read in linear time', () => {
    const hostile = Buffer.from(`--x1\r\n\r\n${'\r\n--x1y'.repeat(9_000)}`);
    const startedMs = performance.now();
    for (let round = 0; round < 5; round++) expect(() => parseMultipart(type, hostile)).toThrow();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe('an INVITE with several parts', () => {
  const invite = (bytes: Uint8Array, contentType = type): SipRequest => ({
    kind: 'request',
    method: 'INVITE',
    uri: 'sip:a@b',
    headers: [
      { name: 'Via', value: 'SIP/2.0/UDP a;branch=z9hG4bK1' },
      { name: 'From', value: '<sip:a@b>;tag=1' },
      { name: 'To', value: '<sip:a@b>' },
      { name: 'Call-ID', value: 'a' },
      { name: 'CSeq', value: '1 INVITE' },
      { name: 'Content-Type', value: contentType },
    ],
    body: bytes,
  });
  const statusOf = (request: SipRequest): number | undefined =>
    checkRequest(request, {
      methodsAllowed: ['INVITE'],
      extensions: [],
      contentTypes: ['application/sdp', 'multipart/mixed'],
    })?.status;
  const isup = (disposition: string) =>
    `Content-Type: application/isup;version=itu-t92+\r\n${disposition}\r\n\x01\x02`;

  it.each([
    {
      name: 'SDP and ISUP that may be left',
      parts: [sdpPart, isup('Content-Disposition: signal;handling=optional\r\n')],
    },
    { name: 'ISUP first, which says nothing', parts: [isup(''), sdpPart] },
  ])('has its session description: $name', ({ parts }) => {
    const request = invite(body(...parts));
    expect([statusOf(request), sdpOf(request)]).toEqual([undefined, sdp]);
  });

  it.each([
    {
      name: 'a part that must be read',
      bytes: body(sdpPart, isup('Content-Disposition: signal;handling=required\r\n')),
      status: 415,
    },
    { name: 'nothing that we read', bytes: body(isup('')), status: 415 },
    { name: 'no boundary', bytes: Buffer.from(sdp), status: 400 },
  ])('is refused with $status: $name', ({ bytes, status }) => {
    expect(statusOf(invite(bytes))).toBe(status);
  });

  it('of which nothing can be made carries none', () => {
    expect(sdpOf(invite(Buffer.from('x')))).toBeUndefined();
    expect(sdpOf(invite(body('\r\nhello')))).toBeUndefined();
  });
});
