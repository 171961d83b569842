import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextGuard } from '../../../protocol/stream/text-guard.ts';

interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly masked: boolean;
  readonly sizeBytes: number;
}

function bytesOf({ opcode, fin, masked, sizeBytes }: Frame): Uint8Array {
  const length =
    sizeBytes < 126
      ? [sizeBytes]
      : sizeBytes < 65_536
        ? [126, sizeBytes >> 8, sizeBytes & 255]
        : [127, 0, 0, 0, 0, 0, sizeBytes >> 16, (sizeBytes >> 8) & 255, sizeBytes & 255];
  length[0]! |= masked ? 0x80 : 0;
  const header = [(fin ? 0x80 : 0) | opcode, ...length, ...(masked ? [1, 2, 3, 4] : [])];
  const bytes = new Uint8Array(header.length + sizeBytes).fill(0x81);
  bytes.set(header);
  return bytes;
}

function joined(frames: readonly Frame[]): Uint8Array {
  return new Uint8Array(Buffer.concat(frames.map(bytesOf)));
}

const text = (sizeBytes: number, fin = true): Frame => ({ opcode: 1, fin, masked: false, sizeBytes });
const binary = (sizeBytes: number, fin = true): Frame => ({ opcode: 2, fin, masked: false, sizeBytes });
const more = (sizeBytes: number, fin = true): Frame => ({ opcode: 0, fin, masked: false, sizeBytes });
const ping = (sizeBytes: number): Frame => ({ opcode: 9, fin: true, masked: false, sizeBytes });

describe('the guard of text messages', () => {
  it.each<[string, Frame[], boolean]>([
    ['short text', [text(5), text(100)], true],
    ['text of exactly the limit', [text(1000), text(1000)], true],
    ['text one byte longer', [text(1001)], false],
    ['binary of any length', [binary(70_000), binary(500)], true],
    ['fragments within the limit', [text(500, false), ping(100), more(500), text(1000)], true],
    ['fragments beyond it', [text(500, false), more(400, false), ping(100), more(101)], false],
    ['fragments of binary', [binary(500, false), more(70_000)], true],
    ['a masked frame, which is not its business', [{ ...text(900), masked: true }, text(10)], true],
  ])('on %s', (_name, frames, passes) => {
    expect(new TextGuard(1000).receive(joined(frames))).toBe(passes);
  });

  it('says no with the header, before the text comes', () => {
    const guard = new TextGuard(1000);
    const bytes = bytesOf(text(70_000));
    expect(bytes.findIndex((_, index) => !guard.receive(bytes.subarray(index, index + 1)))).toBe(9);
  });

  it('says the same however the bytes are cut', () => {
    const frame = fc.record({
      opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
      fin: fc.boolean(),
      masked: fc.boolean(),
      sizeBytes: fc.oneof(fc.nat(130), fc.nat(1200), fc.integer({ min: 65_000, max: 66_000 })),
    });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 900 })),
        (frames, cuts) => {
          const bytes = joined(frames);
          const whole = new TextGuard(1000).receive(bytes);
          const guard = new TextGuard(1000);
          let at = 0;
          let passes = true;
          for (const cut of [...cuts, bytes.length]) {
            passes &&= guard.receive(bytes.subarray(at, at + cut));
            at += cut;
          }
          expect(passes).toBe(whole);
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });
});
