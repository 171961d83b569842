import { VoiceActivity } from '../../codecs/vad.ts';
import type { AudioFormat, AudioSink } from './audio-route.ts';
import type { EndpointId, MediaEvent } from './media-messages.ts';

/** Listens to a source beside its other sinks and says when somebody begins and ends to speak. */
export class VoiceWatch implements AudioSink {
  readonly queuedMs = 0;
  readonly droppedMs = 0;
  readonly #endpointId: EndpointId;
  readonly #emit: (event: MediaEvent) => void;
  #activity: VoiceActivity | undefined;

  constructor(endpointId: EndpointId, emit: (event: MediaEvent) => void) {
    this.#endpointId = endpointId;
    this.#emit = emit;
  }

  plug({ sampleRateHz }: AudioFormat): void {
    const spoke = this.#activity?.active ?? false;
    this.#activity = new VoiceActivity({ sampleRateHz });
    if (spoke) this.#say('stopped');
  }

  unplug(): void {
    this.#activity = undefined;
  }

  play(pcm: Int16Array, offset: number, samples: number): void {
    const change = this.#activity?.push(pcm, offset, samples);
    if (change !== undefined) this.#say(change);
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, sizeBytes);
    const samples = Int16Array.from({ length: sizeBytes / 2 }, (_, at) => view.getInt16(at * 2, true));
    this.play(samples, 0, samples.length);
  }

  clear(): void {}

  #say(state: 'started' | 'stopped'): void {
    this.#emit({ type: 'voice', endpointId: this.#endpointId, state });
  }
}
