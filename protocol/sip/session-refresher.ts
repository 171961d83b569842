import type { DialogClient } from './dialog-client.ts';
import { headerTokens } from './header-values.ts';
import { headerValue, type SipMessage, type SipRequest, type SipResponse } from './message.ts';
import type { SessionAction } from './session-actions.ts';
import { sdpOf } from './session-description.ts';
import type { SessionTimer } from './session-timer.ts';

/** Asks the far side whether the session still lives, when its timer says so. RFC 4028 §7.4, §10. */
export class SessionRefresher {
  readonly #timer: SessionTimer;
  readonly #client: DialogClient;
  /** What the far side understands, from its Allow; undefined where it never said. */
  #peerAllows: readonly string[] | undefined;
  /** Our half of the session, to be said again where the refresh is a re-INVITE. */
  localSdp = '';

  constructor(timer: SessionTimer, client: DialogClient) {
    this.#timer = timer;
    this.#client = client;
  }

  learn(message: SipMessage): void {
    if (headerValue(message, 'Allow') === undefined) return;
    this.#peerAllows = headerTokens(message, 'Allow').map((method) => method.toUpperCase());
  }

  /** With UPDATE where the far side knows it, else with a re-INVITE that changes nothing. `inviteOpen`: one of theirs has
   *  no ACK yet, and will have refreshed the session. */
  refresh(inviteOpen: boolean, nowMs: number): SessionAction[] {
    if (this.#client.busy || inviteOpen) {
      this.#timer.refreshFailed(nowMs);
      return [];
    }
    if (this.#peerAllows?.includes('UPDATE')) return this.#client.send('UPDATE', 'refresh', []);
    return this.#client.reoffer('INVITE', 'refresh', this.localSdp, false, nowMs);
  }

  /** The final response to a refresh that left the session alive. */
  receiveResponse(
    { method }: SipRequest,
    response: SipResponse,
    inviteOpen: boolean,
    nowMs: number,
  ): SessionAction[] {
    if (response.status >= 300) {
      const unknown = method === 'UPDATE' && (response.status === 405 || response.status === 501);
      if (unknown) {
        this.#peerAllows = [];
        return this.refresh(inviteOpen, nowMs);
      }
      this.#timer.refreshFailed(nowMs);
      return [];
    }
    const answer = method === 'INVITE' ? sdpOf(response) : undefined;
    return answer === undefined ? [] : [{ do: 'report', report: { event: 'refreshed', answer } }];
  }
}
