import type { RtpHeader } from './packet.ts';

/** Digits as RTP events, RFC 4733. A payload is four bytes: event, end bit and volume, duration (16 bits, in RTP
 *  timestamp units). Every packet of an event carries the event's start as its timestamp. */

export const telephoneEventBytes = 4;

const digits = '0123456789*#ABCD';
const segmentTicksMax = 0xffff;
/** Segments end with a whole packet, so up to 100 ms short of the maximum. */
const segmentTicksSlack = 4800;
const staleMs = 5000;
const endPackets = 3;
const volumeDbm0 = 10;
const wordsQueuedMax = 256;

export interface ReceivedDigit {
  /** `0`–`9`, `*`, `#`, `A`–`D`. */
  readonly digit: string;
  readonly durationMs: number;
}

/** Gives each digit once, when its end comes, or when nothing of it came for `timeoutMs`, or when the next begins. */
export class TelephoneEventReceiver {
  /** Payloads too short, and events that are no digits. */
  packetsIgnored = 0;

  readonly #rtpClockRateHz: number;
  readonly #timeoutMs: number;
  readonly #ended: ReceivedDigit[] = [];
  #event = -1;
  #timestamp = 0;
  #ticksBefore = 0;
  #ticks = 0;
  #lastMs = 0;
  #reported = true;
  #endSeen = false;

  /** `timeoutMs`: default 200, since updates may come every 50 ms and some are lost. */
  constructor(options: { readonly rtpClockRateHz: number; readonly timeoutMs?: number }) {
    this.#rtpClockRateHz = options.rtpClockRateHz;
    this.#timeoutMs = options.timeoutMs ?? 200;
  }

