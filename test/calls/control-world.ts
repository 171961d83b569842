import type { AudioLibrary } from '../../gateway/audio/audio-library.ts';
import { AudioError, type AudioSource } from '../../gateway/audio/audio-source.ts';
import type { Clock } from '../../gateway/clock.ts';
import type { GatewayIo } from '../../gateway/gateway.ts';
import type { RecordingOptions } from '../../gateway/recording/recordings.ts';
import { CallWorld } from '../support/call-world.ts';
import { MemoryCallbacks } from '../support/memory-callbacks.ts';
import { BarePhone } from './bare-phone.ts';
import { CalleePhone } from './callee-phone.ts';

export const appKey = 'test-app';
export const application = {
  key: appKey,
  secret: 'c2VjcmV0LXNlY3JldA==',
  callbackUrl: 'http://127.0.0.1:9/',
};

/** A recording as it was written. */
export interface KeptRecording {
  readonly options: RecordingOptions;
  readonly samples: number[];
  finished: boolean;
}

/** A world whose calls belong to an application: its server, its audio and its recordings are in memory. */
export interface ControlWorld {
  readonly world: CallWorld;
  readonly callbacks: MemoryCallbacks;
  /** What was asked to be played, in order. */
  readonly played: AudioSource[];
  readonly recordings: KeptRecording[];
  readonly phones: { close(): void }[];
}

export async function openControl(options: Parameters<typeof CallWorld.open>[0] = {}): Promise<ControlWorld> {
  let callbacks!: MemoryCallbacks;
  const played: AudioSource[] = [];
  const recordings: KeptRecording[] = [];
  const io = (clock: Clock): Partial<GatewayIo> => {
    callbacks = new MemoryCallbacks(clock);
    return {
      callbacks,
      audio: memoryAudio(played),
      recordings: {
        begin(what) {
          if (what.destination === 'bad') throw new AudioError('audio-refused', 'destinationUrl is bad');
          const kept: KeptRecording = { options: what, samples: [], finished: false };
          recordings.push(kept);
          return {
            write: (samples) => void kept.samples.push(...samples),
            finish() {
              kept.finished = true;
              what.events({ type: 'finished', path: '/recordings/x.wav', durationMs: 1 });
            },
          };
        },
        close: async () => {},
        counters: () => ({}) as never,
      },
    };
  };
  const world = await CallWorld.open({
    io,
    ...options,
    config: {
      applications: [application],
      routes: [{ to: '*', application: appKey }],
      stream: { endpoints: { allow: ['ws://127.0.0.1:*', 'ws://127.0.0.2:*'] } },
      ...options.config,
    } as never,
  });
  return { world, callbacks, played, recordings, phones: [] };
}

/** Tones of the pitch that a URL names, for 1 s or without end; `https://x/none` cannot be played. */
function memoryAudio(played: AudioSource[]): AudioLibrary {
  return {
    async *open(source, { sampleRateHz, signal }) {
      played.push(source);
      if (source.kind === 'url' && source.url.endsWith('/none'))
        throw new AudioError('audio-unreachable', 'https://x/none is not there');
      const frequencyHz = source.kind === 'url' ? Number(/\d+/.exec(source.url)?.[0] ?? 500) : 500;
      const chunks = source.kind === 'tone' ? Number.POSITIVE_INFINITY : 1;
      for (let chunk = 0; chunk < chunks && !signal.aborted; chunk++) {
        yield Int16Array.from({ length: sampleRateHz }, (_, at) =>
          Math.round(8_000 * Math.sin((2 * Math.PI * frequencyHz * at) / sampleRateHz)),
        );
      }
    },
    close: async () => {},
    counters: () => ({}) as never,
  };
}

export async function caller(control: ControlWorld, seed = 5): Promise<BarePhone> {
  const phone = await BarePhone.open(control.world, { seed });
  control.phones.push(phone.rtp);
  return phone;
}

export async function callee(control: ControlWorld, seed = 31, port = 0): Promise<CalleePhone> {
  const phone = await CalleePhone.open(control.world, seed, port);
  control.phones.push(phone.rtp);
  return phone;
}

/** Lets everything end, and looks for what was left behind. */
export async function leftovers(control: ControlWorld): Promise<Record<string, unknown>> {
  const { world } = control;
  for (const phone of control.phones) phone.close();
  await world.clock.until(() => world.gateway.counts().calls === 0, 60_000, 20);
  await world.clock.advance(40_000);
  const { workers } = await world.gateway.mediaReport();
  const endpoints = workers.reduce((sum, worker) => sum + worker.endpoints, 0);
  const portsInUse = workers.reduce((sum, worker) => sum + worker.portsInUse, 0);
  return { ...world.gateway.counts(), endpoints, portsInUse, streams: world.server.openStreams };
}

export const nothingLeft = {
  calls: 0,
  sessions: 0,
  transactions: 0,
  dialogs: 0,
  connections: 0,
  endpoints: 0,
  portsInUse: 0,
  streams: 0,
};

/** The share of a tone in what was heard, 0 to 1: a multiple of 50 Hz, frame by frame, so that a jump of its phase does
 *  not count. */
export function toneShare(pcm: Int16Array, frequencyHz: number, sampleRateHz = 8_000): number {
  const frame = sampleRateHz / 50;
  let share = 0;
  let frames = 0;
  for (let from = 0; from + frame <= pcm.length; from += frame) {
    let sine = 0;
    let cosine = 0;
    let energy = 1;
    for (let at = 0; at < frame; at++) {
      const angle = (2 * Math.PI * frequencyHz * at) / sampleRateHz;
      const sample = pcm[from + at]!;
      sine += sample * Math.sin(angle);
      cosine += sample * Math.cos(angle);
      energy += sample * sample;
    }
    share += (2 * (sine * sine + cosine * cosine)) / (frame * energy);
    frames++;
  }
  return frames === 0 ? 0 : share / frames;
}
