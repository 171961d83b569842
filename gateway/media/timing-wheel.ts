/** The worker's one source of time for audio. Members are spread evenly over slots of 2 ms, and every deadline is
 *  absolute, so nothing drifts (`setInterval` was measured to run 3 % slow). A stall is caught up with; what is
 *  later than `skipAfterMs` is skipped and counted. */

const slotMs = 2;
/** Every multiple of 10 ms up to 60 divides 600 ms, so each member has the same slots in each turn. */
const slotCount = 300;

/** Whatever does something once in each period. In a slot all deliveries come first, then all mixing, then all
 *  sending, so that audio that is ready goes out with the frame that is due. */
export interface WheelMember {
  deliver(nowMs: number): void;
  mix?(nowMs: number): void;
  send(nowMs: number): void;
  /** A period passed without `deliver` and `send`: the audio of that time is lost. */
  skip(nowMs: number): void;
}

export interface TimingWheelOptions {
  readonly nowMs: number;
  /** How late a slot may be run rather than skipped. */
  readonly skipAfterMs?: number;
  /** Takes what a member threw; the others go on. */
  readonly failed: (member: WheelMember, error: unknown) => void;
}

export const latenessMsBounds: readonly number[] = [0.5, 1, 2, 5, 10, 20, 50, 100, 200];

export class TimingWheel {
  readonly #failed: (member: WheelMember, error: unknown) => void;
  readonly #skipAfterMs: number;
  readonly #slots: (readonly WheelMember[])[] = Array.from({ length: slotCount }, () => []);
  readonly #periodsMs = new Map<WheelMember, { readonly firstSlot: number; readonly stride: number }>();
  /** Slots since time 0 of the clock; the next one to run. */
  #next: number;
  /** See `WorkerCounters`. */
  readonly latenessMsBuckets: number[] = new Array<number>(latenessMsBounds.length + 1).fill(0);
  latenessMsSum = 0;
  framesSkipped = 0;

  constructor({ nowMs, skipAfterMs = 200, failed }: TimingWheelOptions) {
    this.#failed = failed;
    this.#skipAfterMs = skipAfterMs;
    this.#next = Math.ceil(nowMs / slotMs);
  }

  get size(): number {
    return this.#periodsMs.size;
  }

  has(member: WheelMember): boolean {
    return this.#periodsMs.has(member);
  }

  /** When `run` has something to do next; Infinity without members. */
  get nextMs(): number {
    if (this.#periodsMs.size === 0) return Number.POSITIVE_INFINITY;
    let slot = this.#next;
    while (this.#slots[slot % slotCount]!.length === 0) slot++;
    return slot * slotMs;
  }

  /** Adds a member with a period of 10, 20, … 60 ms, or changes the period of one. */
  add(member: WheelMember, periodMs: number, nowMs: number): void {
    this.remove(member);
    // An empty wheel stood still: it has nothing to catch up with.
    if (this.#periodsMs.size === 0) this.#next = Math.max(this.#next, Math.ceil(nowMs / slotMs));
    const stride = periodMs / slotMs;
    const firstSlot = this.#emptiestSlot(stride);
    this.#periodsMs.set(member, { firstSlot, stride });
    for (let slot = firstSlot; slot < slotCount; slot += stride) {
      this.#slots[slot] = [...this.#slots[slot]!, member];
    }
  }

  remove(member: WheelMember): void {
    const place = this.#periodsMs.get(member);
    if (place === undefined) return;
    this.#periodsMs.delete(member);
    for (let slot = place.firstSlot; slot < slotCount; slot += place.stride) {
      // A new list each time: `run` may be walking the old one, which then meets a member that is closed.
      this.#slots[slot] = this.#slots[slot]!.filter((other) => other !== member);
    }
  }

  /** Runs every slot that is due, oldest first. */
  run(nowMs: number): void {
    while (this.#next * slotMs <= nowMs) {
      const slot = this.#next++;
      const members = this.#slots[slot % slotCount]!;
      if (members.length === 0) {
        if (this.#periodsMs.size === 0) return;
        continue;
      }
      const lateMs = nowMs - slot * slotMs;
      this.#countLateness(lateMs);
      if (lateMs > this.#skipAfterMs) this.#skip(members, nowMs);
      else this.#runSlot(members, nowMs);
    }
  }

  #runSlot(members: readonly WheelMember[], nowMs: number): void {
    for (const member of members) {
      try {
        member.deliver(nowMs);
      } catch (error) {
        this.#failed(member, error);
      }
    }
    for (const member of members) {
      try {
        member.mix?.(nowMs);
      } catch (error) {
        this.#failed(member, error);
      }
    }
    for (const member of members) {
      try {
        member.send(nowMs);
      } catch (error) {
        this.#failed(member, error);
      }
    }
  }

  #skip(members: readonly WheelMember[], nowMs: number): void {
    this.framesSkipped += members.length;
    for (const member of members) {
      try {
        member.skip(nowMs);
      } catch (error) {
        this.#failed(member, error);
      }
    }
  }

  #countLateness(lateMs: number): void {
    let bucket = 0;
    while (bucket < latenessMsBounds.length && lateMs > latenessMsBounds[bucket]!) bucket++;
    this.latenessMsBuckets[bucket]!++;
    this.latenessMsSum += lateMs;
  }

  /** Among the slots of one period the one with the fewest members in its whole turn; the soonest among equals. */
  #emptiestSlot(stride: number): number {
    let best = 0;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let ahead = 0; ahead < stride; ahead++) {
      const first = (this.#next + ahead) % stride;
      let load = 0;
      for (let slot = first; slot < slotCount; slot += stride) load += this.#slots[slot]!.length;
      if (load < bestLoad) {
        best = first;
        bestLoad = load;
      }
    }
    return best;
  }
}
