import { afterEach, describe, expect, test } from 'vitest';
import { codecNamed } from '../../../codecs/catalogue.ts';
import type { CodecName } from '../../../codecs/codec.ts';
import { measureTone, toneLevel } from '../../../codecs/goertzel.ts';
import { measureEcho } from '../../../gateway/phone/audio-measures.ts';
import {
  type AnswerOptions,
  type CallOptions,
  createPhone,
  type Phone,
  type PhoneOptions,
  placeCall,
} from '../../../gateway/phone/phone.ts';
import type { CallResult, PhoneCall } from '../../../gateway/phone/phone-call.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type LinkOptions, MemoryNetwork } from '../../support/memory-network.ts';
import { createRandom } from '../../support/random.ts';

const address = '127.0.0.1';
const tone = { frequencyHz: 1_000, levelDbfs: -12 };

class Line {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork;
  readonly random = createRandom(7);
  readonly results: CallResult[] = [];
  caller!: Phone;
  callee!: Phone;

  constructor(link: LinkOptions = {}) {
    this.network = new MemoryNetwork(this.clock, { delayMs: 5, ...link });
  }

  async open(answering: AnswerOptions | undefined): Promise<this> {
    this.caller = await createPhone(this.phoneOptions);
    this.callee = await createPhone(this.phoneOptions);
    if (answering !== undefined)
      this.callee.answerCalls({ ...answering, ended: (result) => this.results.push(result) });
    return this;
  }

  call(options: Partial<CallOptions> = {}): Promise<PhoneCall> {
    return this.caller.placeCall({ target: `sip:test@${address}:${this.callee.listening.port}`, ...options });
  }

  /** Places a call and runs the clock until it is over. */
  async run(options: Partial<CallOptions> = {}, limitMs = 100_000): Promise<CallResult> {
    return this.finish(await this.call(options), limitMs);
  }

  async finish(call: PhoneCall, limitMs = 100_000): Promise<CallResult> {
    let result: CallResult | undefined;
    call.ended.then((ended) => {
      result = ended;
    });
    await this.clock.until(() => result !== undefined, limitMs);
    return result!;
  }

  async close(): Promise<void> {
    await this.caller.close();
    await this.callee.close();
  }

  get phoneOptions(): PhoneOptions {
    return {
      address,
      clock: this.clock,
      network: this.network,
      random: this.random,
      localAddressFor: async () => address,
    };
  }
}

const lines: Line[] = [];

function open(answering?: AnswerOptions, link?: LinkOptions): Promise<Line> {
  const line = new Line(link);
  lines.push(line);
  return line.open(answering);
}

afterEach(async () => {
  for (const line of lines.splice(0)) {
    await line.close();
    // What was still on the way, or waited for an answer that cannot come any more.
    await line.clock.advance(3_000);
    expect(line.network.openSockets).toBe(0);
    expect(line.clock.timers).toBe(0);
  }
});

