import { describe, expect, test } from 'vitest';
import { RtpHeader } from '../../../protocol/rtp/packet.ts';
import { TelephoneEventReceiver, TelephoneEventSender } from '../../../protocol/rtp/telephone-event.ts';
import { createRandom } from '../../support/random.ts';

interface Packet {
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

function packet(timestamp: number, event: number, ticks: number, flags = ''): Packet {
  const payload = Uint8Array.of(event, (flags.includes('E') ? 0x80 : 0) | 10, ticks >> 8, ticks & 0xff);
  return { timestamp, marker: flags.includes('M'), payload };
}

function receive(
  receiver: TelephoneEventReceiver,
  { timestamp, marker, payload }: Packet,
  nowMs: number,
): string[] {
  const header = new RtpHeader();
  header.timestamp = timestamp >>> 0;
  header.marker = marker;
  header.payloadOffset = 12;
  header.payloadBytes = payload.length;
  const datagram = new Uint8Array(12 + payload.length);
  datagram.set(payload, 12);
  receiver.receive(header, datagram, nowMs);
  return drain(receiver, nowMs);
}

function drain(receiver: TelephoneEventReceiver, nowMs: number): string[] {
  const found: string[] = [];
  for (let digit = receiver.next(nowMs); digit !== undefined; digit = receiver.next(nowMs)) {
    found.push(`${digit.digit}:${digit.durationMs}`);
  }
  return found;
}

describe('receiving, a packet every 20 ms', () => {
  const press = (timestamp: number, event: number): Packet[] => [
    packet(timestamp, event, 160, 'M'),
    packet(timestamp, event, 320),
    packet(timestamp, event, 480),
    packet(timestamp, event, 640, 'E'),
    packet(timestamp, event, 640, 'E'),
    packet(timestamp, event, 640, 'E'),
  ];
  const all = press(1000, 5);
  const rows: { name: string; packets: Packet[]; digits: string[] }[] = [
    { name: 'a digit once, whatever its repeats', packets: all, digits: ['5:80'] },
    { name: 'one whose only packet left is an end', packets: all.slice(5), digits: ['5:80'] },
    { name: 'one without any end, by timeout', packets: all.slice(0, 3), digits: ['5:60'] },
    { name: 'one packet alone', packets: all.slice(0, 1), digits: ['5:20'] },
    {
      name: 'an update that comes after the end',
      packets: [all[0]!, all[3]!, all[1]!, all[2]!],
      digits: ['5:80'],
    },
    { name: 'the same key twice', packets: [...press(1000, 5), ...press(3000, 5)], digits: ['5:80', '5:80'] },
    {
      name: 'the same key twice, the first without its ends',
      packets: [...all.slice(0, 2), ...press(3000, 5)],
      digits: ['5:40', '5:80'],
    },
    {
      name: 'the same key twice, only ends left of the second',
      packets: [...all.slice(0, 2), ...press(3000, 5).slice(4)],
      digits: ['5:40', '5:80'],
    },
    {
      name: 'an end of the digit before, coming late',
      packets: [...all.slice(0, 4), ...press(3000, 6).slice(0, 2), all[4]!, ...press(3000, 6).slice(2)],
      digits: ['5:80', '6:80'],
    },
    {
      name: 'across the 32-bit wrap',
      packets: [...press(0xffffff00, 1), ...press(700, 2)],
      digits: ['1:80', '2:80'],
    },
    {
      name: 'two keys from a sender that does not move its timestamp',
      packets: [...press(1000, 1), ...press(1000, 2)],
      digits: ['1:80', '2:80'],
    },
    {
      name: 'a tone of 10 s in two segments',
      packets: [
        packet(1000, 7, 160, 'M'),
        packet(1000, 7, 0xffff),
        packet(1000 + 0xffff, 7, 160),
        packet(1000 + 0xffff, 7, 14_465, 'E'),
      ],
      digits: ['7:10000'],
    },
    {
      name: 'a tone whose segments end with whole packets',
      packets: [packet(0, 7, 160, 'M'), packet(0, 7, 65_440), packet(65_440, 7, 14_560, 'E')],
      digits: ['7:10000'],
    },
    {
      name: 'every key',
      packets: Array.from({ length: 16 }, (_, event) => press(10_000 * (event + 1), event)).flat(),
      digits: [...'0123456789*#ABCD'].map((digit) => `${digit}:80`),
    },
    {
      name: 'no flash, no fax tone, no stump',
      packets: [
        packet(1, 16, 800, 'E'),
        packet(1, 36, 800, 'E'),
        { timestamp: 1, marker: true, payload: Uint8Array.of(1, 0x80, 0) },
      ],
      digits: [],
    },
  ];
  test.each(rows)('$name', ({ packets, digits }) => {
    const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
    const found: string[] = [];
    let nowMs = 0;
    for (const next of packets) {
      found.push(...receive(receiver, next, nowMs));
      nowMs += 20;
    }
    found.push(...drain(receiver, nowMs + 200));
    expect(found).toEqual(digits);
    expect(drain(receiver, nowMs + 10_000)).toEqual([]);
  });

  test('reports at the end, not before, and by timeout not before 200 ms', () => {
    const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
    expect(receive(receiver, all[0]!, 0)).toEqual([]);
    expect(receive(receiver, all[3]!, 60)).toEqual(['5:80']);
    expect(receive(receiver, packet(9000, 1, 160, 'M'), 1000)).toEqual([]);
    expect(drain(receiver, 1199)).toEqual([]);
    expect(drain(receiver, 1200)).toEqual(['1:20']);
    expect(receive(receiver, packet(9000, 1, 640, 'E'), 1220)).toEqual([]);
  });

  test('a sender that set its clock back is heard again after a flush, or after 5 s', () => {
    const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
    const digits = [...receive(receiver, packet(900_000, 1, 640, 'E'), 0)];
    digits.push(...receive(receiver, packet(100, 2, 640, 'E'), 1000));
    receiver.flush();
    digits.push(...receive(receiver, packet(100, 3, 640, 'E'), 2000));
    digits.push(...receive(receiver, packet(50, 4, 640, 'E'), 7000));
    expect(digits).toEqual(['1:80', '3:80', '4:80']);
  });
});

describe('sending', () => {
  interface Frame extends Packet {
    readonly event: number;
    readonly end: boolean;
    readonly ticks: number;
  }

  function send(sender: TelephoneEventSender, frames: number, ticksFrame = 160): (Frame | undefined)[] {
    const sent: (Frame | undefined)[] = [];
    for (let frame = 0; frame < frames; frame++) {
      const payload = new Uint8Array(4);
      const timestampNow = (0xffffff00 + frame * ticksFrame) >>> 0;
      if (!sender.nextFrame(timestampNow, payload, 0)) {
        sent.push(undefined);
        continue;
      }
      const [event = 0, flags = 0, high = 0, low = 0] = payload;
      const { marker, timestamp } = sender;
      sent.push({ marker, timestamp, payload, event, end: flags > 127, ticks: high * 256 + low });
    }
    return sent;
  }

  test('marker first, growing duration, three ends, a gap', () => {
    const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
    expect(sender.queue('5')).toBe(1);
    const sent = send(sender, 14);
    expect(
      sent.map((frame) => frame && `${frame.marker ? 'M' : ''}${frame.ticks}${frame.end ? 'E' : ''}`),
    ).toEqual(['M160', '320', '480', '640', '800E', '800E', '800E', ...new Array(7).fill(undefined)]);
    expect(new Set(sent.slice(0, 7).map((frame) => frame?.timestamp))).toEqual(new Set([0xffffff00]));
    expect(sent[0]?.event).toBe(5);
    expect(sender.busy).toBe(false);
  });

  test('w waits 500 ms, unknown letters are left out, small letters count', () => {
    const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
    expect(sender.queue('a x-w!#')).toBe(3);
    const sent = send(sender, 60);
    const starts = sent.flatMap((frame, index) => (frame?.marker ? [[frame.event, index]] : []));
    expect(starts).toEqual([
      [12, 0],
      [11, 7 + 5 + 25],
    ]);
  });

  test('takes no more than 256', () => {
    const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
    expect(sender.queue('1'.repeat(300))).toBe(256);
    expect(sender.queue('1')).toBe(0);
  });

  test('clear ends the digit that began and forgets the rest', () => {
    const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
    sender.queue('123');
    send(sender, 2);
    sender.clear();
    const sent = send(sender, 20);
    expect(
      sent.filter((frame) => frame !== undefined).map(({ event, ticks, end }) => [event, ticks, end]),
    ).toEqual([
      [1, 320, true],
      [1, 320, true],
      [1, 320, true],
    ]);
    expect(sender.busy).toBe(false);
  });

  test.each([
    { rtpClockRateHz: 8000, ptimeMs: 20, toneMs: 10_000 },
    { rtpClockRateHz: 48_000, ptimeMs: 60, toneMs: 4020 },
  ])('a tone longer than 65535 ticks goes on in a new segment: $toneMs ms at $rtpClockRateHz', (options) => {
    const sender = new TelephoneEventSender(options);
    const receiver = new TelephoneEventReceiver(options);
    sender.queue('9');
    const found: string[] = [];
    let markers = 0;
    const ticksFrame = (options.rtpClockRateHz * options.ptimeMs) / 1000;
    for (const [index, frame] of send(sender, 600, ticksFrame).entries()) {
      if (frame === undefined) continue;
      if (frame.marker) markers++;
      found.push(...receive(receiver, frame, index * options.ptimeMs));
    }
    expect(found).toEqual([`9:${options.toneMs}`]);
    expect(markers).toBe(1);
  });

  test('5 % loss and reordering neither lose nor double a digit', () => {
    const random = createRandom(4733);
    const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
    const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
    const keys = '0123456789*#ABCD';
    let wanted = '';
    let found = '';
    let held: Packet | undefined;
    let timestamp = 0;
    const take = (packets: string[]) => {
      for (const digit of packets) found += digit[0];
    };
    for (let frame = 0; frame < 60_000; frame++) {
      if (!sender.busy) {
        const key = keys[Math.floor(random() * 16)]!;
        wanted += key;
        sender.queue(key);
      }
      const payload = new Uint8Array(4);
      if (sender.nextFrame(timestamp, payload, 0) && random() > 0.05) {
        const next = { timestamp: sender.timestamp, marker: sender.marker, payload };
        if (held === undefined && random() < 0.1) {
          held = next;
        } else {
          take(receive(receiver, next, frame * 20));
          if (held !== undefined) take(receive(receiver, held, frame * 20));
          held = undefined;
        }
      }
      take(drain(receiver, frame * 20));
      timestamp = (timestamp + 160) >>> 0;
    }
    take(drain(receiver, 60_000 * 20 + 1000));
    expect(found).toBe(wanted.slice(0, found.length));
    expect(wanted.length - found.length).toBeLessThanOrEqual(1);
  });
});
