import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import type { StreamEncoding } from '../../protocol/stream/messages.ts';
import type { AudioFormat, AudioSink, AudioSource, PlayoutListener } from './audio-route.ts';
import { PlayoutBuffer } from './playout-buffer.ts';
import { type PayloadDecoder, payloadDecoder } from './stream-encodings.ts';

/** What a message in another encoding or at another rate becomes, a piece at a time. Shared by the thread. */
const decoded = new Int16Array(4096);
let converted = new Int16Array(0);

/** A server that never waits for its marks to be reported gets no more than this. */
const marksMax = 1000;

export interface StreamDownlinkOptions {
  readonly sampleRateHz: number;
  readonly encoding: StreamEncoding;
  readonly queueBytesMax: number;
  readonly prebufferMs?: number | undefined;
  readonly catchesUp?: boolean | undefined;
  readonly nowMs: () => number;
  readonly listener: StreamDownlinkListener;
}

export interface StreamDownlinkListener {
  markReached(name: string, status: 'played' | 'cleared', playedMs: number): void;
  filled(state: 'xoff' | 'xon', bufferedMs: number, droppedMs: number): void;
  drained(playedMs: number): void;
  /** For want of room. */
  overflowed(): void;
}

/** The way down: bytes as they came → samples → the sinks, of which the phone has the queue. What comes before there
 *  is a sink waits here. */
export class StreamDownlink implements AudioSource {
  readonly #options: StreamDownlinkOptions;
  readonly #decoder: PayloadDecoder | undefined;
  readonly #format: AudioFormat;
  #sinks: readonly AudioSink[] = [];
  /** Of the sinks the one that plays to a phone: its queue is what marks, pauses and figures speak of. */
  #lead: AudioSink | undefined;
  /** First half of a sample whose other half comes with the next message, and room to join them. */
  #halfSample: number | undefined;
  readonly #joined = new Uint8Array(2);
  /** For audio at a rate of its own. */
  #converter: Resampler | undefined;
  /** Audio after the answer and before the bridge, and the marks in it. */
  #unrouted: PlayoutBuffer | undefined;
  #unroutedMarks: { readonly mark: number; readonly atSamples: number }[] = [];
  #unroutedSamples = 0;
  /** Names of the marks that were not reported yet. */
  readonly #marks = new Map<number, string>();
  #marksMade = 0;
  #watchesDrained = false;
  #paused = false;
  /** Of sinks that are no longer ours. */
  #droppedMsBefore = 0;
  #playedMsBefore = 0;
  marksReported = 0;
  clears = 0;

  constructor(options: StreamDownlinkOptions) {
    this.#options = options;
    this.#decoder = payloadDecoder(options.encoding);
    const { sampleRateHz, queueBytesMax, prebufferMs, catchesUp } = options;
    const listener: PlayoutListener = {
      reached: (mark, status) => this.#reached(mark, status),
      filled: (state, queuedMs, droppedMs) => options.listener.filled(state, queuedMs, droppedMs),
      drained: () => this.#drained(),
    };
    this.#format = { sampleRateHz, queueBytesMax, playout: { prebufferMs, catchesUp, listener } };
  }

  /** Another server begins to speak. What waits of the one before is still played. */
  begin(): void {
    this.#halfSample = undefined;
    if (this.#paused) this.pause(false);
  }

  /** Bytes of a message in the stream's encoding, whole samples or not. */
  receive(bytes: Uint8Array, start: number, sizeBytes: number, nowMs: number): void {
    if (this.#decoder?.bytesPerSample === 1)
      return this.#decode(this.#decoder, bytes, start, sizeBytes, nowMs);
    let offset = start;
    const end = start + sizeBytes;
    if (this.#halfSample !== undefined && sizeBytes > 0) {
      this.#joined[0] = this.#halfSample;
      this.#joined[1] = bytes[offset++]!;
      this.#halfSample = undefined;
      this.#receiveWhole(this.#joined, 0, 2, nowMs);
    }
    const odd = (end - offset) % 2;
    if (odd === 1) this.#halfSample = bytes[end - 1]!;
    this.#receiveWhole(bytes, offset, end - offset - odd, nowMs);
  }

  #receiveWhole(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    if (this.#decoder === undefined) this.#push(bytes, offset, sizeBytes, nowMs);
    else this.#decode(this.#decoder, bytes, offset, sizeBytes, nowMs);
  }

  #decode(decoder: PayloadDecoder, bytes: Uint8Array, start: number, sizeBytes: number, nowMs: number): void {
    const pieceBytes = decoded.length * decoder.bytesPerSample;
    for (let done = 0; done < sizeBytes; done += pieceBytes) {
      const size = Math.min(sizeBytes - done, pieceBytes);
      const samples = decoder.decode(bytes, start + done, size, decoded);
      this.#push(bytesOf(decoded), 0, samples * 2, nowMs);
    }
  }

  /** Samples at a rate of their own, 16 bits little-endian, the last of them whole or not. Throws `RangeError` for a
   *  rate that nobody knows. */
  receiveAt(sampleRateHz: number, part: Uint8Array, nowMs: number): void {
    const bytes =
      this.#halfSample === undefined ? part : Buffer.concat([Uint8Array.of(this.#halfSample), part]);
    this.#halfSample = bytes.length % 2 === 1 ? bytes[bytes.length - 1] : undefined;
    if (this.#converter?.fromHz !== sampleRateHz) {
      this.#converter = createResampler(sampleRateHz, this.#options.sampleRateHz);
    }
    const sizeMax = this.#converter.outputSamplesMax(decoded.length);
    if (converted.length < sizeMax) converted = new Int16Array(sizeMax);
    const samples = bytes.length >>> 1;
    for (let done = 0; done < samples; done += decoded.length) {
      const size = Math.min(samples - done, decoded.length);
      bytesOf(decoded).set(bytes.subarray(done * 2, (done + size) * 2));
      const count = this.#converter.process(decoded, 0, size, converted, 0);
      this.#push(bytesOf(converted), 0, count * 2, nowMs);
    }
  }