describe('a call', () => {
  test.each(['pcmu', 'pcma'] as const)('in %s is heard on both sides', async (codec) => {
    const line = await open({ playTone: { frequencyHz: 440, levelDbfs: -20 } });
    const result = await line.run({ codecs: [codec], playTone: tone, durationMs: 2_000 });
    expect(result).toMatchObject({
      outcome: 'completed',
      status: 200,
      endedBy: 'phone',
      codec,
      setupMs: 10,
      durationMs: 2_000,
      packetsLost: 0,
      packetsIgnored: 0,
    });
    expect(result.packetsSent).toBeGreaterThanOrEqual(100);
    expect(toneLevel(result.heard, result.heardRateHz, 440)).toBeCloseTo(-20, 0);
    await line.clock.until(() => line.results.length === 1);
    const [heard] = line.results;
    expect(heard).toMatchObject({ outcome: 'completed', endedBy: 'farSide', codec });
    expect(measureTone(heard!.heard, { sampleRateHz: 8_000, frequencyHz: 1_000 }).gapMsMax).toBe(0);
    expect(toneLevel(heard!.heard, 8_000, 1_000)).toBeCloseTo(-12, 0);
  });

  test.skipIf(codecNamed('opus') === undefined)('in Opus', async () => {
    const line = await open({ playTone: tone });
    const result = await line.run({ codecs: ['opus', 'pcmu'], durationMs: 2_000 });
    expect(result).toMatchObject({
      outcome: 'completed',
      codec: 'opus',
      heardRateHz: 48_000,
      packetsLost: 0,
    });
    expect(toneLevel(result.heard.subarray(24_000, 72_000), 48_000, 1_000)).toBeCloseTo(-12, 0);
  });

  test('packets leave every 20 ms to the millisecond', async () => {
    const line = await open({});
    const result = await line.run({ durationMs: 60_000 });
    expect(result.packetsSent).toBe(3_000);
    expect(result.gapMsMax).toBe(20);
    expect(result.jitterMs).toBe(0);
  });

  test('speaks a recording once, at the rate of the codec', async () => {
    const line = await open({});
    const pcm = Int16Array.from({ length: 16_000 }, (_, i) => 9_000 * Math.sin((i * Math.PI) / 8));
    await line.run({ play: { pcm, sampleRateHz: 16_000 }, durationMs: 2_000 });
    await line.clock.until(() => line.results.length === 1);
    const { heard } = line.results[0]!;
    expect(toneLevel(heard.subarray(400, 7_600), 8_000, 1_000)).toBeCloseTo(-11.2, 0);
    expect(Math.max(...heard.subarray(8_160))).toBeLessThan(10);
  });

  test('rings, is answered, and the timeline tells of it', async () => {
    const line = await open({ ringMs: 500 });
    const result = await line.run({ durationMs: 100 });
    expect(result).toMatchObject({ ringingMs: 10, setupMs: 510 });
    const told = result.timeline.map(({ direction, what }) => `${direction} ${what}`);
    expect(told).toEqual([
      'sent INVITE',
      'received 100 Trying',
      'received 180 Ringing',
      'received 200 OK',
      'sent ACK',
      'noted first RTP packet',
      'sent BYE',
      'received 200 OK',
    ]);
  });

  test('ended by the far side', async () => {
    const line = await open({ durationMs: 300 });
    expect(await line.run()).toMatchObject({ outcome: 'completed', endedBy: 'farSide', durationMs: 300 });
  });

  test('an echo is measured to the millisecond', async () => {
    const random = createRandom(3);
    const pcm = Int16Array.from({ length: 8_000 }, () => (random() - 0.5) * 20_000);
    const line = await open({ play: { pcm, sampleRateHz: 8_000 } });
    // The callee's own sentence is the same one, and begins one way earlier: when it sent its 200.
    const result = await line.run({ durationMs: 1_500 });
    const echo = measureEcho(result, { pcm, sampleRateHz: 8_000 });
    expect(echo?.roundTripMs).toBeCloseTo(0, 0);
    expect(echo?.correlation).toBeGreaterThan(0.99);
  });

  test('digits arrive once each, also over a bad line', async () => {
    const line = await open({}, { lossPercent: 5, jitterMs: 8, seed: 11 });
    await line.run({ dtmf: '12w34*0#AD', durationMs: 5_000 });
    await line.clock.until(() => line.results.length === 1);
    expect(line.results[0]?.digits).toBe('1234*0#AD');
  });

  test('hold and resume by re-INVITE', async () => {
    const line = await open({ playTone: tone });
    const call = await line.call({ playTone: tone });
    await line.clock.until(() => call.progress.state === 'talking');
    await line.clock.advance(500);
    const held = call.changeDirection('sendonly');
    await line.clock.advance(500);
    expect(await held).toBe(200);
    const { packetsReceived } = call.progress;
    await line.clock.advance(500);
    expect(call.progress.packetsReceived).toBe(packetsReceived);
    const resumed = call.changeDirection('sendrecv');
    await line.clock.advance(500);
    expect(await resumed).toBe(200);
    expect(call.progress.packetsReceived).toBeGreaterThan(packetsReceived + 20);
    call.hangUp();
    expect((await line.finish(call)).outcome).toBe('completed');
  });

  test('RTCP tells of loss and round trip', async () => {
    const line = await open({}, { delayMs: 30, lossPercent: 10, seed: 5 });
    const result = await line.run({ durationMs: 30_000 });
    expect(result.rttMs).toBeGreaterThan(55);
    expect(result.rttMs).toBeLessThan(65);
    expect(result.packetsLostRemote).toBeGreaterThan(50);
    expect(result.packetsLost).toBeGreaterThan(50);
  });
});

describe('a phone for one call', () => {
  test('closes itself when the call is over', async () => {
    const line = await open({});
    const call = await placeCall({
      ...line.phoneOptions,
      target: `sip:test@${address}:${line.callee.listening.port}`,
      durationMs: 200,
    });
    expect((await line.finish(call)).outcome).toBe('completed');
    await line.clock.advance(100);
    expect(line.network.openSockets).toBe(2);
  });

  test('repeats a BYE that was lost before it closes', async () => {
    let byes = 0;
    const line = await open(
      {},
      {
        filter: (datagram) => {
          if (!Buffer.from(datagram.subarray(0, 4)).equals(Buffer.from('BYE '))) return 'pass';
          return ++byes === 1 ? 'drop' : 'pass';
        },
      },
    );
    const target = `sip:test@${address}:${line.callee.listening.port}`;
    const call = await placeCall({ ...line.phoneOptions, target, durationMs: 200 });
    expect((await line.finish(call)).outcome).toBe('completed');
    expect(line.results[0]).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
  });

  test('leaves nothing open where the target makes no sense', async () => {
    const line = await open();
    await expect(placeCall({ ...line.phoneOptions, target: 'http://x' })).rejects.toThrow();
    expect(line.network.openSockets).toBe(2);
  });
});

