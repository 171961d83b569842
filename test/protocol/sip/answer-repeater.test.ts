import { expect, it } from 'vitest';
import { AnswerRepeater } from '../../../protocol/sip/answer-repeater.ts';
import { sipTimings } from '../../../protocol/sip/transaction-tables.ts';
import { createRequest, createTestResponse } from './messages.ts';

function create(): AnswerRepeater {
  const request = createRequest('INVITE');
  const response = createTestResponse(request, 200, 'bob');
  return new AnswerRepeater({ request, response, offerIsOurs: false, initial: true }, sipTimings, 1_000);
}

it('repeats after T1, 2 T1 … T2 and gives up after 64 T1', () => {
  const repeater = create();
  const happened: [number, string | undefined][] = [];
  for (;;) {
    const { deadlineMs } = repeater;
    const what = repeater.expire(deadlineMs);
    happened.push([deadlineMs - 1_000, what]);
    if (what !== 'repeat') break;
  }
  const repeats = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
  expect(happened).toEqual([...repeats.map((atMs) => [atMs, 'repeat']), [32_000, 'giveUp']]);
});

it('does nothing before its time, and one thing after a long sleep', () => {
  const repeater = create();
  expect(repeater.expire(1_499)).toBeUndefined();
  expect(repeater.expire(20_000)).toBe('repeat');
  expect(repeater.expire(20_000)).toBeUndefined();
  expect(repeater.expire(50_000)).toBe('giveUp');
});