  #push(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes === 0) return;
    for (const sink of this.#sinks) {
      sink.playBytes(bytes, offset, sizeBytes, nowMs);
      if (sink.droppedMs > 0) this.#options.listener.overflowed();
    }
    if (this.#sinks.length > 0) return;
    const { sampleRateHz, queueBytesMax: sizeBytesMax } = this.#options;
    this.#unrouted ??= new PlayoutBuffer({ sampleRateHz, sizeBytesMax });
    this.#unrouted.push(bytes, offset, sizeBytes);
    this.#unroutedSamples += sizeBytes >>> 1;
  }

  // ---- What a server may do with it --------------------------------------------------------------------------

  /** False where too many wait already. */
  mark(name: string): boolean {
    if (this.#marks.size >= marksMax) return false;
    const mark = this.#marksMade++;
    this.#marks.set(mark, name);
    if (this.#lead !== undefined) this.#lead.mark!(mark);
    else if ((this.#unrouted?.queuedSamples ?? 0) === 0) this.#reached(mark, 'played');
    else this.#unroutedMarks.push({ mark, atSamples: this.#unroutedSamples });
    return true;
  }

  forgetMarks(): void {
    this.#lead?.forgetMarks?.();
    for (const { mark } of this.#unroutedMarks.splice(0)) this.#reached(mark, 'cleared');
  }

  watchDrained(): void {
    this.#watchesDrained = true;
    if (this.#lead !== undefined) this.#lead.watchDrained?.();
    else if (this.queuedMs === 0) this.#drained();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#lead?.pause?.(paused);
  }

  /** Drops everything, and says how much that was. */
  clear(): number {
    const droppedMs = this.#lead?.queuedMs ?? this.queuedMs;
    this.clears++;
    this.#halfSample = undefined;
    this.#converter = undefined;
    this.#forgetUnrouted();
    for (const sink of this.#sinks) sink.clear();
    return droppedMs;
  }

  #reached(mark: number, status: 'played' | 'cleared'): void {
    const name = this.#marks.get(mark);
    if (name === undefined) return;
    this.#marks.delete(mark);
    this.marksReported++;
    this.#options.listener.markReached(name, status, this.playedMs);
  }

  #drained(): void {
    this.#watchesDrained = false;
    this.#options.listener.drained(this.playedMs);
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    sink.plug(this.#format);
    this.#sinks = [...this.#sinks, sink];
    this.#chooseLead();
    if (this.#unrouted !== undefined) this.#moveUnrouted(this.#unrouted, sink);
    if (this.#lead !== sink) return;
    if (this.#paused) sink.pause?.(true);
    if (this.#watchesDrained) sink.watchDrained?.();
  }

  removeSink(sink: AudioSink): void {
    this.#droppedMsBefore += sink.droppedMs;
    const playedMs = sink.playedMs ?? 0;
    // Its marks are reported as cleared while it is still the one that counts.
    sink.unplug();
    if (sink === this.#lead) this.#playedMsBefore += playedMs;
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    this.#chooseLead();
  }

  #chooseLead(): void {
    this.#lead = this.#sinks.find(({ mark }) => mark !== undefined);
  }

  /** To the first sink there is, marks between the audio as they stood. */
  #moveUnrouted(unrouted: PlayoutBuffer, sink: AudioSink): void {
    const marks = this.#unroutedMarks.splice(0);
    const nowMs = this.#options.nowMs();
    let atSamples = this.#unroutedSamples - unrouted.queuedSamples;
    const play = (untilSamples: number) => {
      const pcm = new Int16Array(Math.max(0, untilSamples - atSamples));
      unrouted.take(pcm, 0, pcm.length);
      atSamples += pcm.length;
      if (pcm.length > 0) sink.play(pcm, 0, pcm.length, nowMs);
    };
    for (const { mark, atSamples: until } of marks) {
      play(until);
      if (sink.mark === undefined) this.#reached(mark, 'played');
      else sink.mark(mark);
    }
    play(this.#unroutedSamples);
    this.#forgetUnrouted();
  }

  #forgetUnrouted(): void {
    this.#droppedMsBefore += this.#unrouted?.droppedMs ?? 0;
    this.#unrouted = undefined;
    for (const { mark } of this.#unroutedMarks.splice(0)) this.#reached(mark, 'cleared');
  }

  // ---- Figures -----------------------------------------------------------------------------------------------

  get paused(): boolean {
    return this.#paused;
  }

  get marksWaiting(): number {
    return this.#marks.size;
  }

  get queuedMs(): number {
    return this.#sinks.reduce((sum, sink) => sum + sink.queuedMs, this.#unrouted?.queuedMs ?? 0);
  }

  get droppedMs(): number {
    const before = this.#droppedMsBefore + (this.#unrouted?.droppedMs ?? 0);
    return this.#sinks.reduce((sum, sink) => sum + sink.droppedMs, before);
  }

  /** Sent to the phone since the answer. */
  get playedMs(): number {
    return this.#playedMsBefore + (this.#lead?.playedMs ?? 0);
  }

  get line(): AudioSink['line'] {
    return this.#lead?.line;
  }
}

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
