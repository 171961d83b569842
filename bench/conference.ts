/** `npm run build && node dist/bench/conference.js [members] [seconds]`: what a conference costs against as many single
 *  calls, in one core with everything but sockets: PCMU phones that all speak, or of which three do. A single call is a
 *  phone bridged to a stream at 16 kHz that echoes. The variants take turns, and the quickest round of each counts. */

import { pcmu } from '../codecs/g711.ts';
import { CoreRig, type RigPhone } from '../gateway/media/core-rig.ts';

const frameMs = 20;
const rounds = 8;
const secondsBefore = 60;

/** Runs one second of all its calls. */
type Second = () => void;

const [members = 50, seconds = 2] = process.argv.slice(2).map(Number);
const payloads = voice();
const silence = new Uint8Array(160).fill(0xff);

const variants: Readonly<Record<string, Second>> = {
  [`${members} single calls`]: await singleCalls(),
  [`${members} in a conference, all speak`]: await conference(members, false),
  [`${members} in a conference, 3 speak`]: await conference(3, false),
  [`${members} in a conference with 3 streams at 16 and 48 kHz, all speak`]: await conference(members, true),
};

// Until everything is compiled and every playout has found its delay.
for (const second of Object.values(variants)) for (let each = 0; each < secondsBefore; each++) second();

const bestMs = new Map<string, number>();
for (let round = 0; round < rounds; round++) {
  for (const [name, second] of Object.entries(variants)) {
    const startMs = performance.now();
    for (let each = 0; each < seconds; each++) second();
    const tookMs = (performance.now() - startMs) / seconds;
    bestMs.set(name, Math.min(bestMs.get(name) ?? Number.POSITIVE_INFINITY, tookMs));
  }
}
const singleMs = [...bestMs.values()][0]!;
for (const [name, ms] of bestMs) {
  console.log(`${ms.toFixed(1).padStart(7)} ms a second  ${(ms / singleMs).toFixed(2)}  ${name}`);
}

async function singleCalls(): Promise<Second> {
  const rig = new CoreRig();
  const phones: RigPhone[] = [];
  for (let index = 0; index < members; index++) {
    const phone = await rig.openPhone(`${index}.rtp`);
    const stream = rig.openStream(`${index}.stream`, 16_000);
    const bytes = new Uint8Array(stream.audio.buffer);
    stream.received = () => stream.say(bytes);
    rig.core.handle({ type: 'bridge', a: phone.id, b: stream.id });
    phones.push(phone);
  }
  return secondOf(rig, phones, members);
}

async function conference(speakers: number, withStreams: boolean): Promise<Second> {
  const rig = new CoreRig();
  rig.core.handle({ type: 'openMixer', endpointId: 'room' });
  const mode = { speaks: true, hears: true };
  const join = (member: string, sampleRateHz: number) =>
    rig.core.handle({ type: 'joinMixer', mixer: 'room', member, sampleRateHz, mode });
  const phones: RigPhone[] = [];
  for (let index = 0; index < members; index++) {
    const phone = await rig.openPhone(`${index}.rtp`);
    join(phone.id, 8000);
    phones.push(phone);
  }
  if (!withStreams) return secondOf(rig, phones, speakers);
  const rates = [16_000, 48_000, 16_000];
  for (const [index, sampleRateHz] of rates.entries()) {
    const stream = rig.openStream(`${index}.stream`, sampleRateHz);
    join(stream.id, sampleRateHz);
    const said = new Uint8Array(
      Int16Array.from(
        stream.audio,
        (_sample, i) => 3000 * Math.sin((i * 2 * Math.PI * 10) / stream.audio.length),
      ).buffer,
    );
    stream.received = () => stream.say(said);
  }
  return secondOf(rig, phones, speakers);
}

/** Phones speak 2 ms apart, as they do. */
function secondOf(rig: CoreRig, phones: readonly RigPhone[], speakers: number): Second {
  let frame = 0;
  return () => {
    for (let each = 0; each < 1000 / frameMs; each++, frame++) {
      const startMs = rig.nowMs;
      for (let turn = 0; turn < 10; turn++) {
        rig.advance(startMs + turn * 2);
        for (let index = turn; index < phones.length; index += 10) {
          const said = index < speakers ? payloads[(frame + index) % payloads.length]! : silence;
          phones[index]!.say(said);
        }
      }
      rig.advance(startMs + frameMs);
    }
    if (rig.failures.length > 0) throw rig.failures[0];
  };
}

/** A second of something like a voice, a packet each. */
function voice(): Uint8Array[] {
  const encoder = pcmu.createEncoder();
  return Array.from({ length: 50 }, (_, packet) => {
    const pcm = Int16Array.from({ length: 160 }, (_sample, i) => {
      const at = packet * 160 + i;
      return 4000 * Math.sin(at * 0.11) + 2000 * Math.sin(at * at * 1e-5);
    });
    const payload = new Uint8Array(160);
    encoder.encode(pcm, 0, 160, payload, 0);
    return payload;
  });
}
