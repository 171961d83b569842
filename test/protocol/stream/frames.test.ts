import { describe, expect, it } from 'vitest';
import { buildFrame, closePayload, maySendCloseCode, opcodes } from '../../../protocol/stream/frames.ts';

const key = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

describe('frames of a client', () => {
  it('are as in RFC 6455 §5.7', () => {
    expect(Buffer.from(buildFrame(opcodes.text, Buffer.from('Hello'), key)).toString('hex')).toBe(
      '818537fa213d7f9f4d5158',
    );
  });

  it.each<[number, number[]]>([
    [0, [0x80]],
    [1, [0x81]],
    [125, [0xfd]],
    [126, [0xfe, 0, 126]],
    [65_535, [0xfe, 0xff, 0xff]],
    [65_536, [0xff, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('carry %i bytes', (sizeBytes, length) => {
    const payload = Buffer.alloc(sizeBytes, 'abcdefg');
    const frame = Buffer.from(buildFrame(opcodes.binary, payload, key));
    const head = [0x82, ...length, ...key];
    expect([...frame.subarray(0, head.length)]).toEqual(head);
    const unmasked = frame.subarray(head.length).map((byte, index) => byte ^ key[index & 3]!);
    expect(Buffer.compare(unmasked, payload)).toBe(0);
  });

  it('say why they close, where that can be said', () => {
    expect([...closePayload(4003, 'ä')!]).toEqual([0x0f, 0xa3, 0xc3, 0xa4]);
    expect(closePayload(1000, 'x'.repeat(123))).toHaveLength(125);
    expect(closePayload(1000, 'x'.repeat(124))).toBeUndefined();
    expect(closePayload(1006, '')).toBeUndefined();
  });

  it.each([
    [999, false],
    [1000, true],
    [1003, true],
    [1004, false],
    [1005, false],
    [1006, false],
    [1007, true],
    [1014, true],
    [1015, false],
    [2999, false],
    [3000, true],
    [4999, true],
    [5000, false],
  ])('close with %i: %s', (code, may) => {
    expect(maySendCloseCode(code)).toBe(may);
  });
});
