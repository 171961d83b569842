import type { ConnectStream } from '../../../protocol/svaml/connect-stream.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { DurationLimit } from '../duration-limit.ts';
import type { EndReason } from '../end-reason.ts';
import type { Leg } from '../leg.ts';
import type { LegDigit } from '../sip-leg-options.ts';
import { StreamDial } from '../stream-dial.ts';

/** `connectStream`: the call talks to a stream server, which decides whether a phone that has not been answered is. */
export class StreamConnection implements Activity {
  readonly #call: Call;
  readonly #action: ConnectStream;
  readonly #dial: StreamDial;
  readonly #limit: DurationLimit;

  constructor(call: Call, action: ConnectStream) {
    this.#call = call;
    this.#action = action;
    this.#limit = new DurationLimit(call);
    this.#dial = new StreamDial(call, action, {
      // Joined before it answers, not a word is lost once it has.
      opened: () => this.rejoin(),
      connected: () => this.#connected(),
      answered: () => this.#answered(),
      ended: (reason, detail) => call.end(reason, detail),
    });
  }

  get partner(): Leg | undefined {
    return this.#dial.leg;
  }

  start(): void {
    this.#call.log.info({ endpoint: this.#action.destination.endpoint }, 'call routed');
    this.#dial.start();
  }

  stop(reason: EndReason): void {
    this.#limit.cancel();
    this.#dial.stop(reason);
  }

  rejoin(): void {
    const { leg, media } = this.#call;
    const stream = this.#dial.leg;
    if (leg === undefined || stream === undefined) return;
    media.send({ type: 'bridge', a: leg.endpointId, b: stream.endpointId });
    this.#dial.rejoin();
  }

  digit(digit: LegDigit): void {
    this.#dial.leg?.tell({ event: 'dtmf', ...digit });
  }

  held(held: boolean): void {
    this.#dial.leg?.tell({ event: held ? 'hold' : 'resume' });
  }

  #connected(): void {
    const call = this.#call;
    call.log.info({ connectMs: call.sinceStartMs }, 'stream connected, phone rings');
    if (!call.answered) call.rings();
  }

  #answered(): void {
    this.#call.answer();
    this.#limit.begin(this.#action.maxDuration);
  }
}
