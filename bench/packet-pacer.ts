import { DelayQueue } from './delay-queue.ts';
import { frameMs } from './marker-audio.ts';
import type { PhoneMeasures } from './phone-measures.ts';
import type { RtpPhone } from './rtp-phone.ts';

/** Twenty milliseconds in ten slots; phones are spread over them by their numbers. */
const SLOTS = 10;
const SLOT_MS = frameMs / SLOTS;
/** Later than this, time is skipped rather than made up for. */
const SKIP_LATE_MS = 200;

/** Says when which phone sends: every phone once in 20 ms, by absolute deadlines. */
export class PacketPacer {
  readonly #measures: PhoneMeasures;
  readonly #slots: RtpPhone[][] = Array.from({ length: SLOTS }, () => []);
  readonly #delayed = new DelayQueue<readonly [RtpPhone, Buffer]>();
  #slotIndex = 0;
  #nextSlotMs: number;

  constructor(measures: PhoneMeasures, nowMs: number) {
    this.#measures = measures;
    this.#nextSlotMs = nowMs;
  }

  add(phone: RtpPhone): void {
    this.#slots[phone.call % SLOTS]!.push(phone);
  }

  /** No more packets from this phone, but those that are delayed. */
  remove(phone: RtpPhone): void {
    const slot = this.#slots[phone.call % SLOTS]!;
    const at = slot.indexOf(phone);
    if (at < 0) return;
    slot[at] = slot[slot.length - 1]!;
    slot.pop();
  }

  delay(phone: RtpPhone, packet: Buffer, dueMs: number): void {
    this.#delayed.push([phone, packet], dueMs);
  }

  sendDue(nowMs: number): void {
    for (;;) {
      const due = this.#delayed.pop(nowMs);
      if (due === undefined) break;
      due[0].sendPacket(due[1]);
    }
    if (nowMs - this.#nextSlotMs > SKIP_LATE_MS) {
      this.#measures.packets.skipped++;
      this.#nextSlotMs = nowMs;
    }
    while (this.#nextSlotMs <= nowMs) {
      const slot = this.#slots[this.#slotIndex]!;
      if (slot.length > 0) this.#measures.ownSendLate.record(nowMs - this.#nextSlotMs);
      for (let i = 0; i < slot.length; i++) slot[i]!.sendFrame();
      this.#slotIndex = (this.#slotIndex + 1) % SLOTS;
      this.#nextSlotMs += SLOT_MS;
    }
  }
}
