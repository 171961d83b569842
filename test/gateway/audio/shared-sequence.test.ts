import { expect, it } from 'vitest';
import { Aborted } from '../../../gateway/audio/abort.ts';
import { SharedSequence } from '../../../gateway/audio/shared-sequence.ts';

const nobody = new AbortController().signal;

async function collect(items: AsyncIterable<number>): Promise<number[]> {
  const found: number[] = [];
  for await (const item of items) found.push(item);
  return found;
}

it('gives all of it to everybody, whenever they come', async () => {
  const sequence = new SharedSequence<number>(() => expect.unreachable());
  sequence.push(1);
  const early = collect(sequence.read(nobody));
  await Promise.resolve();
  sequence.push(2);
  sequence.end();
  sequence.push(3);
  expect(await early).toEqual([1, 2]);
  expect(await collect(sequence.read(nobody))).toEqual([1, 2]);
});

it('fails for everybody, behind what came before', async () => {
  const sequence = new SharedSequence<number>(() => {});
  sequence.push(1);
  const reader = sequence.read(nobody);
  expect(await reader.next()).toEqual({ done: false, value: 1 });
  sequence.fail(new RangeError('broken'));
  await expect(reader.next()).rejects.toThrow('broken');
  await expect(collect(sequence.read(nobody))).rejects.toThrow('broken');
});

it('is abandoned when the last reader leaves it unfinished, and not before', async () => {
  let abandoned = 0;
  const sequence = new SharedSequence<number>(() => abandoned++);
  const hangUp = new AbortController();
  const waiting = expect(collect(sequence.read(hangUp.signal))).rejects.toBeInstanceOf(Aborted);
  const other = sequence.read(nobody);
  const next = other.next();
  hangUp.abort();
  await waiting;
  expect(abandoned).toBe(0);
  sequence.push(1);
  await next;
  await other.return();
  expect(abandoned).toBe(1);
});
