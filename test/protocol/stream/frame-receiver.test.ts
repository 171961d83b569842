import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReceiver } from '../../../protocol/stream/frame-receiver.ts';

/** What a receiver made of the bytes: parts of binary messages are joined. */
function receive(chunks: readonly Uint8Array[], binaryBytesMax = 1000): unknown[] {
  const seen: unknown[] = [];
  let parts: number[] = [];
  const receiver = new FrameReceiver(
    {
      binary: (bytes, offset, sizeBytes, last) => {
        parts.push(...bytes.subarray(offset, offset + sizeBytes));
        if (!last) return;
        seen.push({ binary: parts });
        parts = [];
      },
      text: (text) => seen.push({ text }),
      ping: (payload) => seen.push({ ping: [...payload] }),
      close: (code, reason) => seen.push({ close: code, reason }),
      violation: (code) => seen.push({ violation: code }),
    },
    { textBytesMax: 300, binaryBytesMax },
  );
  // In the middle of a larger buffer, as a read leaves it.
  for (const chunk of chunks) {
    const around = new Uint8Array(chunk.length + 10).fill(0xff);
    around.set(chunk, 5);
    receiver.receive(around, 5, 5 + chunk.length);
  }
  return seen;
}

function frame(first: number, payload: readonly number[], lengthBytes?: 1 | 3 | 9): number[] {
  const size = payload.length;
  switch (lengthBytes ?? (size < 126 ? 1 : 3)) {
    case 1:
      return [first, size, ...payload];
    case 3:
      return [first, 126, size >> 8, size & 255, ...payload];
    case 9:
      return [first, 127, 0, 0, 0, 0, 0, 0, size >> 8, size & 255, ...payload];
  }
}

const letters = (text: string) => [...new TextEncoder().encode(text)];
const bytes = (size: number) => Array.from({ length: size }, (_, index) => index & 255);

describe('frames of a server', () => {
  it.each<[string, number[], unknown[]]>([
    ['a text (RFC 6455 §5.7)', [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], [{ text: 'Hello' }]],
    ['a fragmented text (§5.7)', [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], [{ text: 'Hello' }]],
    ['a ping (§5.7)', [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], [{ ping: letters('Hello') }]],
    ['256 bytes of binary (§5.7)', frame(0x82, bytes(256)), [{ binary: bytes(256) }]],
    ['a length longer than it need be', frame(0x82, bytes(3), 9), [{ binary: bytes(3) }]],
    ['an empty message', [0x82, 0], [{ binary: [] }]],
    [
      'a letter that is cut between two frames',
      [...frame(0x01, [0xc3]), ...frame(0x80, [0xa4])],
      [{ text: 'ä' }],
    ],
    ['a byte order mark', frame(0x81, [0xef, 0xbb, 0xbf, 0x41]), [{ text: '\ufeffA' }]],
    [
      'a ping amid fragments, the last of them empty',
      [...frame(0x02, [1, 2]), ...frame(0x89, [9]), ...frame(0x00, [3]), ...frame(0x80, [])],
      [{ ping: [9] }, { binary: [1, 2, 3] }],
    ],
    ['a pong nobody asked for', [...frame(0x8a, [1]), ...frame(0x82, [2])], [{ binary: [2] }]],
    ['a close', frame(0x88, [0x0f, 0xa1, ...letters('bye')]), [{ close: 4001, reason: 'bye' }]],
    ['a close without a code, and what follows it', [0x88, 0, 0x82, 0], [{ close: 1005, reason: '' }]],
    ['a masked frame', [0x81, 0x81, 1, 2, 3, 4, 5], [{ violation: 1002 }]],
    ['a reserved bit', [0xc1, 0], [{ violation: 1002 }]],
    ['a reserved opcode', [0x83, 0], [{ violation: 1002 }]],
    ['a reserved control opcode', [0x8b, 0], [{ violation: 1002 }]],
    ['a message within a message', [...frame(0x02, [1]), ...frame(0x82, [2])], [{ violation: 1002 }]],
    ['a long ping', frame(0x89, bytes(126)), [{ violation: 1002 }]],
    [
      'empty fragments without end',
      [...frame(0x01, []), ...Array.from({ length: 65_536 }, () => [0, 0]).flat()],
      [{ violation: 1009 }],
    ],
    ['binary of all that is allowed', frame(0x82, bytes(1000)), [{ binary: bytes(1000) }]],
    ['more binary', frame(0x82, bytes(1001)).slice(0, 4), [{ violation: 1009 }]],
    ['more text', frame(0x81, bytes(301)).slice(0, 4), [{ violation: 1009 }]],
    [
      'more binary in fragments',
      [...frame(0x02, bytes(600)), ...frame(0x80, bytes(401)).slice(0, 4)],
      [{ violation: 1009 }],
    ],
  ])('reads %s', (_name, sent, seen) => {
    const whole = receive([Uint8Array.from(sent)]);
    expect(whole).toEqual(seen);
    expect(receive(sent.map((byte) => Uint8Array.of(byte)))).toEqual(seen);
  });

  it('sees the same however the bytes are cut', () => {
    const message = fc.oneof(
      fc.integer({ min: 0, max: 700 }).map((size) => frame(0x82, bytes(size))),
      fc.string({ maxLength: 70 }).map((text) => frame(0x81, letters(text))),
      fc
        .tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }))
        .map(([a, b]) => [...frame(0x02, bytes(a)), ...frame(0x89, [a & 255]), ...frame(0x80, bytes(b))]),
      fc.uint8Array({ maxLength: 12 }).map((junk) => [...junk]),
    );
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 30 }),
        (messages, cuts) => {
          const all = Uint8Array.from(messages.flat());
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(all.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(all.subarray(at));
          expect(receive(chunks)).toEqual(receive([all]));
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});
