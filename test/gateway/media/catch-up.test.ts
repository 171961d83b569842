import { describe, expect, it } from 'vitest';
import { Playout } from '../../../gateway/media/playout.ts';

const rateHz = 16_000;
const frameMs = 20;

/** What a server sends, 20 ms after 20 ms. */
interface Scene {
  readonly name: string;
  readonly seconds: number;
  /** Ms of audio that arrive during the frame that begins at `atMs`. */
  readonly arrives: (atMs: number) => number;
}

function play({ seconds, arrives }: Scene): {
  queuedMs: number[];
  playedMs: number;
  sentMs: number;
  heard: Int16Array;
} {
  const playout = new Playout({ sampleRateHz: rateHz, queueBytesMax: 5_000_000 });
  const frame = new Int16Array((rateHz * frameMs) / 1000);
  const heard = new Int16Array(rateHz * seconds);
  const queuedMs: number[] = [];
  let playedMs = 0;
  let sent = 0;
  for (let atMs = 0; atMs < seconds * 1000; atMs += frameMs) {
    const samples = (arrives(atMs) * rateHz) / 1000;
    if (samples > 0) {
      // A tone whose phase goes on from message to message.
      const pcm = Int16Array.from({ length: samples }, (_, i) =>
        Math.round(8_000 * Math.sin(((sent + i) * 2 * Math.PI * 440) / rateHz)),
      );
      sent += samples;
      playout.push(new Uint8Array(pcm.buffer), 0, pcm.length * 2, atMs);
    }
    // The frame is due after the message of its time came.
    if (playout.take(frame, frame.length, rateHz, atMs + 15)) playedMs += frameMs;
    heard.set(frame, (atMs / frameMs) * frame.length);
    queuedMs.push(playout.queuedMs);
  }
  return { queuedMs, playedMs, sentMs: (sent * 1000) / rateHz, heard };
}

/** Real time, but what falls into a stall comes at its end. */
function stalls(...from: readonly (readonly [startMs: number, lengthMs: number])[]): Scene['arrives'] {
  return (atMs) => {
    for (const [startMs, lengthMs] of from) {
      if (atMs >= startMs && atMs < startMs + lengthMs) return 0;
      if (atMs === startMs + lengthMs) return lengthMs + frameMs;
    }
    return frameMs;
  };
}

describe('catching up with a server that stalled', () => {
  it('a server that freezes for a second is heard without delay again within half a minute', () => {
    const { queuedMs } = play({ name: '', seconds: 40, arrives: stalls([5_000, 1_000]) });
    expect(Math.max(...queuedMs.slice(300, 320))).toBeGreaterThan(900);
    expect(queuedMs.at(-1)).toBeLessThan(120);
  });

  it('stall upon stall does not make it later and later', () => {
    const arrives = stalls([5_000, 300], [12_000, 500], [19_000, 400], [26_000, 700], [33_000, 300]);
    const { queuedMs } = play({ name: '', seconds: 50, arrives });
    expect(queuedMs.at(-1)).toBeLessThan(120);
  });

  it('a stall in the first moments of a call is caught up with too', () => {
    const { queuedMs } = play({ name: '', seconds: 20, arrives: stalls([300, 500]) });
    expect(queuedMs.at(-1)).toBeLessThan(100);
  });

  it('what is cut is not heard as a click', () => {
    const { heard } = play({ name: '', seconds: 30, arrives: stalls([5_000, 1_000]) });
    const steepest = 8_000 * ((2 * Math.PI * 440) / rateHz);
    let worst = 0;
    for (let i = 7 * rateHz; i < heard.length; i++)
      worst = Math.max(worst, Math.abs(heard[i]! - heard[i - 1]!));
    expect(worst).toBeLessThan(steepest * 1.15);
  });

  it.each<Scene>([
    { name: 'speech sent in one piece', seconds: 20, arrives: (atMs) => (atMs % 5_000 === 0 ? 3_000 : 0) },
    { name: 'speech sent in pieces of 400 ms', seconds: 20, arrives: (atMs) => (atMs % 400 === 0 ? 400 : 0) },
    {
      name: 'a server that keeps 300 ms ahead',
      seconds: 20,
      arrives: (atMs) => (atMs === 0 ? 320 : frameMs),
    },
    {
      name: 'a server that thinks for a second and then keeps 300 ms ahead',
      seconds: 20,
      arrives: (atMs) => {
        if (atMs < 1_000) return 0;
        return atMs === 1_000 ? 320 : frameMs;
      },
    },
    {
      name: 'a server that keeps 300 ms ahead and pauses',
      seconds: 30,
      arrives: (atMs) => {
        const inTurn = atMs % 6_000;
        if (inTurn === 0) return 320;
        return inTurn < 4_000 ? frameMs : 0;
      },
    },
    {
      name: 'speech made a little faster than it is spoken',
      seconds: 20,
      arrives: (atMs) => (atMs % 10_000 < 6_000 ? frameMs * 1.25 : 0),
    },
  ])('leaves alone: $name', (scene) => {
    const { playedMs, sentMs, queuedMs } = play(scene);
    // Every sample was played, or still waits; the last frame of a turn may be part silence.
    expect(Math.abs(playedMs + queuedMs.at(-1)! - sentMs)).toBeLessThanOrEqual(frameMs * 6);
  });
});
