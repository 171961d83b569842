import type { Svaml, SvamlAction } from '../../protocol/svaml/svaml.ts';
import { startAction } from './actions/actions.ts';
import type { Activity } from './activity.ts';
import type { Call } from './call.ts';
import type { EndReason } from './end-reason.ts';
import { perform } from './instructions.ts';
import type { Leg } from './leg.ts';
import type { OutboundPhone } from './outbound-phone.ts';
import type { LegDigit } from './sip-leg-options.ts';

/** What a call is doing and will do: programmes replace each other, each does its instructions one after the other and
 *  then begins its action. */
export class CallCourse {
  readonly #call: Call;
  #activity: Activity | undefined;
  #programme: AbortController | undefined;
  /** Of the programme whose instructions are under way. */
  #next: SvamlAction | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  /** What the call is joined with now. */
  get partner(): Leg | undefined {
    return this.#activity?.partner;
  }

  /** Goes on with this one. `continue`, or no action, leaves what is under way as it is. */
  run({ instructions, action }: Svaml): void {
    this.#programme?.abort();
    const programme = new AbortController();
    this.#programme = programme;
    if (action !== undefined && action.name !== 'continue') {
      this.#leave('replaced');
      this.#next = action;
    }
    this.#call.background(this.#run(instructions, programme.signal));
  }

  /** Does instructions for these legs alone, beside what is under way. */
  speak(instructions: Svaml['instructions'], legs: readonly Leg[]): void {
    this.#programme?.abort();
    const programme = new AbortController();
    this.#programme = programme;
    const { signal } = programme;
    const speakTo = async (leg: Leg): Promise<void> => {
      for (const instruction of instructions) {
        await perform(this.#call, instruction, signal, leg);
        if (signal.aborted) return;
      }
    };
    this.#call.background(
      Promise.all(legs.map(speakTo)).then(() => {
        if (!signal.aborted) this.#activity?.rejoin?.();
      }),
    );
  }

  async #run(instructions: Svaml['instructions'], signal: AbortSignal): Promise<void> {
    for (const instruction of instructions) {
      await perform(this.#call, instruction, signal);
      if (signal.aborted) return;
    }
    const action = this.#next;
    this.#next = undefined;
    if (action !== undefined) return this.#begin(action);
    if (this.#activity !== undefined) return this.#activity.rejoin?.();
    this.#idle();
  }

  #begin(action: SvamlAction): void {
    const call = this.#call;
    call.happened('call.action', { action: action.name });
    this.#activity = startAction(call, action);
    this.#activity?.start();
  }

  /** The programme is done and has left nothing to do. */
  #idle(): void {
    const call = this.#call;
    // A stream that was called by itself talks to whoever joins it later, or to nobody.
    if (call.streamLeg !== undefined) return;
    if (call.answered) return call.end('programmeOver');
    call.end('invalidAction', 'continue: nothing is under way that could go on');
  }

  /** The call is over. */
  stop(reason: EndReason): void {
    this.#programme?.abort();
    this.#next = undefined;
    this.#leave(reason);
  }

  #leave(reason: EndReason): void {
    const activity = this.#activity;
    this.#activity = undefined;
    activity?.stop(reason);
  }

  digit(digit: LegDigit): void {
    this.#activity?.digit?.(digit);
  }

  held(held: boolean): void {
    this.#activity?.held?.(held);
  }

  /** Another leg is the call's now. */
  replaced(before: Leg | undefined): void {
    this.#activity?.rejoin?.(before);
  }

  /** Another phone takes the place of the called party; false where there is none now. */
  adoptPartner(phone: OutboundPhone): boolean {
    return this.#activity?.adoptPartner?.(phone) ?? false;
  }
}
