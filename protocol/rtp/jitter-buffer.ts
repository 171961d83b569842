import { RtpHeader } from './packet.ts';

/** What `offer` did. `deliver`: play it from the datagram now, then call `next` until it gives undefined. `held`: it
 *  was copied and waits behind a hole; call `next` too, as it may have closed or given up the hole. `duplicate` and
 *  `late`: drop it. */
export type JitterVerdict = 'deliver' | 'held' | 'duplicate' | 'late';

/** A packet that had to wait. Valid until the next `offer`; `bytes` is the buffer's own. */
export interface HeldPacket {
  readonly header: RtpHeader;
  /** The payload lies at `header.payloadOffset`, `header.payloadBytes` long. */
  readonly bytes: Uint8Array;
}

export interface JitterBufferOptions {
  /** How long a hole is waited for, from the arrival of the first packet behind it. Default 60. */
  readonly delayMsMax?: number;
  /** A hole is given up as soon as more than this many packets wait behind it. Default 12, at most 15. */
  readonly packetsHeldMax?: number;
  /** Longer payloads are cut. Default 1500. */
  readonly payloadBytesMax?: number;
}

interface Slot extends HeldPacket {
  held: boolean;
  arrivedMs: number;
}

const slots = 16;
const historyPackets = 128;
const lostReportedMax = 50;

/** Puts packets back into order for a sink without a clock (a stream): what comes in order passes straight through,
 *  not copied; what comes early waits, at most until the deadline of the hole before it. It looks at sequence numbers
 *  alone, so silence suppression (a timestamp that jumps, with or without marker) is no loss. Sequence numbers far off
 *  are the business of `Reception`; after its `restarted`, call `flush`, drain with `next`, then offer the packet. */
export class JitterBuffer {
  /** Came after their place had been given up. */
  packetsLate = 0;
  packetsDuplicate = 0;
  /** Given up, also those of a long hole for which `next` gave no `'lost'`. */
  packetsLost = 0;

  /** How long a hole is waited for; a change counts from the next hole on. */
  delayMsMax: number;
  readonly #packetsHeldMax: number;
  #slots: readonly Slot[] = [];
  /** For a packet too far ahead for the slots: everything before it is given up. */
  #beyond: Slot;
  /** 1 where a sequence number of the last 128 was delivered. */
  readonly #delivered = new Uint8Array(historyPackets);
  #started = false;
  #sequenceNext = 0;
  #heldCount = 0;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #flushing = false;

  constructor({ delayMsMax = 60, packetsHeldMax = 12, payloadBytesMax = 1500 }: JitterBufferOptions = {}) {
    this.delayMsMax = delayMsMax;
    this.#packetsHeldMax = Math.min(packetsHeldMax, slots - 1);
    this.#slots = createSlots(payloadBytesMax);
    this.#beyond = createSlot(payloadBytesMax);
  }

  /** For another codec: starts anew, with longer or shorter payloads. Its counts go on. */
  resize(payloadBytesMax: number): void {
    this.#slots = createSlots(payloadBytesMax);
    this.#beyond = createSlot(payloadBytesMax);
    this.#stop();
  }

