import { DelaySpread } from '../../protocol/rtp/delay-spread.ts';
import type { HeldPacket } from '../../protocol/rtp/jitter-buffer.ts';
import type { RtpHeader } from '../../protocol/rtp/packet.ts';
import { telephoneEventBytes } from '../../protocol/rtp/telephone-event.ts';
import { UplinkTimeline } from '../../protocol/rtp/uplink-timeline.ts';
import type { AudioFormat, AudioSink } from './audio-route.ts';
import type { CoderPair } from './coder-pair.ts';
import type { DigitPath } from './digit-path.ts';
import { NoiseFiller } from './noise-filler.ts';

/** PCM of one packet: a whole datagram of 8-bit samples fits. Shared by all endpoints of the thread, as each is done
 *  with it before the next begins. */
const pcm = new Int16Array(5760);

/** How much another RTP leg may be ahead of us. */
const queuedMsMax = 2000;
/** Bounds of the wait for a hole, and what it is before there is anything to go by. */
const holeMsMin = 20;
const holeMsMax = 120;
const holeMsFirst = 60;
/** What is further off is another talkspurt, or a clock that was set anew. */
const aheadMsMax = 500;
/** Nothing for so long behind audio that was quiet is silence suppression; behind louder audio the line has stalled, and
 *  a gap in a word is worse than none. */
const silenceMsMin = 40;
const silenceMsMax = 120;
const quietDbfsMax = -40;
/** What was filled in vain is made up for up to so much. */
const owedMsMax = 1000;
/** So much earlier than its audio was due a packet may come. */
const earlyMsMax = 20;

/** What becomes of a phone's packets once they are in order: decoded or concealed, on one time axis with its digits,
 *  and pushed to every sink. */
export class Uplink {
  readonly #digits: DigitPath;
  readonly #giveUpHole: (nowMs: number) => boolean;
  #sinks: readonly AudioSink[] = [];
  #coders: CoderPair | undefined;
  #timeline = new UplinkTimeline(8000);
  #spread = new DelaySpread(8000);
  /** Of a peer with silence suppression. */
  #noise: NoiseFiller | undefined;
  /** When something came last that takes time, and how loud audio was then; undefined where nothing is to be filled. */
  #arrivedMs: number | undefined;
  #levelDbfs = 0;
  /** Silence that sinks have had beyond the time that passed, as packets were late and not missing. */
  #owedMs = 0;
  /** Samples of the packet played last: what a lost one is taken to have had. */
  #samplesReceived = 0;
  /** When audio came last, and what was made up since. */
  #deliveredMs = 0;
  #concealedMs = 0;

  /** `giveUpHole` delivers what waits behind the first missing packet; false where nothing does. */
  constructor(options: {
    readonly digits: DigitPath;
    readonly giveUpHole: (nowMs: number) => boolean;
  }) {
    this.#digits = options.digits;
    this.#giveUpHole = options.giveUpHole;
  }

