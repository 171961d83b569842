import { afterEach, describe, expect, it } from 'vitest';
import { measureTone } from '../../codecs/goertzel.ts';
import { isRtcp } from '../../protocol/rtp/packet.ts';
import { type SrtpSuite, srtpSuites } from '../../protocol/rtp/srtp-keys.ts';
import { CallWorld } from '../support/call-world.ts';
import type { LinkOptions } from '../support/memory-network.ts';

const tone = { frequencyHz: 1_000, levelDbfs: -12 };
const address = '127.0.0.1';

function open(srtp: 'off' | 'optional' | 'required', link: LinkOptions = {}): Promise<CallWorld> {
  return CallWorld.open({ link, config: { rtp: { address, ports: [0, 0], srtp } } });
}

function heardTone(pcm: Int16Array, sampleRateHz: number): ReturnType<typeof measureTone> {
  const edge = Math.round(sampleRateHz * 0.2);
  return measureTone(pcm.subarray(edge, pcm.length - edge), { sampleRateHz, frequencyHz: tone.frequencyHz });
}

/** RTP between the two ends, as somebody on the line sees it. */
function isAudio(datagram: Uint8Array): boolean {
  return datagram[0]! >> 6 === 2 && !isRtcp(datagram) && datagram.length >= 172;
}

