import { DtmfDetector } from '../../codecs/dtmf-detector.ts';
import { createDtmfTone, type Tone } from '../../codecs/tones.ts';
import { DigitMerger, type DigitMethod } from '../../protocol/digit-merger.ts';
import type { RtpHeader } from '../../protocol/rtp/packet.ts';
import { TelephoneEventReceiver, TelephoneEventSender } from '../../protocol/rtp/telephone-event.ts';

export interface DigitHandlers {
  pressed(digit: string, durationMs: number, method: DigitMethod): void;
  /** Digits that did not fit into the queue. */
  dropped(count: number): void;
}

/** For a peer without telephone-event: each digit so long, and a pause as long. */
const toneMs = 100;
/** Of each frequency; about -8 dBm0 together. */
const toneDbfs = -14;
const queuedMax = 256;

/** All digits of one leg, both ways: RFC 4733 and, where asked for, the tones in its audio, each press reported once. */
export class DigitPath {
  readonly #handlers: DigitHandlers;
  readonly #merger = new DigitMerger();
  #events = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
  #sender: TelephoneEventSender | undefined;
  #tones: ToneDialer | undefined;
  #rtpClockRateHz = 8000;
  #ptimeMs = 20;
  /** The peer sends no events, so its digits can only be heard. */
  #eventless = false;
  #asked = false;
  #mutes = false;
  #detector: { readonly sampleRateHz: number; readonly detector: DtmfDetector } | undefined;

  constructor(handlers: DigitHandlers) {
    this.#handlers = handlers;
  }

  /** The codec's clock and our packet length, at the start and after a change. */
  use(rtpClockRateHz: number, ptimeMs: number): void {
    if (rtpClockRateHz !== this.#rtpClockRateHz)
      this.#events = new TelephoneEventReceiver({ rtpClockRateHz });
    if (rtpClockRateHz !== this.#rtpClockRateHz || ptimeMs !== this.#ptimeMs) this.#sender = undefined;
    this.#rtpClockRateHz = rtpClockRateHz;
    this.#ptimeMs = ptimeMs;
  }

  // ---- In ----------------------------------------------------------------------------------------------------

  /** Whether the peer took telephone-event: where it did not, digits are looked for in its audio. */
  expectEvents(expected: boolean): void {
    this.#eventless = !expected;
    if (!this.#listens) this.#detector = undefined;
  }

  /** `listens`: digits are looked for in the audio in any case. `mutes`: they are taken out of it, as far as they are known when
   *  the packet passes: the first 13 ms of a digit may be heard. */
  detect(options: { readonly listens: boolean; readonly mutes: boolean }): void {
    this.#asked = options.listens || options.mutes;
    this.#mutes = options.mutes;
    if (!this.#listens) this.#detector = undefined;
  }

  get #listens(): boolean {
    return this.#asked || this.#eventless;
  }

  /** A packet of the telephone-event payload type, the moment it came. */
  receive(header: RtpHeader, datagram: Uint8Array, nowMs: number): void {
    this.#events.receive(header, datagram, nowMs);
    this.report(nowMs);
  }

  /** Audio of the phone, in order, before the sinks have it. */
  listen(pcm: Int16Array, samples: number, sampleRateHz: number, nowMs: number): void {
    if (!this.#listens) return;
    if (this.#detector?.sampleRateHz !== sampleRateHz)
      this.#detector = { sampleRateHz, detector: new DtmfDetector(sampleRateHz) };
    const { detector } = this.#detector;
    const soundingBefore = detector.sounding;
    detector.listen(pcm, 0, samples);
    if (this.#mutes && (soundingBefore || detector.sounding)) pcm.fill(0, 0, samples);
    for (let ended = detector.next(); ended !== undefined; ended = detector.next())
      this.#press(ended.digit, ended.durationMs, 'inband', nowMs);
  }

  /** On the tick too: an event whose end was lost ends by time. */
  report(nowMs: number): void {
    for (let ended = this.#events.next(nowMs); ended !== undefined; ended = this.#events.next(nowMs))
      this.#press(ended.digit, ended.durationMs, 'rfc4733', nowMs);
  }

  /** The sender began anew. */
  flush(): void {
    this.#events.flush();
    this.#detector?.detector.flush();
  }

  #press(digit: string, durationMs: number, method: DigitMethod, nowMs: number): void {
    if (!this.#listens || this.#merger.report(digit, method, nowMs))
      this.#handlers.pressed(digit, durationMs, method);
  }

  // ---- Out ---------------------------------------------------------------------------------------------------

  /** Queues `0-9 * # A-D`, `w` for 500 ms. `asEvents` where the peer took telephone-event, else they are sounded. */
  send(digits: string, asEvents: boolean): void {
    const wanted = [...digits].filter((letter) => /[\dA-D*#W]/i.test(letter)).length;
    let taken: number;
    if (asEvents) {
      this.#sender ??= new TelephoneEventSender({
        rtpClockRateHz: this.#rtpClockRateHz,
        ptimeMs: this.#ptimeMs,
      });
      taken = this.#sender.queue(digits);
    } else {
      this.#tones ??= new ToneDialer();
      taken = this.#tones.queue(digits);
    }
    if (taken < wanted) this.#handlers.dropped(wanted - taken);
  }

  /** Once a frame. The sender where it wrote an event to `payload[offset]` that goes out in place of the audio. */
  nextEvent(timestampNow: number, payload: Uint8Array, offset: number): TelephoneEventSender | undefined {
    const sender = this.#sender;
    return sender?.busy && sender.nextFrame(timestampNow, payload, offset) ? sender : undefined;
  }

  /** Once a frame, where it is audio that goes out: writes the digit's tone over it. */
  sound(pcm: Int16Array, samples: number, sampleRateHz: number): void {
    this.#tones?.fill(pcm, samples, sampleRateHz);
  }
}

/** Digits as their tones, in place of the audio. */
class ToneDialer {
  #queue: string[] = [];
  #tone: Tone | undefined;
  #samplesLeft = 0;

  /** How many of them were taken. */
  queue(digits: string): number {
    let taken = 0;
    for (const letter of digits.toUpperCase()) {
      if (this.#queue.length >= queuedMax) break;
      if (!/[\dA-D*#W]/.test(letter)) continue;
      // A pause after each digit, and two more of 100 ms make a `w` of 500.
      this.#queue.push(letter);
      taken++;
    }
    return taken;
  }

  fill(pcm: Int16Array, samples: number, sampleRateHz: number): void {
    for (let at = 0; at < samples; ) {
      if (this.#samplesLeft === 0 && !this.#next(sampleRateHz)) return;
      const count = Math.min(samples - at, this.#samplesLeft);
      if (this.#tone === undefined) pcm.fill(0, at, at + count);
      else this.#tone.fill(pcm, at, count);
      at += count;
      this.#samplesLeft -= count;
    }
  }

  #next(sampleRateHz: number): boolean {
    const partSamples = (toneMs * sampleRateHz) / 1000;
    if (this.#tone !== undefined) {
      this.#tone = undefined;
      this.#samplesLeft = partSamples;
      return true;
    }
    const letter = this.#queue.shift();
    if (letter === undefined) return false;
    this.#samplesLeft = letter === 'W' ? 5 * partSamples : partSamples;
    this.#tone = letter === 'W' ? undefined : createDtmfTone(letter, sampleRateHz, toneDbfs);
    return true;
  }
}
