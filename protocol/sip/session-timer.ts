import { ProtocolError } from '../protocol-error.ts';
import {
  headerTokens,
  parseNumber,
  parseSessionExpires,
  type SessionExpires,
  serializeSessionExpires,
} from './header-values.ts';
import {
  headerValue,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './message.ts';

export interface SessionTimerSettings {
  /** How long a session lasts without a refresh, as we ask for it. */
  readonly expiresSeconds: number;
  /** The least that we take, at least 90 (RFC 4028 §4). */
  readonly minSeSeconds: number;
  /** Who refreshes where the choice is ours. A peer that cannot leaves it to us. */
  readonly refresher: 'us' | 'peer';
}

const minSeSecondsLowest = 90;
/** Before the next try of a refresh that met a passing trouble. */
const refreshRetryMs = 10_000;

/** Whether a session still lives, asked for at intervals: what INVITE, UPDATE and their 2xx say about it, when a refresh
 *  is due, and when the session is given up. One a dialog. RFC 4028. */
export class SessionTimer {
  readonly #settings: SessionTimerSettings | undefined;
  /** Raised by every 422. */
  #minSeSeconds: number;
  #agreed: { readonly seconds: number; readonly weRefresh: boolean } | undefined;
  #refreshMs: number | undefined;
  #endMs: number | undefined;

  /** Undefined settings: RFC 4028 is not spoken. */
  constructor(settings: SessionTimerSettings | undefined, minSeSeconds = 0) {
    this.#settings = settings;
    this.#minSeSeconds = Math.max(this.#ownMinSeconds, minSeSeconds);
  }

  /** The least that we may ask for. */
  get minSeSeconds(): number {
    return this.#minSeSeconds;
  }

  /** When `expire` wants to be called, undefined while nothing runs. */
  get deadlineMs(): number | undefined {
    if (this.#refreshMs === undefined || this.#endMs === undefined) return this.#endMs;
    return Math.min(this.#refreshMs, this.#endMs);
  }

  get agreed(): { readonly seconds: number; readonly weRefresh: boolean } | undefined {
    return this.#agreed;
  }

  /** For an INVITE or UPDATE of ours. Within a session the roles stay (§7.4). */
  requestHeaders(): SipHeader[] {
    const settings = this.#settings;
    if (settings === undefined) return [];
    const seconds = Math.max(this.#agreed?.seconds ?? settings.expiresSeconds, this.#minSeSeconds);
    const headers = [
      { name: 'Session-Expires', value: serializeSessionExpires({ seconds, refresher: this.#wish }) },
    ];
    if (this.#minSeSeconds > minSeSecondsLowest)
      headers.push({ name: 'Min-SE', value: String(this.#minSeSeconds) });
    return headers;
  }

  /** In a request, where we are the `uac`. The first one names nobody where the other side is to do it: one that does not
   *  know timers could not, and we would wait for it in vain. */
  get #wish(): SessionExpires['refresher'] {
    if (this.#agreed !== undefined) return this.#agreed.weRefresh ? 'uac' : 'uas';
    return this.#settings?.refresher === 'us' ? 'uac' : undefined;
  }

  /** Headers of the 422 that an INVITE or UPDATE deserves for too short an interval, undefined for any other. Who does
   *  not know timers would not understand it: there a proxy asked, and gets its way (§9). */
  refuse(request: SipRequest): readonly SipHeader[] | undefined {
    const { seconds } = sessionExpiresOf(request) ?? {};
    if (this.#settings === undefined || seconds === undefined || !knowsTimer(request)) return undefined;
    if (seconds >= this.#ownMinSeconds) return undefined;
    return [{ name: 'Min-SE', value: String(this.#ownMinSeconds) }];
  }

  /** Headers of our 2xx to an INVITE or UPDATE; the timer runs from here. RFC 4028 §9, Table 2. */
  accept(request: SipRequest, nowMs: number): SipHeader[] {
    const settings = this.#settings;
    if (settings === undefined) return [];
    const asked = sessionExpiresOf(request);
    const peerKnows = knowsTimer(request);
    // A peer that neither knows timers nor was asked on its behalf is left in peace.
    if (asked === undefined && !peerKnows) {
      this.#stop();
      return [];
    }
    const leastSeconds = Math.max(minSeOf(request) ?? 0, this.#ownMinSeconds);
    const wishSeconds = Math.max(this.#agreed?.seconds ?? settings.expiresSeconds, leastSeconds);
    // The answer may shorten an interval and never lengthens it.
    const seconds = asked === undefined ? wishSeconds : Math.min(asked.seconds, wishSeconds);
    const refresher = peerKnows ? (asked?.refresher ?? this.#choice) : 'uas';
    this.#start(seconds, refresher === 'uas', nowMs);
    const headers = [{ name: 'Session-Expires', value: serializeSessionExpires({ seconds, refresher }) }];
    if (peerKnows) headers.unshift({ name: 'Require', value: 'timer' });
    return headers;
  }

  /** Where the request leaves it to us, who are the `uas`: as it was, or as configured. */
  get #choice(): 'uac' | 'uas' {
    if (this.#agreed !== undefined) return this.#agreed.weRefresh ? 'uas' : 'uac';
    return this.#settings?.refresher === 'us' ? 'uas' : 'uac';
  }

  /** The 2xx to an INVITE or UPDATE of ours came. §7.2. */
  confirm(response: SipResponse, nowMs: number): void {
    if (this.#settings === undefined) return;
    const agreed = sessionExpiresOf(response);
    // Without the header nobody wants a timer; without the parameter only we can be meant.
    if (agreed === undefined) this.#stop();
    else this.#start(Math.max(agreed.seconds, minSeSecondsLowest), agreed.refresher !== 'uas', nowMs);
  }

  /** 422 came. True where the request can be sent again with what it asks for. §7.3. */
  raise(response: SipResponse): boolean {
    const leastSeconds = minSeOf(response);
    if (this.#settings === undefined || leastSeconds === undefined) return false;
    if (leastSeconds <= this.#minSeSeconds) return false;
    this.#minSeSeconds = leastSeconds;
    return true;
  }

  /** A refresh failed for a reason that may pass; it is tried again until the session expires. */
  refreshFailed(nowMs: number): void {
    if (this.#agreed?.weRefresh) this.#refreshMs = nowMs + refreshRetryMs;
  }

  /** `end`: nobody refreshed in time, the session is over. */
  expire(nowMs: number): 'refresh' | 'end' | undefined {
    if (this.#endMs !== undefined && nowMs >= this.#endMs) {
      this.#stop();
      return 'end';
    }
    if (this.#refreshMs === undefined || nowMs < this.#refreshMs) return undefined;
    this.#refreshMs = undefined;
    return 'refresh';
  }

  #start(seconds: number, weRefresh: boolean, nowMs: number): void {
    this.#agreed = { seconds, weRefresh };
    const lengthMs = seconds * 1000;
    this.#refreshMs = weRefresh ? nowMs + lengthMs / 2 : undefined;
    // §10: who waits for a refresh gives up a little before the proxies on the way do.
    this.#endMs = nowMs + (weRefresh ? lengthMs : lengthMs - Math.min(32_000, lengthMs / 3));
  }

  #stop(): void {
    this.#agreed = undefined;
    this.#refreshMs = undefined;
    this.#endMs = undefined;
  }

  get #ownMinSeconds(): number {
    return Math.max(this.#settings?.minSeSeconds ?? 0, minSeSecondsLowest);
  }
}

function knowsTimer(message: SipMessage): boolean {
  return ['Supported', 'Require'].some((name) =>
    headerTokens(message, name).some((tag) => tag.toLowerCase() === 'timer'),
  );
}

/** Undefined where it is missing or broken. */
function sessionExpiresOf(message: SipMessage): SessionExpires | undefined {
  const value = headerValue(message, 'Session-Expires');
  return value === undefined ? undefined : readable(() => parseSessionExpires(value));
}

function minSeOf(message: SipMessage): number | undefined {
  const value = headerValue(message, 'Min-SE')?.split(';', 1)[0];
  return value === undefined ? undefined : readable(() => parseNumber(value, 'Min-SE', 86_400 * 7));
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
