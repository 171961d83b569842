import { describe, expect, it } from 'vitest';
import type { StreamPlayout } from '../../../gateway/media/media-messages.ts';
import { DirectStream, mulawOf, mulawSamples } from '../../support/direct-stream.ts';
import { createRandom } from '../../support/random.ts';
import { rounds } from '../../support/rounds.ts';

/** What CONTRACT §5 says of audio, marks, clear and pause, in the simplest way: one list of samples and marks, from
 *  which 160 samples are taken every 20 ms. */
class ReferenceStream {
  readonly heard: number[] = [];
  readonly told: string[] = [];
  readonly #queue: (number | string)[] = [];
  #queuedSamples = 0;
  #played = 0;
  #halfSample: number | undefined;
  #paused = false;
  #playing = false;
  #firstQueuedMs = 0;
  nowMs = 1_000;
  readonly #samplesMax: number;
  readonly #prebufferMs: number | undefined;

  constructor({ maxBufferMs = Number.POSITIVE_INFINITY, prebufferMs }: StreamPlayout) {
    this.#samplesMax = maxBufferMs * 8;
    this.#prebufferMs = prebufferMs;
  }

  sendAudio(bytes: Uint8Array): void {
    const all = this.#halfSample === undefined ? [...bytes] : [this.#halfSample, ...bytes];
    this.#halfSample = all.length % 2 === 1 ? all.pop() : undefined;
    if (all.length > 0 && this.#queuedSamples === 0) this.#firstQueuedMs = this.nowMs;
    for (let at = 0; at < all.length; at += 2) {
      const unsigned = all[at]! | (all[at + 1]! << 8);
      this.#queue.push(unsigned > 32_767 ? unsigned - 65_536 : unsigned);
      this.#queuedSamples++;
    }
    const excess = this.#queuedSamples - this.#samplesMax;
    if (excess > 0) for (const name of this.#take(excess, () => {})) this.#tellMark(name, 'cleared');
  }

  say({ command, name }: { readonly command: string; readonly name?: string }): void {
    if (command === 'pause' || command === 'continue') this.#paused = command === 'pause';
    if (command === 'mark') {
      if (this.#queuedSamples === 0) this.#tellMark(name!, 'played');
      else this.#queue.push(name!);
    }
    if (command === 'clear') this.#clear();
    if (command === 'status') this.#tellStatus();
  }

  tick(): void {
    this.nowMs += 20;
    const frame: number[] = [];
    let reached: string[] = [];
    if (this.#mayPlay()) {
      reached = this.#take(160, (sample) => frame.push(sample));
      this.#played += frame.length;
    }
    if (frame.length < 160) this.#playing = false;
    this.heard.push(...frame, ...new Array<number>(160 - frame.length).fill(0));
    for (const name of reached) this.#tellMark(name, 'played');
  }

  #mayPlay(): boolean {
    if (this.#paused) return false;
    if (this.#playing) return true;
    if (this.#queuedSamples === 0) return false;
    const enough = this.#queuedSamples >= 8 * (this.#prebufferMs ?? 40);
    const longEnough = this.nowMs - this.#firstQueuedMs >= (this.#prebufferMs ?? 10);
    this.#playing = enough || longEnough;
    return this.#playing;
  }

  /** Takes up to so many samples, and the marks right behind them. */
  #take(samples: number, taken: (sample: number) => void): string[] {
    const names: string[] = [];
    let count = 0;
    let used = 0;
    for (; used < this.#queue.length; used++) {
      const next = this.#queue[used]!;
      if (typeof next === 'string') names.push(next);
      else if (count === samples) break;
      else {
        taken(next);
        count++;
      }
    }
    this.#queue.splice(0, used);
    this.#queuedSamples -= count;
    return names;
  }

  #clear(): void {
    const droppedMs = this.#queuedSamples / 8;
    for (const next of this.#queue.splice(0)) if (typeof next === 'string') this.#tellMark(next, 'cleared');
    this.#queuedSamples = 0;
    this.#halfSample = undefined;
    this.#playing = false;
    this.told.push(JSON.stringify({ event: 'cleared', playedMs: this.#played / 8, droppedMs }));
  }

  #tellMark(name: string, status: string): void {
    this.told.push(JSON.stringify({ event: 'mark', name, status, playedMs: this.#played / 8 }));
  }

  #tellStatus(): void {
    const bufferedMs = this.#queuedSamples / 8;
    const state = this.#paused ? 'paused' : bufferedMs > 0 ? 'playing' : 'idle';
    const marks = this.#queue.filter((next) => typeof next === 'string').length;
    const playedMs = this.#played / 8;
    this.told.push(JSON.stringify({ event: 'status', state, bufferedMs, playedMs, marks }));
  }
}

/** Bytes of a server's audio: mostly what a bot sends, now and then a single byte or two seconds at once. */
function audioBytes(random: () => number): number {
  const kind = random();
  if (kind < 0.2) return 1 + Math.floor(random() * 4);
  if (kind < 0.6) return 320;
  return 1 + Math.floor(32_000 * random() ** 4);
}

const latencies: readonly StreamPlayout[] = [
  {},
  {},
  { prebufferMs: 0 },
  { prebufferMs: 100 },
  { maxBufferMs: 300 },
];

function playRound(seed: number): readonly string[] {
  const random = createRandom(seed);
  const playout = { ...latencies[Math.floor(random() * latencies.length)]!, catchesUp: false };
  const stream = new DirectStream({ playout, extensions: ['mark', 'control'] });
  const reference = new ReferenceStream(playout);
  const both = (message: { readonly command: string; readonly name?: string }) => {
    stream.say(message);
    reference.say(message);
  };
  let marks = 0;
  for (let step = 0; step < 30; step++) {
    const choice = random();
    if (choice < 0.35) {
      const sizeBytes = audioBytes(random);
      const samples = new Int16Array(Math.ceil(sizeBytes / 2));
      for (let at = 0; at < samples.length; at++) {
        samples[at] = mulawSamples[Math.floor(random() * mulawSamples.length)]!;
      }
      // An odd number shifts all that follow by a byte, until the next odd one.
      const bytes = new Uint8Array(samples.buffer, 0, sizeBytes);
      stream.sendAudio(bytes);
      reference.sendAudio(bytes);
    } else if (choice < 0.55) both({ command: 'mark', name: `m${marks++}` });
    else if (choice < 0.62) both({ command: 'clear' });
    else if (choice < 0.68) both({ command: random() < 0.4 ? 'pause' : 'continue' });
    else if (choice < 0.72) both({ command: 'status' });
    else {
      for (let ticks = 1 + Math.floor(4 * random()); ticks > 0; ticks--) {
        stream.tick();
        reference.tick();
      }
    }
  }
  both({ command: 'continue' });
  for (let ticks = 0; ticks < 30; ticks++) {
    stream.tick();
    reference.tick();
  }
  both({ command: 'status' });
  // Compared as text: a list of thousands of numbers is compared slowly.
  expect(stream.texts.join('\n'), `seed ${seed}`).toBe(reference.told.join('\n'));
  expect(Buffer.from(stream.heard).toString('hex'), `seed ${seed}`).toBe(
    Buffer.from(mulawOf(reference.heard)).toString('hex'),
  );
  return stream.texts;
}

describe('audio, marks, clear and pause', () => {
  it('agree with the reference model sample by sample, whatever the order', () => {
    let told = '';
    for (let seed = 1; seed <= rounds(200, 10_000); seed++) {
      const texts = playRound(seed).join('\n');
      if (seed <= 200) told += texts;
    }
    // The rounds are worth something.
    expect(told.match(/"status":"played"/g)!.length).toBeGreaterThan(300);
    expect(told.match(/"status":"cleared"/g)!.length).toBeGreaterThan(100);
    expect(told.match(/"state":"paused"/g)!.length).toBeGreaterThan(10);
  });
});
