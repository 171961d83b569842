import { rtpHeaderBytes } from '../../protocol/rtp/packet.ts';
import type { RtpSender } from '../../protocol/rtp/sender.ts';
import { srtpGrowthBytesMax } from '../../protocol/rtp/srtp-keys.ts';
import { telephoneEventBytes } from '../../protocol/rtp/telephone-event.ts';
import type { AudioFormat, AudioSink } from './audio-route.ts';
import type { CoderPair } from './coder-pair.ts';
import type { DigitPath } from './digit-path.ts';
import { LivePlayout } from './live-playout.ts';
import type { RtpSession } from './media-messages.ts';
import { bytesOf } from './pcm-bytes.ts';
import { Playout } from './playout.ts';

/** PCM of one frame that we send. Shared by all endpoints of the thread, as each is done with it before the next
 *  begins. */
const pcm = new Int16Array(5760);

/** What becomes of a source's audio on its way to a phone: it waits in a playout, and once a ptime a frame of it, or a
 *  digit in its place, becomes the next packet of one RTP stream. */
export class Downlink {
  readonly #digits: DigitPath;
  #playout: Playout | LivePlayout | undefined;
  /** The same, where its source waits and wants to know what became of its audio. */
  #reporting: Playout | undefined;
  /** Who hears what we send, as we send it. */
  #ears: readonly AudioSink[] = [];
  #coders: CoderPair | undefined;
  #frameSamples = 0;
  #frameTicks = 0;
  readonly sender: RtpSender;
  ptimeMs = 20;
  /** What `write` wrote last, with room for SRTP. */
  packet = new Uint8Array(rtpHeaderBytes);
  /** Frames of silence, because nothing waited. */
  framesUnderrun = 0;

  constructor(options: { readonly digits: DigitPath; readonly sender: RtpSender }) {
    this.#digits = options.digits;
    this.sender = options.sender;
  }

  /** At the start of a session, and where codec, rate or ptime changed. */
  use(coders: CoderPair, wishedPtimeMs: number): void {
    const { codec, encoder } = coders;
    this.#coders = coders;
    this.sender.changeClock(codec.rtpClockRateHz);
    this.ptimeMs = coders.ptimeMs(wishedPtimeMs);
    this.#frameSamples = (encoder.sampleRateHz * this.ptimeMs) / 1000;
    this.#frameTicks = (codec.rtpClockRateHz * this.ptimeMs) / 1000;
    this.#digits.use(codec.rtpClockRateHz, this.ptimeMs);
    const payloadBytesMax = codec.payloadBytesMax * Math.ceil(this.ptimeMs / 20);
    this.packet = new Uint8Array(rtpHeaderBytes + payloadBytesMax + srtpGrowthBytesMax);
    for (const ear of this.#ears) this.#plugEar(ear);
  }

  // ---- In: the source's audio --------------------------------------------------------------------------------

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#playout?.push(bytes, offset, sizeBytes, nowMs);
  }

  play(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    this.playBytes(bytesOf(samples), samples.byteOffset + offset * 2, count * 2, nowMs);
  }

  playMadeUp(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    const playout = this.#playout;
    if (!(playout instanceof LivePlayout)) return this.play(samples, offset, count, nowMs);
    playout.pushMadeUp(bytesOf(samples), samples.byteOffset + offset * 2, count * 2);
  }

  noteArrival(aheadMs: number, nowMs: number): void {
    if (this.#playout instanceof LivePlayout) this.#playout.noteArrival(aheadMs, nowMs);
  }

  // ---- Out: once a ptime, one of these three -----------------------------------------------------------------

  /** Writes the packet that is due, of silence where nothing waits, so that timestamps, NAT bindings and carriers see
   *  an unbroken stream. Its size; 0 where the encoder leaves silence out. */
  write(session: RtpSession, nowMs: number): number {
    const { encoder } = this.#coders!;
    const digitBytes = this.#writeDigit(session, nowMs);
    if (digitBytes > 0) return digitBytes;
    const samples = this.#frameSamples;
    const played = this.#playout?.take(pcm, samples, encoder.sampleRateHz, nowMs) ?? silence(samples);
    if (!played) this.framesUnderrun++;
    this.#digits.sound(pcm, samples, encoder.sampleRateHz);
    if (this.#ears.length > 0) for (const ear of this.#ears) ear.play(pcm, 0, samples, nowMs);
    const payloadBytes = encoder.encode(pcm, 0, samples, this.packet, rtpHeaderBytes);
    if (payloadBytes === 0) {
      this.sender.skip(this.#frameTicks);
      return 0;
    }
    const { payloadTypeSend } = session;
    this.sender.writeAudioHeader(this.packet, 0, payloadTypeSend, payloadBytes, this.#frameTicks, nowMs);
    return rtpHeaderBytes + payloadBytes;
  }

  /** An event takes the place of the frame; the audio of that time is not heard. */
  #writeDigit({ dtmfPayloadTypeSend }: RtpSession, nowMs: number): number {
    if (dtmfPayloadTypeSend === undefined) return 0;
    const { packet } = this;
    const event = this.#digits.nextEvent(this.sender.timestampNext, packet, rtpHeaderBytes);
    if (event === undefined) return 0;
    this.sender.writeEventHeader(
      packet,
      0,
      dtmfPayloadTypeSend,
      telephoneEventBytes,
      this.#frameTicks,
      event,
    );
    this.#playout?.skip(this.#frameSamples, this.#coders!.encoder.sampleRateHz, nowMs);
    return rtpHeaderBytes + telephoneEventBytes;
  }

  /** What `write` gave is on its way. */
  sent(): void {
    if (this.#reporting !== undefined) this.#reporting.sent();
  }

  /** The frame's time passes and its audio is given up. */
  skip(nowMs: number): void {
    this.sender.skip(this.#frameTicks);
    this.#playout?.skip(this.#frameSamples, this.#coders!.encoder.sampleRateHz, nowMs);
  }

  /** The frame's time passes, and its audio waits on. */
  wait(): void {
    this.sender.skip(this.#frameTicks);
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  plug(format: AudioFormat): void {
    this.unplug();
    this.#playout = format.live === undefined ? new Playout(format) : new LivePlayout(format, format.live);
    if (format.playout?.listener !== undefined && this.#playout instanceof Playout) {
      this.#reporting = this.#playout;
    }
  }

  unplug(): void {
    this.#reporting?.forgetMarks();
    this.#reporting = undefined;
    this.#playout = undefined;
  }

  addEar(ear: AudioSink): void {
    this.#ears = [...this.#ears, ear];
    this.#plugEar(ear);
  }

  removeEar(ear: AudioSink): void {
    this.#ears = this.#ears.filter((other) => other !== ear);
    ear.unplug();
  }

  #plugEar(ear: AudioSink): void {
    const sampleRateHz = this.#coders?.encoder.sampleRateHz;
    // A second: it gets each frame as it is sent.
    if (sampleRateHz !== undefined) ear.plug({ sampleRateHz, queueBytesMax: sampleRateHz * 2 });
  }

  clear(): void {
    this.#playout?.clear();
    this.#coders?.encoder.reset();
  }

  /** The playout, for a source that waits. */
  get reporting(): Playout | undefined {
    return this.#reporting;
  }

  get queuedMs(): number {
    return this.#playout?.queuedMs ?? 0;
  }

  get droppedMs(): number {
    return this.#playout?.droppedMs ?? 0;
  }
}

function silence(samples: number): false {
  pcm.fill(0, 0, samples);
  return false;
}