  /** When `next` should be called at the latest, in `nowMs` time; Infinity where nothing waits. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get packetsHeld(): number {
    return this.#heldCount;
  }

  /** Takes a packet that `Reception` accepted, telephone-events and unknown payload types too: they have a place in
   *  the sequence, and without them it would look lost. `header.payloadOffset` points into `datagram`, which is copied only
   *  where the verdict is `held`. */
  offer(header: RtpHeader, datagram: Uint8Array, nowMs: number): JitterVerdict {
    const { sequence } = header;
    if (this.#flushing || !this.#started) this.#begin(sequence);
    const ahead = (sequence - this.#sequenceNext) & 0xffff;
    if (ahead === 0 && !this.#isHeld(sequence)) {
      this.#advance(1);
      if (this.#heldCount > 0) this.#rearm();
      return 'deliver';
    }
    if (ahead > 0x7fff) return this.#refuse(sequence, 0x10000 - ahead);
    return this.#hold(ahead, header, datagram, nowMs);
  }

  /** The next packet that may be played at `nowMs`, `'lost'` for one that was given up, undefined where nothing is
   *  due. Of one hole at most 50 are reported. */
  next(nowMs: number): HeldPacket | 'lost' | undefined {
    if (this.#heldCount === 0) {
      if (this.#flushing) this.#stop();
      return undefined;
    }
    const front = this.#front;
    if (front !== undefined) return this.#release(front);
    const giveUp =
      this.#flushing ||
      this.#beyond.held ||
      nowMs >= this.#deadlineMs ||
      this.#heldCount > this.#packetsHeldMax;
    if (!giveUp) return undefined;
    return this.#giveUpOne();
  }

  /** The packet that `next` will give next, if it is there already; it stays. Behind a `'lost'` it may say something of
   *  the lost one. */
  get following(): HeldPacket | undefined {
    return this.#front;
  }

  /** The earliest packet that waits behind the hole. */
  get earliest(): HeldPacket | undefined {
    if (this.#heldCount === 0) return undefined;
    for (let ahead = 0; ahead < slots; ahead++) {
      const slot = this.#slots[(this.#sequenceNext + ahead) & (slots - 1)]!;
      if (slot.held) return slot;
    }
    return this.#beyond.held ? this.#beyond : undefined;
  }

  get #front(): Slot | undefined {
    if (this.#heldCount === 0) return undefined;
    const slot = this.#slots[this.#sequenceNext & (slots - 1)]!;
    if (slot.held) return slot;
    const beyond = this.#beyond;
    return beyond.held && beyond.header.sequence === this.#sequenceNext ? beyond : undefined;
  }

  /** The hole in front is not waited for any longer. */
  giveUp(): void {
    if (this.#heldCount > 0) this.#deadlineMs = Number.NEGATIVE_INFINITY;
  }

  /** Whatever waits becomes due at once, holes between are lost; when `next` has given all of it, or at the next
   *  `offer`, the buffer starts anew with any sequence number. */
  flush(): void {
    this.#flushing = true;
  }

  #begin(sequence: number): void {
    this.#stop();
    this.#started = true;
    this.#sequenceNext = sequence;
  }

  #stop(): void {
    for (const slot of this.#slots) slot.held = false;
    this.#beyond.held = false;
    this.#heldCount = 0;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#delivered.fill(0);
    this.#flushing = false;
    this.#started = false;
  }

  #advance(delivered: 0 | 1): void {
    this.#delivered[this.#sequenceNext & (historyPackets - 1)] = delivered;
    this.#sequenceNext = (this.#sequenceNext + 1) & 0xffff;
  }

  #isHeld(sequence: number): boolean {
    if (this.#heldCount === 0) return false;
    return (
      this.#slots[sequence & (slots - 1)]!.held ||
      (this.#beyond.held && this.#beyond.header.sequence === sequence)
    );
  }

  #refuse(sequence: number, behind: number): JitterVerdict {
    if (behind <= historyPackets && this.#delivered[sequence & (historyPackets - 1)] === 1) {
      this.packetsDuplicate++;
      return 'duplicate';
    }
    this.packetsLate++;
    return 'late';
  }

  #hold(ahead: number, header: RtpHeader, datagram: Uint8Array, nowMs: number): JitterVerdict {
    const far = ahead >= slots;
    const slot = far ? this.#beyond : this.#slots[header.sequence & (slots - 1)]!;
    if (slot.held) {
      if (slot.header.sequence === header.sequence) {
        this.packetsDuplicate++;
        return 'duplicate';
      }
      // Only where `next` was not called after the last `held`: the later packet replaces the earlier.
      this.#heldCount--;
    }
    const payloadBytes = Math.min(header.payloadBytes, slot.bytes.length);
    slot.bytes.set(datagram.subarray(header.payloadOffset, header.payloadOffset + payloadBytes));
    slot.header.copyFrom(header);
    slot.header.payloadOffset = 0;
    slot.header.payloadBytes = payloadBytes;
    slot.held = true;
    slot.arrivedMs = nowMs;
    this.#heldCount++;
    if (nowMs + this.delayMsMax < this.#deadlineMs) this.#deadlineMs = nowMs + this.delayMsMax;
    return 'held';
  }

  #release(slot: Slot): HeldPacket {
    slot.held = false;
    this.#heldCount--;
    this.#advance(1);
    this.#rearm();
    return slot;
  }

  #giveUpOne(): 'lost' {
    const beyond = this.#beyond;
    if (beyond.held && this.#heldCount === 1) {
      const missing = (beyond.header.sequence - this.#sequenceNext) & 0xffff;
      if (missing > lostReportedMax) {
        this.packetsLost += missing - lostReportedMax;
        this.#sequenceNext = (beyond.header.sequence - lostReportedMax) & 0xffff;
        this.#delivered.fill(0);
      }
    }
    this.packetsLost++;
    this.#advance(0);
    return 'lost';
  }

  /** The hole in front now is waited for since the earliest of what lies behind it came. */
  #rearm(): void {
    let earliestMs = Number.POSITIVE_INFINITY;
    if (this.#heldCount > 0) {
      for (const slot of this.#slots) {
        if (slot.held && slot.arrivedMs < earliestMs) earliestMs = slot.arrivedMs;
      }
      if (this.#beyond.held && this.#beyond.arrivedMs < earliestMs) earliestMs = this.#beyond.arrivedMs;
    }
    this.#deadlineMs = earliestMs + this.delayMsMax;
  }
}

function createSlots(payloadBytesMax: number): Slot[] {
  return Array.from({ length: slots }, () => createSlot(payloadBytesMax));
}

function createSlot(payloadBytesMax: number): Slot {
  return { header: new RtpHeader(), bytes: new Uint8Array(payloadBytesMax), held: false, arrivedMs: 0 };
}
