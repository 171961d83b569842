import type { CallState as CalleeState, ConnectPstn, ConnectSip } from '../../protocol/svaml/actions.ts';
import type { Endpoint } from '../callbacks/callback-messages.ts';
import type { Call } from './call.ts';
import { diceOf, type EndReason } from './end-reason.ts';

/** `callStateUrl`: tells an application how the call of a called party goes, each state once. */
export class CalleeStates {
  readonly #call: Call;
  readonly #url: string | undefined;
  readonly #wanted: ReadonlySet<string>;
  readonly #told = new Set<CalleeState>();
  #to: Endpoint | undefined;
  #answeredMs: number | undefined;

  constructor(call: Call, action: ConnectSip | ConnectPstn) {
    this.#call = call;
    const sip = action.name === 'connectSip' ? action : undefined;
    this.#url = sip?.callStateUrl;
    this.#wanted = new Set(sip?.callStateEvents ?? []);
  }

  told(
    state: CalleeState,
    to: Endpoint | undefined,
    more: { readonly result?: string; readonly reason?: string } = {},
  ): void {
    if (this.#told.has(state)) return;
    this.#told.add(state);
    this.#to = to;
    const call = this.#call;
    const { applicationKey, custom } = call.owner;
    const nowMs = call.context.clock.nowMs();
    if (state === 'answered') this.#answeredMs = nowMs;
    if (this.#url === undefined || !this.#wanted.has(state)) return;
    const seconds = Math.round((nowMs - (this.#answeredMs ?? nowMs)) / 1_000);
    call.context.callbacks.tell(
      applicationKey,
      {
        event: 'notify',
        callid: call.callId,
        version: 1,
        timestamp: new Date(call.context.clock.wallMs()).toISOString(),
        applicationKey,
        custom,
        type: 'callstate',
        state,
        to,
        ...(state === 'ended' && { duration: seconds }),
        ...more,
      },
      this.#url,
    );
  }

  /** The last one, for a called party that there was. */
  ended(reason: EndReason): void {
    if (this.#told.has('created'))
      this.told('ended', this.#to, diceOf(reason, this.#answeredMs !== undefined));
  }
}
