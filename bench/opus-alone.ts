import { codecNamed } from '../codecs/catalogue.ts';
import { createMarkerLoop, frameMs, loopFrames } from './marker-audio.ts';

const rounds = 5;
const framesPerSecond = 1000 / frameMs;

/** CPU that libopus alone takes for a second of a call: the harness's own audio, encoded as the gateway does and decoded,
 *  at the rate of the stream. The least of several rounds, in ms; undefined without Opus. */
export function opusMsPerCallSecond(sampleRateHz: number): number | undefined {
  const opus = codecNamed('opus');
  if (opus === undefined) return undefined;
  const spoken = createMarkerLoop(sampleRateHz);
  const samples = (sampleRateHz * frameMs) / 1000;
  const encoder = opus.createEncoder(sampleRateHz);
  const decoder = opus.createDecoder(sampleRateHz);
  const payload = new Uint8Array(opus.payloadBytesMax);
  const heard = new Int16Array(samples * 2);
  let leastMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let frame = 0; frame < loopFrames; frame++) {
      const sizeBytes = encoder.encode(spoken, frame * samples, samples, payload, 0);
      decoder.decode(payload, 0, sizeBytes, heard, 0);
    }
    const { user, system } = process.cpuUsage(before);
    leastMs = Math.min(leastMs, ((user + system) / 1000 / loopFrames) * framesPerSecond);
  }
  encoder.close();
  decoder.close();
  return leastMs;
}
