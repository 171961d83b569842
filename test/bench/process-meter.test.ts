import { describe, expect, test } from 'vitest';
import { DelayQueue } from '../../bench/delay-queue.ts';
import { readReadyLine } from '../../bench/gateway-process.ts';
import { cpuBetween, parseStat, readCpu, readMemory } from '../../bench/process-meter.ts';

test.each([
  ['99 (node) S 1 99 99 0 -1 4194304 900 0 0 0 150 50 0 0 20 0 11 0 1', { name: 'node', cpuMs: 2000 }],
  ['99 (a) b (c) R 1 99 99 0 -1 0 0 0 0 0 7 1 0 0 20 0 1 0 1', { name: 'a) b (c', cpuMs: 80 }],
])('stat line %j', (line, expected) => {
  expect(parseStat(line)).toEqual(expected);
});

test('CPU between two readings is split by thread, the busiest first', () => {
  const thread = (threadId: number, cpuMs: number, waitedMs = 0) => ({
    threadId,
    name: 'node',
    cpuMs,
    waitedMs,
  });
  const span = cpuBetween(
    10,
    { cpuMs: 100, threads: [thread(10, 60), thread(11, 40, 5)] },
    { cpuMs: 1110, threads: [thread(10, 160), thread(11, 740, 25), thread(12, 200), thread(13, 1)] },
  );
  expect(span.cpuMs).toBe(1001);
  expect(span.threads).toEqual([
    { name: 'thread 11', cpuMs: 700, waitedMs: 20 },
    { name: 'thread 12', cpuMs: 200, waitedMs: 0 },
    { name: 'main thread', cpuMs: 100, waitedMs: 0 },
    { name: 'others', cpuMs: 1, waitedMs: 0 },
  ]);
});

describe.runIf(process.platform === 'linux')('on Linux', () => {
  test('this process has threads and memory', () => {
    expect(readCpu(process.pid)!.threads.length).toBeGreaterThan(1);
    expect(readMemory(process.pid)!.rssBytes).toBeGreaterThan(10_000_000);
  });
});

test('a process that is not there has no figures', () => {
  expect(readCpu(2 ** 30)).toBeUndefined();
  expect(readMemory(2 ** 30)).toBeUndefined();
});

test.each([
  ['{"ready":true,"sip":["tcp:127.0.0.1:1","udp:127.0.0.1:5062"],"http":"127.0.0.1:8080"}', '127.0.0.1:5062'],
  ['{"ready":false,"sip":["udp:127.0.0.1:5062"]}', undefined],
  ['{"ready":true', undefined],
  ['ready', undefined],
])('ready line %s', (line, expected) => {
  expect(readReadyLine(line)).toBe(expected);
});

test('the delay queue gives what is due, the earliest first', () => {
  const queue = new DelayQueue<number>();
  for (const dueMs of [5, 1, 4, 1.5, 9, 3]) queue.push(dueMs, dueMs);
  const due: number[] = [];
  for (let item = queue.pop(4); item !== undefined; item = queue.pop(4)) due.push(item);
  expect(due).toEqual([1, 1.5, 3, 4]);
  expect(queue.size).toBe(2);
});
