import { describe, expect, it } from 'vitest';
import { messageMsMax, type SipFrame, SipFramer } from '../../../protocol/sip/framer.ts';
import { defaultLimits, parseMessage } from '../../../protocol/sip/parse.ts';
import { createRandom } from '../../support/random.ts';
import { inviteText, messageBytes } from './message-text.ts';

const invite = Buffer.from(inviteText);
const bye = messageBytes('BYE sip:a SIP/2.0', 'CSeq: 2 BYE', 'l: 0');

/** What came out: the method of each message, `ping`, or the code of the error. */
function summary(frames: readonly SipFrame[]): string[] {
  return frames.map((frame) => {
    if (frame.kind === 'ping' || frame.kind === 'pong') return frame.kind;
    if (frame.kind === 'broken') return `${frame.error.code} ${frame.error.status}`;
    const message = parseMessage(frame.bytes);
    return message.kind === 'request' ? message.method : `${message.status}`;
  });
}

describe('a stream', () => {
  it.each([
    { name: 'one message', bytes: [invite], out: ['INVITE'] },
    { name: 'two in one chunk', bytes: [invite, bye], out: ['INVITE', 'BYE'] },
    { name: 'line breaks between them', bytes: [invite, '\r\n', bye], out: ['INVITE', 'BYE'] },
    { name: 'a ping', bytes: ['\r\n\r\n'], out: ['ping'] },
    { name: 'a ping between messages', bytes: [bye, '\r\n\r\n', bye], out: ['BYE', 'ping', 'BYE'] },
    { name: 'a pong', bytes: ['\r\n', bye], out: ['BYE'] },
    { name: 'line breaks that are no ping', bytes: ['\n\n\r\r\n\n\r', bye], out: ['BYE'] },
    {
      name: 'folded Content-Length',
      bytes: ['BYE sip:a SIP/2.0\r\nCONTENT-LENGTH\t:\r\n 3\r\n\r\nabc', bye],
      out: ['BYE', 'BYE'],
    },
    {
      name: 'Content-Length in a body',
      bytes: ['BYE sip:a SIP/2.0\r\nl:16\r\n\r\n\r\nl: 99\r\n\r\nabc', '\r\n', bye],
      out: ['BYE', 'BYE'],
    },
    {
      name: 'a bad message whose end is known',
      bytes: ['BYE <a> SIP/2.0\r\nl: 0\r\n\r\n', bye],
      out: ['bad', 'BYE'],
    },
  ])('is cut: $name', ({ bytes, out }) => {
    const stream = Buffer.concat(bytes.map((part) => Buffer.from(part)));
    const framer = new SipFramer();
    const frames = framer.push(stream, 0);
    if (out[0] === 'bad')
      expect(() => parseMessage((frames.shift() as { bytes: Uint8Array }).bytes)).toThrow();
    expect(summary(frames)).toEqual(out.filter((entry) => entry !== 'bad'));
    expect(framer.pendingBytes).toBe(0);
    expect(framer.deadlineMs).toBeUndefined();
  });

  it.each([
    { name: 'the pong alone', bytes: ['\r\n'], out: ['pong'] },
    { name: 'the pong in two pieces', bytes: ['\r', '\n'], out: ['pong'] },
    { name: 'the pong before a message', bytes: ['\r\n', bye], out: ['pong', 'BYE'] },
    { name: 'a ping that crosses ours, then the pong', bytes: ['\r\n\r\n', '\r\n'], out: ['pong', 'ping'] },
    { name: 'one pong, however many line breaks', bytes: ['\r\n', '\r\n', bye], out: ['pong', 'BYE'] },
  ])('that waits for a pong sees $name', ({ bytes, out }) => {
    const framer = new SipFramer();
    framer.push(Buffer.from('\r\n'), 0);
    framer.push(bye, 0);
    framer.expectPong();
    const frames = bytes.flatMap((part) => framer.push(Buffer.from(part), 0));
    expect(summary(frames)).toEqual(out);
  });

  it('is cut alike, however it is chunked', () => {
    const stream = Buffer.concat([invite, bye, Buffer.from('\r\n\r\n'), invite, Buffer.from('\r\n'), bye]);
    const random = createRandom(5_626);
    for (let run = 0; run < 300; run++) {
      const sizeMax = run === 0 ? 1 : 1 + Math.floor(random() * 900);
      const framer = new SipFramer();
      const frames: SipFrame[] = [];
      for (let offset = 0; offset < stream.length; ) {
        const size = 1 + Math.floor(random() * sizeMax);
        const chunk = Buffer.from(stream.subarray(offset, offset + size));
        frames.push(...framer.push(chunk, offset));
        chunk.fill(0);
        offset += size;
      }
      expect(summary(frames)).toEqual(['INVITE', 'BYE', 'ping', 'INVITE', 'BYE']);
      expect(framer.pendingBytes).toBe(0);
    }
  });

  it('answers a flood of line breaks once a chunk', () => {
    expect(summary(new SipFramer().push(Buffer.from('\r\n'.repeat(5_000)), 0))).toEqual(['ping']);
  });

  it('gives a message until 32 s after its first byte', () => {
    const framer = new SipFramer();
    expect(framer.deadlineMs).toBeUndefined();
    framer.push(invite.subarray(0, 10), 1_000);
    framer.push(invite.subarray(10, 20), 9_000);
    expect(framer.deadlineMs).toBe(1_000 + messageMsMax);
    const frames = framer.push(Buffer.concat([invite.subarray(20), bye.subarray(0, 5)]), 10_000);
    expect(summary(frames)).toEqual(['INVITE']);
    expect(framer.deadlineMs).toBe(10_000 + messageMsMax);
    framer.push(bye.subarray(5), 11_000);
    expect(framer.deadlineMs).toBeUndefined();
  });
});