  /** Takes a packet of the telephone-event payload type in any order, then call `next` until it gives undefined. */
  receive(header: RtpHeader, datagram: Uint8Array, nowMs: number): void {
    const offset = header.payloadOffset;
    const event = datagram[offset]!;
    if (header.payloadBytes < telephoneEventBytes || event >= digits.length) {
      this.packetsIgnored++;
      return;
    }
    const ticks = (datagram[offset + 2]! << 8) | datagram[offset + 3]!;
    const newer = (header.timestamp - this.#timestamp) | 0;
    if (this.#event === -1 || (newer === 0 && event !== this.#event)) {
      this.#begin(event, header.timestamp);
    } else if (newer > 0) {
      if (this.#isNextSegment(header, event, newer)) {
        // It lasted until the next one began, whatever packets of it were lost.
        this.#ticksBefore += newer;
        this.#timestamp = header.timestamp;
        this.#ticks = 0;
      } else {
        this.#begin(event, header.timestamp);
      }
    } else if (newer < 0) {
      // A latecomer of an event before this one, unless so long after it that the sender's clock was set anew.
      if (nowMs - this.#lastMs < staleMs) return;
      this.#begin(event, header.timestamp);
    }
    if (ticks > this.#ticks) this.#ticks = ticks;
    this.#lastMs = nowMs;
    if ((datagram[offset + 1]! & 0x80) !== 0) {
      this.#endSeen = true;
      this.#report();
    }
  }

  /** The next digit that ended, undefined where none did. Call it on the tick too, for the timeout. */
  next(nowMs: number): ReceivedDigit | undefined {
    if (!this.#reported && nowMs - this.#lastMs >= this.#timeoutMs) this.#report();
    return this.#ended.length === 0 ? undefined : this.#ended.shift();
  }

  /** The sender began anew: an open digit is ended, timestamps are no longer compared. */
  flush(): void {
    this.#report();
    this.#event = -1;
  }

  /** A tone too long for its 16 bits goes on in a segment that begins where the one before ends, without marker
   *  (RFC 4733 §2.5.1.3). Also where a timeout or a lost segment has reported it: it is still the same press. */
  #isNextSegment(header: RtpHeader, event: number, newer: number): boolean {
    const full = newer > segmentTicksMax - segmentTicksSlack && newer <= segmentTicksMax + 1;
    return full && event === this.#event && !header.marker && !this.#endSeen;
  }

  #begin(event: number, timestamp: number): void {
    this.#report();
    this.#endSeen = false;
    this.#event = event;
    this.#timestamp = timestamp;
    this.#ticksBefore = 0;
    this.#ticks = 0;
    this.#reported = false;
  }

  #report(): void {
    if (this.#reported) return;
    this.#reported = true;
    const durationMs = Math.round(((this.#ticksBefore + this.#ticks) * 1000) / this.#rtpClockRateHz);
    this.#ended.push({ digit: digits[this.#event]!, durationMs });
  }
}

export interface TelephoneEventSenderOptions {
  readonly rtpClockRateHz: number;
  /** One packet a frame. */
  readonly ptimeMs: number;
  /** Default 100. */
  readonly toneMs?: number;
  /** Silence between digits, at least 40 ms for the far side to tell them apart. Default 100. */
  readonly gapMs?: number;
}

interface Tone {
  readonly state: 'tone';
  readonly event: number;
  /** Sent so far, and how much of it in segments before this one. */
  ticks: number;
  ticksBefore: number;
}

/** Where the sender is: in a tone, in the packets that repeat its end, or in a pause. */
type Sending =
  | { readonly state: 'idle' }
  | Tone
  | { readonly state: 'ending'; readonly event: number; readonly ticks: number; packetsLeft: number }
  | { readonly state: 'pause'; framesLeft: number };

/** Plays digits, one step a frame. RFC 4733 §2.5.1: the first packet has the marker, the duration grows, the end is
 *  sent three times, a tone longer than 65535 ticks goes on in a new segment. */
export class TelephoneEventSender {
  /** For the header of the payload that `nextFrame` wrote. */
  marker = false;
  timestamp = 0;

  readonly #ticksFrame: number;
  readonly #ticksTone: number;
  readonly #framesGap: number;
  readonly #framesWait: number;
  readonly #queue: string[] = [];
  #sending: Sending = { state: 'idle' };
  #segmentFull = false;

  constructor(options: TelephoneEventSenderOptions) {
    const { rtpClockRateHz, ptimeMs, toneMs = 100, gapMs = 100 } = options;
    this.#ticksFrame = (rtpClockRateHz * ptimeMs) / 1000;
    this.#ticksTone = Math.max(1, Math.ceil(toneMs / ptimeMs)) * this.#ticksFrame;
    this.#framesGap = Math.max(1, Math.ceil(gapMs / ptimeMs));
    this.#framesWait = Math.ceil(500 / ptimeMs);
  }

  /** Appends digits: `0-9 * # A-D` in either case, `w` for a pause of 500 ms. Returns how many were taken: fewer than
   *  given where 256 wait already; anything else is left out and not counted. */
  queue(text: string): number {
    let taken = 0;
    for (const letter of text.toUpperCase()) {
      if (this.#queue.length >= wordsQueuedMax) break;
      if (letter !== 'W' && !digits.includes(letter)) continue;
      this.#queue.push(letter);
      taken++;
    }
    return taken;
  }

  /** True while digits are being sent or wait. */
  get busy(): boolean {
    return this.#sending.state !== 'idle' || this.#queue.length > 0;
  }

  /** Once a frame. True: four bytes were written at `payload[offset]`, and `marker` and `timestamp` belong to them;
   *  they take the place of the audio. False: send audio as usual (no digit, or a pause). `timestampNow` is
   *  `RtpSender.timestampNext`. */
  nextFrame(timestampNow: number, payload: Uint8Array, offset: number): boolean {
    if (this.#sending.state === 'idle') this.#start(timestampNow);
    const sending = this.#sending;
    switch (sending.state) {
      case 'idle':
        return false;
      case 'pause':
        if (--sending.framesLeft <= 0) this.#sending = { state: 'idle' };
        return false;
      case 'tone':
        return this.#sendTone(sending, payload, offset);
      case 'ending':
        this.marker = false;
        writeEvent(payload, offset, sending.event, true, sending.ticks);
        if (--sending.packetsLeft <= 0) this.#sending = { state: 'pause', framesLeft: this.#framesGap };
        return true;
    }
  }

  /** Forgets what waits; a digit that began is ended properly. */
  clear(): void {
    this.#queue.length = 0;
    const sending = this.#sending;
    if (sending.state === 'tone') {
      const ticks = Math.max(1, sending.ticks - sending.ticksBefore);
      this.#sending = { state: 'ending', event: sending.event, ticks, packetsLeft: endPackets };
    }
  }

  #start(timestampNow: number): void {
    const letter = this.#queue.shift();
    if (letter === undefined) return;
    if (letter === 'W') {
      this.#sending = { state: 'pause', framesLeft: this.#framesWait };
      return;
    }
    this.timestamp = timestampNow;
    this.#sending = { state: 'tone', event: digits.indexOf(letter), ticks: 0, ticksBefore: 0 };
  }

  #sendTone(tone: Tone, payload: Uint8Array, offset: number): true {
    this.marker = tone.ticks === 0;
    if (this.#segmentFull) {
      this.#segmentFull = false;
      tone.ticksBefore += segmentTicksMax;
      this.timestamp = (this.timestamp + segmentTicksMax) >>> 0;
    }
    tone.ticks += this.#ticksFrame;
    const ticks = tone.ticks - tone.ticksBefore;
    this.#segmentFull = ticks > segmentTicksMax;
    const end = !this.#segmentFull && tone.ticks >= this.#ticksTone;
    writeEvent(payload, offset, tone.event, end, Math.min(ticks, segmentTicksMax));
    if (end) this.#sending = { state: 'ending', event: tone.event, ticks, packetsLeft: endPackets - 1 };
    return true;
  }
}

function writeEvent(payload: Uint8Array, offset: number, event: number, end: boolean, ticks: number): void {
  payload[offset] = event;
  payload[offset + 1] = (end ? 0x80 : 0) | volumeDbm0;
  payload[offset + 2] = ticks >> 8;
  payload[offset + 3] = ticks;
}
