import type { CodecName } from '../../codecs/codec.ts';
import type { Clock } from '../clock.ts';
import { CoreRig } from './core-rig.ts';

const frameMs = 20;
/** Of each call; more of them teach the compiler nothing new. */
const framesMax = 400;

const codecs: readonly { readonly codec: CodecName; readonly payloadType: number }[] = [
  { codec: 'pcmu', payloadType: 0 },
  { codec: 'pcma', payloadType: 8 },
];
const sampleRatesHz = [16_000, 8000, 24_000, 48_000] as const;

/** Takes calls that nobody makes through a core of its own, so that the first seconds of a worker under load find
 *  compiled code. Takes `limitMs` of `clock` at most. */
export async function warmUp(clock: Clock, limitMs: number): Promise<void> {
  if (limitMs <= 0) return;
  const endMs = clock.nowMs() + limitMs;
  const rig = new CoreRig();
  const calls = [];
  for (const sampleRateHz of sampleRatesHz) {
    for (const { codec, payloadType } of codecs) {
      const id = `${codec}.${sampleRateHz}`;
      const session = { codec, payloadTypeSend: payloadType, payloadTypeReceive: payloadType };
      const phone = await rig.openPhone(`${id}.rtp`, session);
      const stream = rig.openStream(`${id}.stream`, sampleRateHz);
      rig.core.handle({ type: 'bridge', a: phone.id, b: stream.id });
      const said = new Uint8Array((sampleRateHz * frameMs * 2) / 1000);
      calls.push({ phone, stream, payloadType, said });
    }
  }
  const payload = new Uint8Array(160);
  for (let frame = 0; frame < framesMax && clock.nowMs() < endMs; frame++) {
    // Something like a voice, so that no shortcut for silence is all that gets compiled.
    for (let i = 0; i < payload.length; i++) payload[i] = (frame * 7 + i * 31) & 0xff;
    for (const { phone, stream, payloadType, said } of calls) {
      for (let i = 0; i < said.length; i++) said[i] = (frame + i * 13) & 0x3f;
      phone.say(payload, payload.length, { payloadType });
      stream.say(said);
    }
    rig.advance(rig.nowMs + frameMs);
  }
  rig.core.close();
}
