import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlayoutBuffer } from '../../../gateway/media/playout-buffer.ts';

function bytesOf(...samples: number[]): Uint8Array {
  return new Uint8Array(Int16Array.from(samples).buffer);
}

function take(buffer: PlayoutBuffer, samples: number): number[] {
  const pcm = new Int16Array(samples);
  return [...pcm.subarray(0, buffer.take(pcm, 0, samples))];
}

describe('playout buffer', () => {
  it('gives back what came, in order, however it was cut', () => {
    const buffer = new PlayoutBuffer({ sampleRateHz: 8000, sizeBytesMax: 1000 });
    buffer.push(bytesOf(1, 2, 3), 0, 6);
    buffer.push(bytesOf(9, 4, 5, 9), 2, 4);
    expect(take(buffer, 2)).toEqual([1, 2]);
    expect(take(buffer, 10)).toEqual([3, 4, 5]);
    expect(take(buffer, 10)).toEqual([]);
  });

  it('drops the oldest beyond its limit and says how many ms', () => {
    const buffer = new PlayoutBuffer({ sampleRateHz: 1000, sizeBytesMax: 8 });
    buffer.push(bytesOf(1, 2, 3), 0, 6);
    buffer.push(bytesOf(4, 5, 6), 0, 6);
    expect(buffer.droppedMs).toBe(2);
    expect(take(buffer, 10)).toEqual([3, 4, 5, 6]);
    buffer.push(bytesOf(1, 2, 3, 4, 5, 6), 0, 12);
    expect(take(buffer, 10)).toEqual([3, 4, 5, 6]);
    expect(buffer.droppedMs).toBe(4);
  });

  it('holds little memory until it needs more, and gives it back when cleared', () => {
    const buffer = new PlayoutBuffer({ sampleRateHz: 16000, sizeBytesMax: 5_000_000 });
    expect(buffer.capacityBytes).toBeLessThan(5000);
    buffer.push(new Uint8Array(6_000_000), 0, 6_000_000);
    expect(buffer.capacityBytes).toBe(5_000_000);
    expect(buffer.queuedMs).toBe(156_250);
    buffer.clear();
    expect(buffer.capacityBytes).toBeLessThan(5000);
    expect(buffer.queuedMs).toBe(0);
  });

  it('behaves as a list of samples does', () => {
    const operation = fc.oneof(
      { weight: 6, arbitrary: fc.record({ push: fc.nat(3000) }) },
      { weight: 6, arbitrary: fc.record({ take: fc.nat(2000) }) },
      { weight: 1, arbitrary: fc.record({ skip: fc.nat(2000) }) },
      { weight: 1, arbitrary: fc.constant({ clear: true }) },
    );
    const run = (limit: number, operations: readonly object[]) => {
      const buffer = new PlayoutBuffer({ sampleRateHz: 1000, sizeBytesMax: limit * 2 });
      let model: number[] = [];
      let next = 0;
      let dropped = 0;
      for (const step of operations) {
        if ('push' in step) {
          const samples = Array.from({ length: step.push as number }, () => (next++ % 60_000) - 30_000);
          buffer.push(bytesOf(...samples), 0, samples.length * 2);
          model.push(...samples);
          dropped += Math.max(0, model.length - limit);
          model = model.slice(-limit);
        } else if ('take' in step) {
          expect(take(buffer, step.take as number)).toEqual(model.splice(0, step.take as number));
        } else if ('skip' in step) {
          buffer.skip(step.skip as number);
          model.splice(0, step.skip as number);
        } else {
          buffer.clear();
          model = [];
        }
        expect(buffer.queuedSamples).toBe(model.length);
        expect(buffer.droppedMs).toBe(dropped);
      }
    };
    fc.assert(fc.property(fc.integer({ min: 1, max: 9000 }), fc.array(operation, { maxLength: 30 }), run), {
      seed: 11,
      numRuns: 200,
    });
  });
});