describe('a stream that cannot be cut', () => {
  const head = 'INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP b\r\n';

  it.each([
    { name: 'no Content-Length', text: `${head}\r\n`, error: 'missing-content-length 400' },
    { name: 'a negative one', text: `${head}l: -5\r\n\r\n`, error: 'bad-content-length 400' },
    {
      name: 'two that differ',
      text: `${head}l: 5\r\nContent-Length: 6\r\n\r\n`,
      error: 'bad-content-length 400',
    },
    { name: 'one that is too large', text: `${head}l: 65535\r\n\r\n`, error: 'message-too-large 513' },
    {
      name: 'one beyond all numbers',
      text: `${head}l: ${'9'.repeat(30)}\r\n\r\n`,
      error: 'bad-content-length 400',
    },
    {
      name: 'headers without end',
      text: `${head}${'A: b\r\n'.repeat(12_000)}`,
      error: 'message-too-large 513',
    },
    {
      name: 'a line without end',
      text: `${head}A: ${'b'.repeat(70_000)}`,
      error: 'message-too-large 513',
    },
    { name: 'another protocol', text: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', error: 'bad-request-line 400' },
    { name: 'TLS', text: `\x16\x03\x01\x02\0${'\x01'.repeat(70_000)}`, error: 'message-too-large undefined' },
  ])('ends with an error, and what came before is kept: $name', ({ text, error }) => {
    const framer = new SipFramer();
    expect(summary(framer.push(Buffer.concat([bye, Buffer.from(text)]), 0))).toEqual(['BYE', error]);
    expect(framer.push(bye, 0)).toEqual([]);
    expect(framer.pendingBytes).toBe(0);
    expect(framer.deadlineMs).toBeUndefined();
  });

  it('can be answered from what was readable', () => {
    const [frame] = new SipFramer().push(Buffer.from(`${head}\r\n`), 0);
    expect(frame).toMatchObject({
      error: { partial: { method: 'INVITE', headers: [{ name: 'Via', value: 'SIP/2.0/TCP b' }] } },
    });
  });

  it('is bounded by the limits given', () => {
    const framer = new SipFramer({ ...defaultLimits, messageBytesMax: 100 });
    expect(summary(framer.push(invite, 0))).toEqual(['message-too-large 513']);
  });
});

describe('a stream of single bytes', () => {
  it('takes linear time', () => {
    const long = Buffer.from(
      `${'OPTIONS sip:a SIP/2.0\r\nl: 60000\r\n'}${'A: b\r\n'.repeat(200)}\r\n${'x'.repeat(60_000)}`,
    );
    let fastestMs = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run++) {
      const startedMs = performance.now();
      const framer = new SipFramer();
      let frames = 0;
      for (let index = 0; index < long.length; index++)
        frames += framer.push(long.subarray(index, index + 1), 0).length;
      expect(frames).toBe(1);
      fastestMs = Math.min(fastestMs, performance.now() - startedMs);
    }
    // About 20 ms; copying or searching all that is held for each byte would take seconds.
    expect(fastestMs).toBeLessThan(500);
  });
});
