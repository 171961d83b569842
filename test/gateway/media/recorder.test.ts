import { describe, expect, it } from 'vitest';
import { pcmu } from '../../../codecs/g711.ts';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { CoreRig } from '../../../gateway/media/core-rig.ts';
import { createRandom } from '../../support/random.ts';

const silence = new Uint8Array(160).fill(0xff);
const tone = encodeTone(1000);

function encodeTone(frequencyHz: number): Uint8Array {
  const pcm = Int16Array.from(
    { length: 160 },
    (_, i) => 8000 * Math.sin((2 * Math.PI * frequencyHz * i) / 8000),
  );
  const payload = new Uint8Array(160);
  pcmu.createEncoder().encode(pcm, 0, 160, payload, 0);
  return payload;
}

/** 20 ms of a tone as a server at 16 kHz says it. */
function serverTone(frequencyHz: number): Uint8Array {
  const pcm = Int16Array.from(
    { length: 320 },
    (_, i) => 8000 * Math.sin((2 * Math.PI * frequencyHz * i) / 16_000),
  );
  return new Uint8Array(pcm.buffer);
}

interface Line {
  readonly lossPercent?: number;
  readonly jitterMs?: number;
  /** Of the phone's clock against ours, parts in a million. */
  readonly driftPpm?: number;
  /** Of the server's. */
  readonly serverDriftPpm?: number;
}

/** A call in which both sides are loud for the first 400 ms of each second of true time: the phone 1000 Hz, the server
 *  700 Hz. The line is as bad as told. */
async function runCall(
  { seconds, mixes = false }: { readonly seconds: number; readonly mixes?: boolean },
  line: Line,
  change: (rig: CoreRig) => void = () => {},
) {
  const { lossPercent = 0, jitterMs = 0, driftPpm = 0, serverDriftPpm = 0 } = line;
  const rig = new CoreRig();
  const random = createRandom(9);
  const phone = await rig.openPhone('phone');
  const server = rig.openStream('server', 16_000);
  rig.core.handle({ type: 'bridge', a: 'phone', b: 'server' });
  rig.core.handle({
    type: 'openRecorder',
    endpointId: 'stereo',
    left: 'phone',
    layout: 'stereo',
    sampleRateHz: 8000,
  });
  const mixed = { left: 'phone', right: 'server', layout: 'mixed', sampleRateHz: 16_000 } as const;
  if (mixes) rig.core.handle({ type: 'openRecorder', endpointId: 'mixed', ...mixed });
  const startMs = rig.nowMs;
  const endMs = startMs + seconds * 1000;
  const serverLoud = serverTone(700);
  const serverSilent = new Uint8Array(640);
  const phoneEveryMs = 20 * (1 + driftPpm / 1e6);
  const serverEveryMs = 20 * (1 + serverDriftPpm / 1e6);
  const loudAt = (atMs: number) => (atMs - startMs) % 1000 < 400;
  const arrivals: { readonly atMs: number; readonly payload: Uint8Array }[] = [];
  let saidMs = startMs + 3;
  let serverMs = startMs + 7;
  while (rig.nowMs < endMs) {
    const nextMs = Math.min(endMs, saidMs, serverMs, arrivals[0]?.atMs ?? endMs);
    rig.advance(nextMs);
    if (nextMs === arrivals[0]?.atMs)
      phone.say(arrivals.shift()!.payload, 160, { lost: random() * 100 < lossPercent });
    else if (nextMs === saidMs) {
      // In order, as from a jitter buffer further on: what matters here is when they come.
      const atMs = Math.max(arrivals.at(-1)?.atMs ?? 0, saidMs + 10 + random() * jitterMs);
      arrivals.push({ atMs, payload: loudAt(saidMs) ? tone : silence });
      saidMs += phoneEveryMs;
    } else if (nextMs === serverMs) {
      server.say(loudAt(serverMs) ? serverLoud : serverSilent);
      serverMs += serverEveryMs;
    }
    change(rig);
  }
  for (const endpointId of ['stereo', 'mixed']) rig.core.handle({ type: 'closeRecorder', endpointId });
  expect(rig.failures).toEqual([]);
  return { rig, stereo: recordingOf(rig, 'stereo'), mixed: recordingOf(rig, 'mixed') };
}