describe('an encrypted call', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(Object.keys(srtpSuites) as SrtpSuite[])('carries audio and reports with %s', async (suite) => {
    const sizes = new Set<number>();
    let clear = 0;
    world = await open('required', {
      delayMs: 5,
      filter: (datagram) => {
        if (!isAudio(datagram)) return 'pass';
        sizes.add(datagram.length);
        const [first, second] = [datagram[60], datagram[61]];
        if (datagram.subarray(60, 100).every((byte) => byte === first || byte === second)) clear++;
        return 'pass';
      },
    });
    const result = await world.finish(
      await world.call({
        codecs: ['pcmu'],
        srtp: 'required',
        srtpSuites: [suite],
        playTone: tone,
        durationMs: 8_000,
      }),
    );
    expect(result).toMatchObject({ srtpSuite: suite, packetsRefused: 0, packetsLost: 0, packetsIgnored: 0 });
    expect(result.rttMs).toBeGreaterThan(5);
    expect([...sizes]).toEqual([172 + srtpSuites[suite].tagBytes]);
    expect(clear).toBe(0);
    for (const heard of [
      heardTone(result.heard, result.heardRateHz),
      heardTone(world.server.last.audio, 16_000),
    ]) {
      expect(Math.abs(heard.levelDb - tone.levelDbfs)).toBeLessThan(1);
      expect(heard.gapMsMax).toBe(0);
    }
    expect(world.said('call answered')).toMatchObject({ srtp: suite });
    expect(world.said('call ended')).toMatchObject({ packetsLost: 0 });
    expect(JSON.stringify(world.log)).not.toMatch(/inline|masterKey|masterSalt/);
  });

  it('goes on over the rollover of the sequence numbers', async () => {
    world = await open('optional', { delayMs: 5, jitterMs: 30, lossPercent: 1 });
    const trouble = { sequenceFirst: 65_480 };
    const result = await world.finish(
      await world.call({ srtp: 'required', playTone: tone, durationMs: 4_000, trouble }),
    );
    expect(result.srtpSuite).toBe('AES_CM_128_HMAC_SHA1_80');
    expect(result.packetsRefused).toBe(0);
    expect(heardTone(world.server.last.audio, 16_000).present).toBeGreaterThan(0.95);
    const report = world.said('call ended')!;
    expect(Number(report.packetsReceived) + Number(report.packetsLost)).toBeGreaterThan(195);
    expect(Number(report.packetsLost)).toBeLessThan(10);
  });

  it('goes on with its keys when it is held and resumed, and when the phone starts anew', async () => {
    world = await open('required');
    const call = await world.call({
      codecs: ['pcmu'],
      srtp: 'required',
      playTone: tone,
      trouble: { restart: { afterMs: 1_500 } },
    });
    await world.clock.advance(1_000);
    const hold = call.changeDirection('sendonly');
    await world.clock.advance(500);
    expect(await hold).toBe(200);
    const resume = call.changeDirection('sendrecv');
    await world.clock.advance(3_000);
    expect(await resume).toBe(200);
    call.hangUp();
    const result = await world.finish(call);
    expect(result).toMatchObject({ packetsRefused: 0, packetsIgnored: 0 });
    expect(world.said('call ended')).toMatchObject({ packetsRefused: 0 });
    const { audio } = world.server.last;
    expect(heardTone(audio.subarray(audio.length - 24_000), 16_000).gapMsMax).toBe(0);
  });

  it('lets nobody in who only listens on the line: repeated, altered and strange packets change nothing', async () => {
    const seen: { datagram: Uint8Array; from: number; to: number }[] = [];
    world = await open('required', {
      filter: (datagram, from, to) => {
        if (isAudio(datagram)) seen.push({ datagram: datagram.slice(), from, to });
        return 'pass';
      },
    });
    const call = await world.call({ codecs: ['pcmu'], srtp: 'required', playTone: tone, durationMs: 3_000 });
    for (let step = 0; step < 100; step++) {
      await world.clock.advance(20);
      if (seen.length < 20) continue;
      const { source } = world.said('caller audio started')!;
      const toGateway = seen.filter(({ from }) => source === `${address}:${from}`);
      const { datagram, from, to } = toGateway[toGateway.length - 1 - (step % 5)]!;
      world.network.inject(datagram, from, to);
      const altered = datagram.slice();
      altered[20 + step] = altered[20 + step]! ^ 0xff;
      altered[3] = (altered[3]! + 1) & 0xff;
      world.network.inject(altered, from, to);
      const strange = datagram.slice();
      strange[8] = strange[8]! ^ 0x55;
      world.network.inject(strange, from, to);
    }
    const result = await world.finish(call);
    expect(result).toMatchObject({ outcome: 'completed', packetsRefused: 0 });
    const ended = world.said('call ended')!;
    expect(ended.packetsLost).toBe(0);
    expect(Number(ended.packetsRefused)).toBeGreaterThan(200);
    expect(Number(ended.packetsReceived)).toBeLessThanOrEqual(152);
    const heard = heardTone(world.server.last.audio, 16_000);
    expect(heard.gapMsMax).toBe(0);
    expect(Math.abs(heard.levelDb - tone.levelDbfs)).toBeLessThan(1);
  });

  it('says so in the log where the peer names one key and uses another', async () => {
    world = await open('required', {
      filter: (datagram) => {
        // Somebody on the way changes the key of the INVITE.
        const text = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
        const at = text.subarray(0, 6).toString() === 'INVITE' ? text.indexOf('inline:') : -1;
        if (at >= 0) text[at + 10] = text[at + 10] === 65 ? 66 : 65;
        return 'pass';
      },
    });
    const result = await world.finish(
      await world.call({ srtp: 'required', playTone: tone, durationMs: 3_000 }),
    );
    expect(result.outcome).toBe('completed');
    expect(world.log.find(({ code }) => code === 'SRTPKEY')).toBeDefined();
    expect(world.said('caller audio started')).toBeUndefined();
    expect(world.said('call ended')).toMatchObject({ packetsReceived: 0 });
  });

  it.each([
    { srtp: 'off', phone: 'off', outcome: 'completed', suite: undefined },
    { srtp: 'off', phone: 'optional', outcome: 'completed', suite: undefined },
    { srtp: 'off', phone: 'required', outcome: 'refused', suite: undefined },
    { srtp: 'optional', phone: 'off', outcome: 'completed', suite: undefined },
    { srtp: 'optional', phone: 'optional', outcome: 'completed', suite: 'AES_CM_128_HMAC_SHA1_80' },
    { srtp: 'optional', phone: 'required', outcome: 'completed', suite: 'AES_CM_128_HMAC_SHA1_80' },
    { srtp: 'required', phone: 'off', outcome: 'refused', suite: undefined },
    { srtp: 'required', phone: 'optional', outcome: 'completed', suite: 'AES_CM_128_HMAC_SHA1_80' },
  ] as const)(
    'gateway $srtp, phone $phone: $outcome with $suite',
    async ({ srtp, phone, outcome, suite }) => {
      world = await open(srtp);
      const result = await world.finish(await world.call({ srtp: phone, playTone: tone, durationMs: 1_000 }));
      expect(result.outcome).toBe(outcome);
      if (outcome === 'refused') expect(result.status).toBe(488);
      else {
        expect(result.srtpSuite).toBe(suite);
        expect(heardTone(result.heard, result.heardRateHz).present).toBeGreaterThan(0.9);
      }
    },
  );
});
