import { checkSampleRate } from '../../codecs/resampler.ts';
import type { AudioSink, AudioSource } from './audio-route.ts';
import { CallTracks, type TakeFrame } from './call-tracks.ts';
import type { EndpointId } from './media-messages.ts';
import type { WheelMember } from './timing-wheel.ts';

/** Who transcribes can wait a little, and hears each side whole. */
const delayMs = 120;
const sinkQueueMs = 1000;

/** 20 ms at 96 kHz, interleaved. Shared by all taps of the thread. */
const interleaved = new Int16Array(3840);

/** Somebody who listens to a call beside those who talk: one side, or both as stereo. A source with a clock, so that
 *  its sinks get 20 ms each 20 ms, whatever the sides do. */
export class Tap implements AudioSource, WheelMember {
  readonly endpointId: EndpointId;
  readonly tracks: CallTracks;
  readonly #sampleRateHz: number;
  #sinks: readonly AudioSink[] = [];
  #nowMs = 0;
  readonly #take: TakeFrame;

  /** Throws `RangeError` where the rate is none of a stream's. */
  constructor(options: {
    readonly endpointId: EndpointId;
    readonly hears: 'left' | 'right' | 'stereo';
    readonly sampleRateHz: number;
    readonly nowMs: number;
  }) {
    const { sampleRateHz, nowMs, hears } = options;
    checkSampleRate(sampleRateHz);
    this.endpointId = options.endpointId;
    this.#sampleRateHz = sampleRateHz;
    this.tracks = new CallTracks({ sampleRateHz, delayMs, nowMs });
    this.#take = (left, right, samples) => {
      if (hears === 'stereo') this.#playBoth(left, right, samples);
      else this.#play(hears === 'left' ? left : right, samples);
    };
  }

  deliver(): void {}

  mix(nowMs: number): void {
    this.#nowMs = nowMs;
    this.tracks.read(nowMs, this.#take);
  }

  send(): void {}

  /** What the ticker was late for is read at the next tick. */
  skip(): void {}

  addSink(sink: AudioSink): void {
    this.#sinks = [...this.#sinks, sink];
    const sampleRateHz = this.#sampleRateHz;
    sink.plug({ sampleRateHz, queueBytesMax: (sampleRateHz * 2 * sinkQueueMs) / 1000 });
  }

  removeSink(sink: AudioSink): void {
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    sink.unplug();
  }

  #playBoth(left: Int16Array, right: Int16Array, samples: number): void {
    for (let i = 0; i < samples; i++) {
      interleaved[2 * i] = left[i]!;
      interleaved[2 * i + 1] = right[i]!;
    }
    this.#play(interleaved, 2 * samples);
  }

  #play(pcm: Int16Array, samples: number): void {
    for (const sink of this.#sinks) sink.play(pcm, 0, samples, this.#nowMs);
  }
}
