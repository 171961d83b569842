import { checkSampleRate } from '../../codecs/resampler.ts';
import type { EndpointId, MixerMode } from './media-messages.ts';
import { MixerBus } from './mixer-bus.ts';
import { MixerSeat } from './mixer-seat.ts';
import type { TimingWheel, WheelMember } from './timing-wheel.ts';

const frameMs = 20;

/** 20 ms at 96 kHz of the room without one member. Shared by all conferences of the thread. */
const heard = new Int16Array(1920);

/** A conference room: every member hears the sum of all others at its own sample rate, whatever theirs are. It is on
 *  the wheel while anybody is in it. */
export class Mixer implements WheelMember {
  readonly endpointId: EndpointId;
  readonly #wheel: TimingWheel;
  readonly #failed: (member: EndpointId, error: unknown) => void;
  #seats: readonly MixerSeat[] = [];
  /** One for each rate that a member has. */
  #buses: readonly MixerBus[] = [];
  readonly #busOf = new Map<MixerSeat, MixerBus>();

  /** `failed` takes what a member threw, which must then leave; the others go on. */
  constructor(options: {
    readonly endpointId: EndpointId;
    readonly wheel: TimingWheel;
    readonly failed: (member: EndpointId, error: unknown) => void;
  }) {
    this.endpointId = options.endpointId;
    this.#wheel = options.wheel;
    this.#failed = options.failed;
  }

  get seats(): readonly MixerSeat[] {
    return this.#seats;
  }

  seatOf(member: EndpointId): MixerSeat | undefined {
    return this.#seats.find((seat) => seat.member === member);
  }

  /** A place, not yet routed anywhere. Throws `RangeError` where the rate is none of a stream's. */
  add(
    member: EndpointId,
    options: { readonly sampleRateHz: number; readonly mode: MixerMode },
    nowMs: number,
  ): MixerSeat {
    const bus = this.#busAt(options.sampleRateHz);
    const seat = new MixerSeat({ member, ...options, frameSamples: bus.frameSamples });
    this.#busOf.set(seat, bus);
    this.#seats = [...this.#seats, seat];
    this.#countMembers(bus);
    if (!this.#wheel.has(this)) this.#wheel.add(this, frameMs, nowMs);
    return seat;
  }

  remove(seat: MixerSeat): void {
    this.#seats = this.#seats.filter((other) => other !== seat);
    const bus = this.#busOf.get(seat)!;
    this.#busOf.delete(seat);
    if (this.#seats.length === 0) this.#wheel.remove(this);
    if (this.#countMembers(bus) > 0) return;
    this.#buses = this.#buses.filter((other) => other !== bus);
    for (const other of this.#buses) other.forget(bus);
  }

  deliver(): void {}

  /** After all phones have delivered, and before any of them sends. */
  mix(nowMs: number): void {
    for (const bus of this.#buses) bus.begin();
    for (const seat of this.#seats) this.#listenTo(seat, nowMs);
    for (const bus of this.#buses) bus.say(this.#buses);
    for (const bus of this.#buses) bus.finish();
    for (const seat of this.#seats) if (seat.sinks.length > 0) this.#playTo(seat, nowMs);
  }

  send(): void {}

  skip(nowMs: number): void {
    for (const seat of this.#seats) seat.skip(nowMs);
  }

  #listenTo(seat: MixerSeat, nowMs: number): void {
    try {
      seat.listen(nowMs);
      if (seat.speaks) this.#busOf.get(seat)!.add(seat.frame);
    } catch (error) {
      this.#failed(seat.member, error);
    }
  }

  #playTo(seat: MixerSeat, nowMs: number): void {
    const bus = this.#busOf.get(seat);
    // One that failed in this turn has left.
    if (bus === undefined) return;
    try {
      if (seat.speaks) {
        seat.limiter.processWithout(bus.sum, seat.frame, heard, bus.frameSamples);
        seat.hear(heard, nowMs);
      } else {
        // It may speak next, and then the room should not jump in loudness.
        seat.limiter.gain = bus.heardLimiter.gain;
        seat.hear(bus.heard, nowMs);
      }
    } catch (error) {
      this.#failed(seat.member, error);
    }
  }

  #countMembers(bus: MixerBus): number {
    const count = this.#seats.filter((seat) => this.#busOf.get(seat) === bus).length;
    if (count > 0) bus.members = count;
    return count;
  }

  #busAt(sampleRateHz: number): MixerBus {
    const there = this.#buses.find((bus) => bus.sampleRateHz === sampleRateHz);
    if (there !== undefined) return there;
    checkSampleRate(sampleRateHz);
    const bus = new MixerBus(sampleRateHz);
    this.#buses = [...this.#buses, bus];
    return bus;
  }
}
