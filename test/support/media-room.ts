import { toneLevelAt } from '../../codecs/goertzel.ts';
import { createTone } from '../../codecs/tones.ts';
import type { Clock, Timer } from '../../gateway/clock.ts';
import type { MixerMode, RtpSession } from '../../gateway/media/media-messages.ts';
import { MediaCall, type MediaWorld } from './media-call.ts';
import type { MemoryStream } from './memory-stream.ts';
import { RtpPeer } from './rtp-peer.ts';

/** Somebody in a call without a control plane: an endpoint of its own, a way to speak a tone into it, and all that it
 *  heard. */
export interface Person {
  readonly call: MediaCall;
  /** Of its endpoint. */
  readonly id: string;
  readonly sampleRateHz: number;
  say(frequencyHz: number, levelDb?: number): void;
  hush(): void;
  heard(): Int16Array;
}

/** A phone that speaks PCMU. */
export async function openPhone(
  { clock, network, pool }: MediaWorld,
  id: string,
  session: Partial<RtpSession> = {},
): Promise<Person & { readonly peer: RtpPeer }> {
  const peer = await RtpPeer.open(clock, network);
  const call = new MediaCall(pool, id);
  call.openRtp();
  await clock.until(() => call.event('rtpOpened') !== undefined);
  peer.to = { address: '127.0.0.1', port: call.event('rtpOpened')!.port };
  call.startRtp(peer, session);
  const sampleRateHz = 8000;
  const speaker = createSpeaker(clock, sampleRateHz, (pcm) => peer.sayPcm(pcm));
  return { call, peer, id: call.rtpId, sampleRateHz, ...speaker, heard: () => peer.heardPcm };
}

/** A server that answers at once. */
export async function openServer(
  { clock, server, pool }: MediaWorld,
  id: string,
  sampleRateHz: number,
): Promise<Person & { readonly stream: MemoryStream }> {
  const call = new MediaCall(pool, id);
  server.connected = (stream) => {
    stream.receivedText = (message) => {
      if (message.command === 'connect') stream.send({ command: 'answer', extensions: ['mark'] });
    };
  };
  call.openStream({ sampleRateHz });
  await clock.until(() => call.event('streamReplied') !== undefined);
  const stream = server.last;
  const speaker = createSpeaker(clock, sampleRateHz, (pcm) => stream.sendBinary(new Uint8Array(pcm.buffer)));
  return { call, stream, id: call.streamId, sampleRateHz, ...speaker, heard: () => stream.audio };
}

/** A room that these people are in, all on one worker. */
export function openRoom({ pool }: MediaWorld, id = 'room') {
  const call = new MediaCall(pool, id);
  const { group } = call;
  group.send({ type: 'openMixer', endpointId: id });
  return {
    id,
    call,
    join: ({ id: member, sampleRateHz }: Person, mode: MixerMode = { speaks: true, hears: true }) =>
      group.send({ type: 'joinMixer', mixer: id, member, sampleRateHz, mode }),
    set: ({ id: member }: Person, mode: MixerMode) =>
      group.send({ type: 'setMixerMember', mixer: id, member, mode }),
    leave: ({ id: member }: Person) => group.send({ type: 'leaveMixer', mixer: id, member }),
  };
}

/** Level of each frequency in the last half second of `pcm`, dBFS. */
export function tonesIn(pcm: Int16Array, sampleRateHz: number, frequenciesHz: readonly number[]): number[] {
  const samples = Math.min(pcm.length, sampleRateHz / 2);
  return frequenciesHz.map((frequencyHz) =>
    toneLevelAt(pcm, pcm.length - samples, samples, sampleRateHz, frequencyHz),
  );
}

function createSpeaker(clock: Clock, sampleRateHz: number, say: (pcm: Int16Array) => void) {
  let timer: Timer | undefined;
  const samples = sampleRateHz / 50;
  const hush = () => timer?.cancel();
  return {
    hush,
    say: (frequencyHz: number, levelDb = -20) => {
      hush();
      const tone = createTone(frequencyHz, sampleRateHz, levelDb);
      let dueMs = clock.nowMs();
      const next = () => {
        const pcm = new Int16Array(samples);
        tone.fill(pcm, 0, samples);
        say(pcm);
        dueMs += 20;
        timer = clock.after(dueMs - clock.nowMs(), next);
      };
      next();
    },
  };
}
