import { afterEach, expect, it, vi } from 'vitest';
import { linkedSignal } from '../../../gateway/audio/abort.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('a signal that hundreds follow at a time is no reason to warn', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const closing = new AbortController();
  const links = Array.from({ length: 200 }, () => linkedSignal(closing.signal, new AbortController().signal));
  expect(warned).not.toHaveBeenCalled();
  for (const { release } of links.slice(1)) release();
  closing.abort();
  expect(links.map(({ signal }) => signal.aborted)).toEqual([true, ...Array(199).fill(false)]);
});
