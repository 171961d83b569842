import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convertRate, measureLoss } from '../../../bench/speech-figures.ts';
import { opus } from '../../../codecs/opus.ts';
import { opusLibrary } from '../../../codecs/opus-native.ts';
import { mixDown, parseWav } from '../../../codecs/wav.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';

const rateHz = 16_000;
const wav = parseWav(readFileSync(new URL('../../../gateway/assets/speech.wav', import.meta.url)));
const speech = convertRate(mixDown(wav), wav.sampleRateHz, rateHz).subarray(0, 3 * rateHz);

/** What the stream hears of a phone that says the speech in Opus. */
async function heard(fmtp: string, lost: (packet: number) => boolean): Promise<Int16Array> {
  const world = createMediaWorld();
  const session = { codec: 'opus', payloadTypeSend: 111, payloadTypeReceive: 111 } as const;
  const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: rateHz, session });
  const encoder = opus.createEncoder(rateHz, fmtp);
  const payload = new Uint8Array(1500);
  phone.payloadType = 111;
  for (let packet = 0; (packet + 1) * 320 <= speech.length; packet++) {
    const sizeBytes = encoder.encode(speech, packet * 320, 320, payload, 0);
    if (lost(packet)) {
      phone.sequence = (phone.sequence + 1) & 0xffff;
      phone.timestamp += 960;
    } else {
      phone.sayPayload(payload.subarray(0, sizeBytes), 960);
    }
    await world.clock.advance(20);
  }
  await world.clock.advance(200);
  encoder.close();
  call.closeRtp();
  call.closeStream();
  // Behind it there is silence, as nothing comes any more.
  return stream.audio.subarray(0, speech.length - (speech.length % 320));
}

describe.skipIf(opusLibrary === undefined)('a phone that sends in-band FEC', () => {
  const seldom = (packet: number) => packet % 10 === 8;

  it('is heard whole where single packets are lost, as far as the next one tells', async () => {
    const [kept, recovered, concealed] = await Promise.all([
      heard('useinbandfec=1', () => false),
      heard('useinbandfec=1', seldom),
      heard('', seldom),
    ]);
    const keptWithout = await heard('', () => false);
    expect(recovered!.length).toBe(kept!.length);
    const withFec = measureLoss(kept!, recovered!, rateHz, seldom);
    const without = measureLoss(keptWithout, concealed!, rateHz, seldom);
    expect(withFec.snrDb).toBeGreaterThan(without.snrDb + 2);
    expect(withFec.spectralDistanceDb).toBeLessThan(without.spectralDistanceDb - 2);
  });

  it('is heard at its length where several in a row are lost: the first concealed, the last recovered', async () => {
    const [kept, recovered] = await Promise.all([
      heard('useinbandfec=1', () => false),
      heard('useinbandfec=1', (packet) => packet % 20 > 16),
    ]);
    expect(recovered!.length).toBe(kept!.length);
    const last = measureLoss(kept!, recovered!, rateHz, (packet) => packet % 20 === 19);
    const first = measureLoss(kept!, recovered!, rateHz, (packet) => packet % 20 === 18);
    expect(last.spectralDistanceDb).toBeLessThan(first.spectralDistanceDb);
  });
});
