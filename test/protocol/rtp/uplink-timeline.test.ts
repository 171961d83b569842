import { describe, expect, it } from 'vitest';
import { UplinkTimeline } from '../../../protocol/rtp/uplink-timeline.ts';

/** Audio of 20 ms at a timestamp, an event's start and duration (`!` ends it), a lost packet. */
type Packet = readonly ['audio', number] | readonly ['event', number, number, '!'?] | readonly ['lost'];

/** What each packet does to the sinks: silence before it in ticks, then `a` for audio, `c` for concealment, `-` for
 *  nothing. */
function play(packets: readonly Packet[]): string {
  const timeline = new UplinkTimeline(8000);
  const played = (packet: Packet): string => {
    if (packet[0] === 'lost') return timeline.lost(160) ? 'c' : '-';
    const timestamp = packet[1] >>> 0;
    if (packet[0] === 'event') return String(timeline.event(timestamp, packet[2], packet[3] === '!'));
    const silence = timeline.audio(timestamp, 160);
    if (silence === undefined) return '-';
    return silence === 0 ? 'a' : `${silence}a`;
  };
  return packets.map(played).join(' ');
}

describe('time while a phone sends digits', () => {
  it.each<[string, Packet[], string]>([
    ['audio alone is left alone', [['audio', 0], ['audio', 160], ['lost'], ['audio', 480]], 'a a c a'],
    [
      'an event is as much silence as it lasts, its repeats none',
      [
        ['audio', 0],
        ['event', 160, 160],
        ['event', 160, 320],
        ['event', 160, 480, '!'],
        ['event', 160, 480, '!'],
      ],
      'a 160 160 160 0',
    ],
    [
      'the time of the repeats comes with the audio after them',
      [
        ['audio', 0],
        ['event', 160, 160],
        ['event', 160, 320, '!'],
        ['event', 160, 320, '!'],
        ['audio', 640],
      ],
      'a 160 160 0 160a',
    ],
    [
      'lost packets of an event are made up by the next',
      [['audio', 0], ['event', 160, 160], ['lost'], ['lost'], ['event', 160, 640, '!'], ['audio', 800]],
      'a 160 - - 480 a',
    ],
    [
      'a first packet of duration 0',
      [
        ['audio', 0],
        ['event', 160, 0],
        ['event', 160, 160],
        ['event', 160, 320, '!'],
        ['audio', 480],
      ],
      'a 0 160 160 a',
    ],
    [
      'audio beside an event is not played twice',
      [
        ['audio', 0],
        ['event', 160, 160],
        ['audio', 160],
        ['event', 160, 320],
        ['audio', 320],
        ['event', 160, 480, '!'],
        ['audio', 640],
      ],
      'a 160 - 160 - 160 a',
    ],
    [
      'a phone whose clock stands still during the event is heard after it',
      [
        ['audio', 0],
        ['event', 160, 160],
        ['event', 160, 320, '!'],
        ['audio', 160],
        ['audio', 320],
      ],
      'a 160 160 a a',
    ],
    [
      'digits in a row',
      [
        ['event', 0, 160],
        ['event', 0, 320, '!'],
        ['event', 800, 160],
        ['event', 800, 320, '!'],
        ['audio', 1120],
      ],
      '160 160 640 160 a',
    ],
    [
      'a long tone in two segments',
      [
        ['event', 0, 65_535],
        ['event', 65_535, 160],
        ['event', 65_535, 320, '!'],
        ['audio', 65_855],
      ],
      '8000 160 160 a',
    ],
    [
      'across the wrap',
      [
        ['audio', -320],
        ['event', -160, 160],
        ['event', -160, 320, '!'],
        ['audio', 160],
      ],
      'a 160 160 a',
    ],
    [
      'silence suppression after a digit is not made up',
      [
        ['audio', 0],
        ['event', 160, 160, '!'],
        ['audio', 80_000],
      ],
      'a 160 a',
    ],
    [
      'a clock set anew is no gap',
      [
        ['audio', 0],
        ['event', 4_000_000, 160],
        ['event', 4_000_000, 320, '!'],
      ],
      'a 160 160',
    ],
    [
      'a forged duration is a second at most',
      [
        ['audio', 0],
        ['event', 160, 65_535],
      ],
      'a 8000',
    ],
  ])('%s', (_name, packets, expected) => {
    expect(play(packets)).toBe(expected);
  });

  it('begins anew with the sender', () => {
    const timeline = new UplinkTimeline(8000);
    timeline.audio(0, 160);
    timeline.event(160, 160, false);
    timeline.reset();
    expect(timeline.audio(99_999, 160)).toBe(0);
    expect(timeline.lost(160)).toBe(true);
  });
});