  /** Another codec, or another PCM rate of the same. */
  use(coders: CoderPair): void {
    const { rtpClockRateHz } = coders.codec;
    if (rtpClockRateHz !== this.#coders?.codec.rtpClockRateHz) this.#spread = new DelaySpread(rtpClockRateHz);
    this.#coders = coders;
    this.#timeline = new UplinkTimeline(rtpClockRateHz);
    this.#samplesReceived = 0;
    for (const sink of this.#sinks) sink.plug(this.#format(coders));
  }

  /** Notes when an audio packet came, before it is put into order. */
  arrived(timestamp: number, nowMs: number): void {
    if (this.#arrivedMs !== undefined) this.#arrivedMs = nowMs;
    this.#spread.measure(timestamp, nowMs);
    const aheadTicks = this.#timeline.ahead(timestamp);
    if (aheadTicks === undefined) return;
    const aheadMs = (aheadTicks * 1000) / this.#coders!.codec.rtpClockRateHz;
    if (Math.abs(aheadMs) > aheadMsMax) return;
    for (const sink of this.#sinks) sink.noteArrival?.(aheadMs, nowMs);
  }

  hurry(nowMs: number): boolean {
    return this.#giveUpHole(nowMs);
  }

  /** How long a hole is worth waiting for: a packet behind it may itself have been the fastest of all, and then the
   *  missing one comes a whole spread later, less the packet's own length. */
  get holeMs(): number {
    const { spreadMs } = this.#spread;
    if (spreadMs === undefined) return holeMsFirst;
    const packetMs = this.#packetMs();
    return Math.min(holeMsMax, Math.max(holeMsMin, packetMs + 10, spreadMs - packetMs + 10));
  }

  /** The spread of its packets, for a sink that plays at its own pace. */
  get spreadMs(): number | undefined {
    return this.#spread.spreadMs;
  }

  deliver(header: RtpHeader, bytes: Uint8Array, nowMs: number): void {
    if (this.#noise !== undefined) this.#endSilence(this.#noise, header.timestamp);
    const { decoder } = this.#coders!;
    const samples = decoder.decode(bytes, header.payloadOffset, header.payloadBytes, pcm, 0);
    if (samples === 0) return;
    this.#levelDbfs = levelDbfs(samples);
    this.#arrivedMs = nowMs;
    this.#deliveredMs = nowMs;
    this.#concealedMs = 0;
    const silence = this.#timeline.audio(header.timestamp, this.#ticksOf(samples));
    if (silence === undefined) return;
    if (silence > 0) this.#playSilence(silence, nowMs, samples);
    this.#samplesReceived = samples;
    this.#digits.listen(pcm, samples, decoder.sampleRateHz, nowMs);
    for (const sink of this.#sinks) sink.play(pcm, 0, samples, nowMs);
  }

  /** A packet of a digit, in its turn: the time that it takes passes as silence. */
  deliverEvent(header: RtpHeader, bytes: Uint8Array, nowMs: number): void {
    if (header.payloadBytes < telephoneEventBytes) return;
    const offset = header.payloadOffset;
    const duration = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
    const ended = (bytes[offset + 1]! & 0x80) !== 0;
    this.#arrivedMs = nowMs;
    const silence = this.#timeline.event(header.timestamp, duration, ended);
    if (silence > 0) this.#playSilence(silence, nowMs, 0);
  }

  /** A comfort noise packet: from it on until the next audio there is noise. */
  deliverNoise(header: RtpHeader, bytes: Uint8Array, nowMs: number): void {
    this.#noise ??= new NoiseFiller();
    this.#noise.announce(bytes, header.payloadOffset, header.payloadBytes, nowMs);
  }

  /** On the wheel: fills the time in which the peer is silent. */
  tick(nowMs: number): void {
    if (this.#arrivedMs !== undefined && nowMs - this.#arrivedMs > silenceMsMin) this.#noticeSilence(nowMs);
    const noise = this.#noise;
    if (noise === undefined) return;
    const { sampleRateHz } = this.#coders!.decoder;
    for (let samples = noise.next(pcm, sampleRateHz, nowMs); samples > 0; ) {
      for (const sink of this.#sinks) {
        // One that plays at its own pace knows by itself that nothing is there.
        if (noise.announced || sink.playMadeUp === undefined) sink.play(pcm, 0, samples, nowMs);
      }
      samples = noise.next(pcm, sampleRateHz, nowMs);
    }
  }

  /** Opus DTX, and phones that just send nothing in pauses. */
  #noticeSilence(nowMs: number): void {
    const endedMs = this.#arrivedMs! + this.#packetMs();
    const patienceMs = Math.max(silenceMsMin, Math.min(silenceMsMax, this.#spread.spreadMs ?? holeMsFirst));
    if (nowMs - endedMs < patienceMs) return;
    this.#arrivedMs = undefined;
    if (this.#noise?.announced || this.#levelDbfs > quietDbfsMax) return;
    this.#noise ??= new NoiseFiller();
    this.#noise.guess(this.#levelDbfs, endedMs + this.#owedMs);
    this.#owedMs = 0;
  }

  #endSilence(noise: NoiseFiller, timestamp: number): void {
    const { guessed } = noise;
    const filledMs = noise.end();
    if (!guessed) return;
    const passedMs = ((this.#timeline.ahead(timestamp) ?? 0) * 1000) / this.#coders!.codec.rtpClockRateHz;
    this.#owedMs = Math.min(owedMsMax, Math.max(0, filledMs - Math.max(0, passedMs)));
  }

  /** The peer has said that it is silent. */
  get silent(): boolean {
    return this.#noise?.announced ?? false;
  }

  /** We do not listen any more, as on hold. */
  pause(): void {
    this.#arrivedMs = undefined;
    this.#noise?.end();
  }

  /** A packet that was given up. `behind` is the next packet that came, where that is audio; `adjacent`: it is the very
   *  next. */
  conceal(nowMs: number, behind?: HeldPacket, adjacent = false): void {
    const wanted = this.#samplesReceived;
    if (wanted === 0 || this.#isNoTimeMissing(nowMs, behind)) return;
    if (!this.#timeline.lost(this.#ticksOf(wanted))) return;
    const { decoder } = this.#coders!;
    const samples = this.#recover(wanted, adjacent ? behind : undefined) || decoder.conceal(pcm, 0, wanted);
    this.#concealedMs += this.#packetMs();
    this.#digits.listen(pcm, samples, decoder.sampleRateHz, nowMs);
    for (const sink of this.#sinks) {
      if (sink.playMadeUp === undefined) sink.play(pcm, 0, samples, nowMs);
      else sink.playMadeUp(pcm, 0, samples, nowMs);
    }
  }

  /** A sender whose numbers jump has lost nothing: what was made up for it would be heard late for good. */
  #isNoTimeMissing(nowMs: number, behind: HeldPacket | undefined): boolean {
    if (this.#concealedMs >= nowMs - this.#deliveredMs + earlyMsMax) return true;
    const aheadTicks = behind && this.#timeline.ahead(behind.header.timestamp);
    return aheadTicks !== undefined && aheadTicks <= 0;
  }

  /** What the next packet says of the lost one, if it follows it in time too. */
  #recover(wanted: number, next: HeldPacket | undefined): number {
    if (next === undefined || this.#timeline.ahead(next.header.timestamp) !== 0) return 0;
    const { payloadOffset, payloadBytes } = next.header;
    return this.#coders!.decoder.recover?.(next.bytes, payloadOffset, payloadBytes, pcm, 0, wanted) ?? 0;
  }

  /** The sender began anew. */
  restart(): void {
    this.#timeline.reset();
    this.#noise?.end();
    this.#owedMs = 0;
    this.#coders?.decoder.reset();
  }

  addSink(sink: AudioSink): void {
    this.#sinks = [...this.#sinks, sink];
    if (this.#coders !== undefined) sink.plug(this.#format(this.#coders));
  }

  removeSink(sink: AudioSink): void {
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    sink.unplug();
  }

  /** Silence in pieces of a packet, behind the `keep` samples of `pcm` that are still to be played. */
  #playSilence(ticks: number, nowMs: number, keep: number): void {
    const { codec, decoder } = this.#coders!;
    let left = Math.round((ticks * decoder.sampleRateHz) / codec.rtpClockRateHz);
    const piece = Math.min(decoder.sampleRateHz / 50, pcm.length - keep);
    while (left > 0 && piece > 0) {
      const samples = Math.min(piece, left);
      pcm.fill(0, keep, keep + samples);
      for (const sink of this.#sinks) sink.play(pcm, keep, samples, nowMs);
      left -= samples;
    }
  }

  #ticksOf(samples: number): number {
    const { codec, decoder } = this.#coders!;
    return Math.round((samples * codec.rtpClockRateHz) / decoder.sampleRateHz);
  }

  #packetMs(): number {
    const rateHz = this.#coders?.decoder.sampleRateHz ?? 8000;
    return this.#samplesReceived === 0 ? 20 : (this.#samplesReceived * 1000) / rateHz;
  }

  #format({ decoder: { sampleRateHz } }: CoderPair): AudioFormat {
    return { sampleRateHz, queueBytesMax: (sampleRateHz * 2 * queuedMsMax) / 1000, live: this };
  }
}

/** Of the first `samples` of `pcm`, from two neighbours of every eight: enough to know silence by, and no frequency
 *  passes between them. */
function levelDbfs(samples: number): number {
  let sum = 0;
  for (let i = 0; i + 1 < samples; i += 8) sum += pcm[i]! * pcm[i]! + pcm[i + 1]! * pcm[i + 1]!;
  return 10 * Math.log10((4 * sum) / samples / 32_768 ** 2 + 1e-13);
}