/** All of it in one piece, and that nothing is missing in between. */
function recordingOf(rig: CoreRig, endpointId: string) {
  const chunks = rig.events
    .filter((event) => event.type === 'recorded')
    .filter((each) => each.endpointId === endpointId);
  const channels = endpointId === 'stereo' ? 2 : 1;
  const rateHz = endpointId === 'stereo' ? 8000 : 16_000;
  const pcm = new Int16Array(chunks.reduce((sum, { samples }) => sum + samples.length, 0));
  let at = 0;
  for (const { samples, atMs } of chunks) {
    expect(atMs).toBeCloseTo((at * 1000) / rateHz / channels, 6);
    pcm.set(samples, at);
    at += samples.length;
  }
  const closed = rig.events.filter(
    (event) => event.type === 'recorderClosed' && event.endpointId === endpointId,
  );
  const side = (channel: number) => pcm.filter((_, index) => index % channels === channel);
  return {
    closed,
    durationMs: (pcm.length * 1000) / rateHz / channels,
    left: side(0),
    right: side(channels - 1),
    rateHz,
  };
}

/** When each second's tone begins, ms after that second: the first 5 ms that are loud. */
function onsets(pcm: Int16Array, rateHz: number): number[] {
  const block = rateHz / 200;
  const seconds = Math.floor(pcm.length / rateHz);
  return Array.from({ length: seconds }, (_, second) => {
    // From the silence before it on.
    const from = second * rateHz - 40 * block;
    for (let at = Math.max(0, from); at + block <= pcm.length && at < from + rateHz; at += block) {
      let peak = 0;
      for (let i = at; i < at + block; i++) peak = Math.max(peak, Math.abs(pcm[i]!));
      if (peak > 3000) return ((at - second * rateHz) * 1000) / rateHz;
    }
    return Number.NaN;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('a recording', () => {
  it('of ten minutes over a bad line is as long as the call, with both sides where they were spoken', async () => {
    const line = { lossPercent: 3, jitterMs: 40, driftPpm: 150, serverDriftPpm: 0 };
    const { stereo } = await runCall({ seconds: 600 }, line);
    expect(Math.abs(stereo.durationMs - 600_000)).toBeLessThan(1);
    const left = onsets(stereo.left, 8000).slice(5);
    const right = onsets(stereo.right, 8000).slice(5);

    for (const side of [left, right]) {
      // No drift: the last minute lies like the first.
      expect(Math.abs(mean(side.slice(-60)) - mean(side.slice(0, 60)))).toBeLessThan(12);
      expect(Math.min(...side)).toBeGreaterThan(-40);
      expect(Math.max(...side)).toBeLessThan(110);
    }
    const apart = left.map((onset, second) => onset - right[second]!);
    expect(Math.abs(mean(apart))).toBeLessThan(25);
    expect(Math.max(...apart.map(Math.abs))).toBeLessThan(70);
  });

  it('has no gap of its own: a tone without end has none', async () => {
    const rig = new CoreRig();
    const phone = await rig.openPhone('phone');
    rig.core.handle({
      type: 'openRecorder',
      endpointId: 'stereo',
      left: 'phone',
      layout: 'stereo',
      sampleRateHz: 8000,
    });
    const startMs = rig.nowMs;
    const random = createRandom(4);
    let lastMs = 0;
    for (let packet = 0; packet < 1500; packet++) {
      lastMs = Math.max(lastMs, startMs + packet * 20 + random() * 60);
      rig.advance(lastMs);
      phone.say(tone);
    }
    rig.advance(startMs + 30_000);
    rig.core.handle({ type: 'closeRecorder', endpointId: 'stereo' });
    const { left, right, durationMs } = recordingOf(rig, 'stereo');
    expect(durationMs).toBe(30_000);
    let quiet = 0;
    let quietMax = 0;
    for (const sample of left.subarray(800, left.length - 1600)) {
      quiet = Math.abs(sample) < 2000 ? quiet + 1 : 0;
      quietMax = Math.max(quietMax, quiet);
    }
    // A sine of 1 kHz is small for at most two samples in a row.
    expect(quietMax).toBeLessThanOrEqual(3);
    expect(right.every((sample) => sample === 0)).toBe(true);
  });

  it('leaves the time of a pause out', async () => {
    let step = 0;
    const { stereo, mixed } = await runCall({ seconds: 7, mixes: true }, {}, (rig) => {
      if (step === 0 && rig.nowMs >= 4013) {
        rig.core.handle({ type: 'pauseRecorder', endpointId: 'stereo' });
        rig.core.handle({ type: 'pauseRecorder', endpointId: 'stereo' });
        step = 1;
      } else if (step === 1 && rig.nowMs >= 6027) {
        rig.core.handle({ type: 'resumeRecorder', endpointId: 'stereo' });
        step = 2;
      }
    });
    expect(mixed.durationMs).toBe(7000);
    // 400 of each 1000 ms: 4 dB below the tone.
    expect(toneLevel(mixed.left, 16_000, 1000)).toBeGreaterThan(-22);
    expect(toneLevel(mixed.left, 16_000, 700)).toBeGreaterThan(-22);
    expect(Math.abs(stereo.durationMs - 4986)).toBeLessThan(20);
    expect(stereo.closed).toEqual([
      { type: 'recorderClosed', endpointId: 'stereo', durationMs: stereo.durationMs },
    ]);
    const starts = onsets(stereo.left, 8000);
    for (const onset of [starts[1]!, starts[3]!]) expect(Math.abs(onset - 15)).toBeLessThan(40);
  });

  it('hears whatever the phone hears, from whichever source', async () => {
    const rig = new CoreRig();
    await rig.openPhone('phone');
    const server = rig.openStream('server', 16_000);
    rig.core.handle({
      type: 'openRecorder',
      endpointId: 'stereo',
      left: 'phone',
      layout: 'stereo',
      sampleRateHz: 8000,
    });
    const startMs = rig.nowMs;
    rig.core.handle({ type: 'openPlayer', endpointId: 'p', sampleRateHz: 24_000 });
    rig.core.handle({ type: 'route', source: 'p', sink: 'phone' });
    const samples = Int16Array.from(
      { length: 24_000 },
      (_, i) => 8000 * Math.sin((2 * Math.PI * 500 * i) / 24_000),
    );
    rig.core.handle({ type: 'playAudio', endpointId: 'p', samples, last: true });
    rig.advance(startMs + 1200);
    rig.core.handle({ type: 'bridge', a: 'phone', b: 'server' });
    const loud = serverTone(700);
    for (let message = 0; message < 40; message++) {
      rig.advance(startMs + 1200 + message * 20);
      server.say(loud);
    }
    rig.advance(startMs + 2200);
    rig.core.handle({ type: 'closeRecorder', endpointId: 'stereo' });
    const { right, durationMs } = recordingOf(rig, 'stereo');
    expect(durationMs).toBe(2200);
    expect(toneLevel(right.subarray(800, 7200), 8000, 500)).toBeGreaterThan(-13);
    expect(toneLevel(right.subarray(800, 7200), 8000, 700)).toBeLessThan(-40);
    expect(toneLevel(right.subarray(10_400, 15_200), 8000, 700)).toBeGreaterThan(-13);
  });

  it('of a server has what it says on the left and what it hears on the right, also in a conference', async () => {
    const rig = new CoreRig();
    const phone = await rig.openPhone('phone');
    const server = rig.openStream('server', 16_000);
    const recorder = { endpointId: 'stereo', left: 'server', layout: 'stereo', sampleRateHz: 8000 } as const;
    rig.core.handle({ type: 'openRecorder', ...recorder });
    const startMs = rig.nowMs;
    const loud = serverTone(700);
    for (let frame = 0; frame < 200; frame++) {
      rig.advance(startMs + frame * 20);
      if (frame === 5) rig.core.handle({ type: 'bridge', a: 'phone', b: 'server' });
      if (frame === 100) {
        rig.core.handle({ type: 'openMixer', endpointId: 'room' });
        const mode = { speaks: true, hears: true };
        for (const [member, sampleRateHz] of [
          ['phone', 8000],
          ['server', 16_000],
        ] as const)
          rig.core.handle({ type: 'joinMixer', mixer: 'room', member, sampleRateHz, mode });
      }
      phone.say(tone);
      server.say(loud);
    }
    rig.core.handle({ type: 'closeRecorder', endpointId: 'stereo' });
    expect(rig.failures).toEqual([]);
    const { left, right } = recordingOf(rig, 'stereo');
    // Short, as a playout that finds its delay shifts the pitch a little.
    for (const [from, until] of [
      [10_000, 11_600],
      [28_000, 29_600],
    ] as const) {
      const level = (pcm: Int16Array, hz: number) => toneLevel(pcm.subarray(from, until), 8000, hz);
      expect(level(left, 700)).toBeGreaterThan(-14);
      expect(level(left, 1000)).toBeLessThan(-50);
      expect(level(right, 1000)).toBeGreaterThan(-14);
      expect(level(right, 700)).toBeLessThan(-50);
    }
  });

  it('says what was said until the server cleared the rest', async () => {
    const rig = new CoreRig();
    await rig.openPhone('phone');
    const server = rig.openStream('server', 16_000);
    rig.core.handle({ type: 'bridge', a: 'phone', b: 'server' });
    rig.core.handle({
      type: 'openRecorder',
      endpointId: 'mixed',
      left: 'phone',
      right: 'server',
      layout: 'mixed',
      sampleRateHz: 16_000,
    });
    const startMs = rig.nowMs;
    const loud = serverTone(700);
    for (let message = 0; message < 100; message++) server.say(loud);
    rig.advance(startMs + 500);
    server.handlers.receiveText('{"command":"clear"}');
    rig.advance(startMs + 2000);
    rig.core.handle({ type: 'closeRecorder', endpointId: 'mixed' });
    const { left } = recordingOf(rig, 'mixed');
    expect(left).toHaveLength(32_000);
    expect(toneLevel(left.subarray(800, 7200), 16_000, 700)).toBeGreaterThan(-13);
    expect(left.subarray(8700).every((sample) => Math.abs(sample) < 100)).toBe(true);
  });

  it('goes on after the ticker stood still, as long as the time that passed', async () => {
    const rig = new CoreRig();
    const phone = await rig.openPhone('phone');
    rig.core.handle({
      type: 'openRecorder',
      endpointId: 'stereo',
      left: 'phone',
      layout: 'stereo',
      sampleRateHz: 8000,
    });
    const startMs = rig.nowMs;
    for (let packet = 0; packet < 250; packet++) {
      const dueMs = startMs + packet * 20;
      // For 600 ms nothing runs; then all packets of that time come at once.
      if (packet >= 100 && packet < 130) rig.nowMs = startMs + 2600;
      else rig.advance(Math.max(rig.nowMs, dueMs));
      phone.say(tone);
    }
    rig.advance(startMs + 5000);
    rig.core.handle({ type: 'closeRecorder', endpointId: 'stereo' });
    const { left, durationMs } = recordingOf(rig, 'stereo');
    expect(durationMs).toBe(5000);
    const blocks = Array.from({ length: 250 }, (_, block) =>
      Math.max(...left.subarray(block * 160, block * 160 + 160)),
    );
    expect(blocks.filter((peak) => peak < 3000)).toEqual([]);
  });
});