describe('a call that does not come about', () => {
  test('refused', async () => {
    const line = await open({ refuseWith: 486, ringMs: 100 });
    expect(await line.run()).toMatchObject({
      outcome: 'refused',
      status: 486,
      codec: undefined,
      packetsSent: 0,
    });
  });

  test('nobody there', async () => {
    const line = await open();
    const result = await line.run({ target: `sip:test@${address}:9` });
    expect(result).toMatchObject({ outcome: 'unreachable', status: undefined });
    expect(result.message).toBeTruthy();
  });

  test('a closed port is no phone that rings: no answer at all, said at the ring timeout or after 32 s', async () => {
    const line = await open();
    const target = `sip:test@${address}:9`;
    expect(await line.run({ target, answerTimeoutMs: 3_000 })).toMatchObject({
      outcome: 'unreachable',
      endedBy: undefined,
      message: `no answer at all from udp:${address}:9`,
    });
    const startedMs = line.clock.nowMs();
    const patient = await line.run({ target, answerTimeoutMs: 300_000 });
    expect(patient.message).toMatch(`${address}:9 did not answer`);
    expect(line.clock.nowMs() - startedMs).toBeLessThan(34_000);
  });

  test('not ready to answer', async () => {
    const line = await open();
    expect(await line.run()).toMatchObject({ outcome: 'refused', status: 480 });
  });

  test('no codec in common', async () => {
    const line = await open({ codecs: ['pcma'] });
    expect(await line.run({ codecs: ['pcmu'] })).toMatchObject({ outcome: 'refused', status: 488 });
  });

  test('given up while it rings', async () => {
    const line = await open({ ringMs: 5_000 });
    const result = await line.run({ cancelAfterMs: 1_000 });
    expect(result).toMatchObject({ outcome: 'cancelled', ringingMs: 10, setupMs: undefined });
    await line.clock.until(() => line.results.length === 1);
    expect(line.results[0]).toMatchObject({ outcome: 'cancelled', endedBy: 'farSide' });
  });

  test('a codec that this build lacks is named', async () => {
    const line = await open();
    await expect(line.call({ codecs: ['gsm' as CodecName] })).rejects.toThrow(
      'codec gsm is not in this build',
    );
    expect(() => line.callee.answerCalls({ codecs: ['gsm' as CodecName] })).toThrow(
      'codec gsm is not in this build',
    );
    await expect(line.call({ target: 'nonsense' })).rejects.toThrow();
  });
});

describe('trouble on demand', () => {
  test('a sequence that wraps is no trouble', async () => {
    const line = await open({});
    await line.run({ trouble: { sequenceFirst: 65_500 }, durationMs: 2_000 });
    await line.clock.until(() => line.results.length === 1);
    expect(line.results[0]).toMatchObject({ packetsLost: 0 });
    expect(line.results[0]?.packetsReceived).toBeGreaterThanOrEqual(100);
  });

  test.each([{ keepSsrc: false }, { keepSsrc: true }])('a source that begins anew: %o', async (restart) => {
    const line = await open({});
    await line.run({
      playTone: tone,
      trouble: { restart: { afterMs: 1_000, ...restart } },
      durationMs: 2_000,
    });
    await line.clock.until(() => line.results.length === 1);
    const { heard, packetsReceived } = line.results[0]!;
    expect(packetsReceived).toBeGreaterThanOrEqual(99);
    expect(measureTone(heard, { sampleRateHz: 8_000, frequencyHz: 1_000 }).gapMsMax).toBeLessThanOrEqual(60);
  });

  test('falls silent', async () => {
    const line = await open({});
    const result = await line.run({ trouble: { stopSendingAfterMs: 1_000 }, durationMs: 2_000 });
    expect(result.packetsSent).toBe(50);
  });

  test('goes on from another port', async () => {
    const ports = new Set<number>();
    const line = await open(
      {},
      {
        filter: (datagram, from) => {
          if (datagram[0] === 0x80) ports.add(from);
          return 'pass';
        },
      },
    );
    await line.run({ trouble: { otherPortAfterMs: 1_000 }, durationMs: 2_000 });
    expect(ports.size).toBe(3);
  });
});
