import { Limiter } from '../../codecs/limiter.ts';
import type { AudioFormat, AudioSink, AudioSource } from './audio-route.ts';
import { LivePlayout } from './live-playout.ts';
import type { EndpointId, MixerMode } from './media-messages.ts';
import { bytesOf } from './pcm-bytes.ts';
import { Playout } from './playout.ts';

/** Nothing louder than this, of 32768, is silence and not mixed, -62 dB: fifty lines that only hiss would be heard. */
const silencePeak = 24;
/** So long after the last louder sample it still is, so that the ends of words are not cut off. */
const hangoverFrames = 15;
/** How much of the room a member may keep waiting: it gets 20 ms each 20 ms. */
const sinkQueueMs = 1000;

/** One member's place in a conference: the sink of what it says, kept waiting as long as its line asks for, and the
 *  source of what it hears. */
export class MixerSeat implements AudioSource, AudioSink {
  readonly member: EndpointId;
  readonly sampleRateHz: number;
  mode: MixerMode;
  /** Of the present frame: what it says, where `speaks`. */
  readonly frame: Int16Array;
  speaks = false;
  /** For the mix without itself. */
  readonly limiter = new Limiter();
  sinks: readonly AudioSink[] = [];
  #playout: Playout | LivePlayout | undefined;
  /** The same, where its source wants to know what became of its audio. */
  #reporting: Playout | undefined;
  #quietFrames = hangoverFrames;

  constructor(options: {
    readonly member: EndpointId;
    readonly sampleRateHz: number;
    readonly frameSamples: number;
    readonly mode: MixerMode;
  }) {
    this.member = options.member;
    this.sampleRateHz = options.sampleRateHz;
    this.mode = options.mode;
    this.frame = new Int16Array(options.frameSamples);
  }

  /** What the member says in this frame. */
  listen(nowMs: number): void {
    const playout = this.#playout;
    if (playout === undefined) {
      this.speaks = false;
      return;
    }
    const { frame } = this;
    playout.take(frame, frame.length, this.sampleRateHz, nowMs);
    this.#reporting?.sent();
    // Muted, it goes on in its time: what was said meanwhile is not heard later.
    const silent = !this.mode.speaks || isSilent(frame);
    this.#quietFrames = silent ? this.#quietFrames + 1 : 0;
    this.speaks = this.mode.speaks && this.#quietFrames < hangoverFrames;
  }

  skip(nowMs: number): void {
    this.#playout?.skip(this.frame.length, this.sampleRateHz, nowMs);
  }

  // ---- What it says ------------------------------------------------------------------------------------------

  plug(format: AudioFormat): void {
    this.unplug();
    const { live } = format;
    this.#playout = live === undefined ? new Playout(format) : new LivePlayout(format, live);
    if (this.#playout instanceof Playout && format.playout?.listener !== undefined)
      this.#reporting = this.#playout;
    this.#quietFrames = hangoverFrames;
  }

  unplug(): void {
    this.#reporting?.forgetMarks();
    this.#reporting = undefined;
    this.#playout = undefined;
  }

  play(pcm: Int16Array, offset: number, samples: number, nowMs: number): void {
    this.#playout?.push(bytesOf(pcm), pcm.byteOffset + offset * 2, samples * 2, nowMs);
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#playout?.push(bytes, offset, sizeBytes, nowMs);
  }

  playMadeUp(pcm: Int16Array, offset: number, samples: number, nowMs: number): void {
    if (!(this.#playout instanceof LivePlayout)) return this.play(pcm, offset, samples, nowMs);
    this.#playout.pushMadeUp(bytesOf(pcm), pcm.byteOffset + offset * 2, samples * 2);
  }

  noteArrival(aheadMs: number, nowMs: number): void {
    if (this.#playout instanceof LivePlayout) this.#playout.noteArrival(aheadMs, nowMs);
  }

  clear(): void {
    this.#playout?.clear();
  }

  mark(mark: number): void {
    this.#reporting?.mark(mark);
  }

  forgetMarks(): void {
    this.#reporting?.forgetMarks();
  }

  watchDrained(): void {
    this.#reporting?.watchDrained();
  }

  pause(paused: boolean): void {
    this.#reporting?.pause(paused);
  }

  get playedMs(): number {
    return this.#reporting?.playedMs ?? 0;
  }

  get queuedMs(): number {
    return this.#playout?.queuedMs ?? 0;
  }

  get droppedMs(): number {
    return this.#playout?.droppedMs ?? 0;
  }

  // ---- What it hears -----------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    this.sinks = [...this.sinks, sink];
    const { sampleRateHz } = this;
    sink.plug({ sampleRateHz, queueBytesMax: (sampleRateHz * 2 * sinkQueueMs) / 1000 });
  }

  removeSink(sink: AudioSink): void {
    this.sinks = this.sinks.filter((other) => other !== sink);
    sink.unplug();
  }

  hear(pcm: Int16Array, nowMs: number): void {
    for (const sink of this.sinks) sink.play(pcm, 0, this.frame.length, nowMs);
  }
}

function isSilent(pcm: Int16Array): boolean {
  for (let i = 0; i < pcm.length; i++) {
    const sample = pcm[i]!;
    if (sample > silencePeak || sample < -silencePeak) return false;
  }
  return true;
}
