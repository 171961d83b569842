import { ProtocolError } from '../protocol-error.ts';
import { parseExpires, parseRetryAfter } from './header-values.ts';
import { headerValue, headerValues, type SipResponse } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { parseUri, urisEqual } from './uri.ts';

export interface RegistrationOptions {
  /** Asked for; the registrar may grant less. */
  readonly expiresSeconds: number;
  /** 0 ≤ x < 1, so that many gateways do not come back at the same moment. */
  random(): number;
}

export type RegistrationState =
  | { readonly state: 'registering' }
  | { readonly state: 'registered'; readonly untilMs: number }
  /** `untilMs`: an earlier registration still holds so long. */
  | {
      readonly state: 'failing';
      readonly failures: number;
      readonly status: number;
      readonly reason: string;
      readonly untilMs: number | undefined;
    }
  | { readonly state: 'closed' };

/** Passed on its way, the registrar may be back sooner. */
const retryMsMin = 5_000;
const retryMsMax = 300_000;
/** A password does not become right by repetition, and carriers lock out who tries. */
const refusedMsMin = 60_000;
const refusedMsMax = 1_800_000;
/** Room for two attempts that time out, 64·T1 each. */
const marginMsMax = 64_000;
const refreshMsMin = 5_000;
const expiresSecondsMax = 604_800;

/** Keeps one binding at a registrar: says when to send REGISTER and with which expiry. RFC 3261 §10.2. */
export class Registration {
  readonly #options: RegistrationOptions;
  #state: RegistrationState = { state: 'registering' };
  #expiresSeconds: number;
  #dueMs: number | undefined;
  #sending = false;
  #tooBrief = 0;

  constructor(options: RegistrationOptions, nowMs: number) {
    this.#options = options;
    this.#expiresSeconds = options.expiresSeconds;
    this.#dueMs = nowMs;
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** When to call `expire`. */
  get deadlineMs(): number | undefined {
    return this.#dueMs;
  }

  /** Seconds of the REGISTER that is due now; its outcome goes to `receive`. */
  expire(nowMs: number): number | undefined {
    if (this.#dueMs === undefined || nowMs < this.#dueMs || this.#sending) return undefined;
    this.#dueMs = undefined;
    this.#sending = true;
    return this.#expiresSeconds;
  }

  /** The final response, or the 408 or 503 that stands for none. `contact`: the Contact that was sent. */
  receive(response: SipResponse, contact: string, nowMs: number): void {
    if (this.#state.state === 'closed') return;
    this.#sending = false;
    if (response.status >= 200 && response.status < 300) return this.#granted(response, contact, nowMs);
    const least = seconds(headerValue(response, 'Min-Expires')) ?? 0;
    // Once a round: who calls his own minimum too brief shall not keep us busy.
    if (response.status === 423 && least > this.#expiresSeconds && least <= expiresSecondsMax) {
      this.#expiresSeconds = least;
      if (this.#tooBrief++ === 0) {
        this.#dueMs = nowMs;
        return;
      }
    }
    this.#failed(response, nowMs);
  }

  /** No more REGISTER; true where one with Expires 0 is due, since the registrar may hold a binding of ours. */
  close(): boolean {
    const bound =
      this.#sending ||
      this.#state.state === 'registered' ||
      (this.#state.state === 'failing' && this.#state.untilMs !== undefined);
    this.#state = { state: 'closed' };
    this.#dueMs = undefined;
    return bound;
  }

  #granted(response: SipResponse, contact: string, nowMs: number): void {
    const granted = grantedSeconds(response, contact) ?? this.#expiresSeconds;
    if (granted === 0) return this.#failed(response, nowMs, 'the registrar did not keep the contact');
    this.#tooBrief = 0;
    const grantedMs = Math.min(granted, expiresSecondsMax) * 1_000;
    const marginMs = Math.min(grantedMs / 2, marginMsMax);
    // Up to a tenth earlier, but never later.
    const refreshMs = (grantedMs - marginMs) * (1 - this.#options.random() / 10);
    this.#dueMs = nowMs + Math.max(refreshMsMin, refreshMs);
    this.#state = { state: 'registered', untilMs: nowMs + grantedMs };
  }

  #failed(response: SipResponse, nowMs: number, reason = response.reasonPhrase): void {
    this.#tooBrief = 0;
    const { status } = response;
    const failures = this.#state.state === 'failing' ? this.#state.failures + 1 : 1;
    const refused = status === 401 || status === 407 || status === 403 || status === 404;
    const [leastMs, mostMs] = refused ? [refusedMsMin, refusedMsMax] : [retryMsMin, retryMsMax];
    const backOffMs = Math.min(leastMs * 2 ** Math.min(failures - 1, 20), mostMs);
    const askedMs = (retryAfterSeconds(response) ?? 0) * 1_000;
    // RFC 5626 §4.5: half to all of it.
    const waitMs = Math.max(backOffMs * (0.5 + this.#options.random() / 2), Math.min(askedMs, mostMs));
    const { state } = this;
    const untilMs = state.state === 'registered' || state.state === 'failing' ? state.untilMs : undefined;
    this.#state = {
      state: 'failing',
      failures,
      status,
      reason,
      untilMs: untilMs !== undefined && untilMs > nowMs ? untilMs : undefined,
    };
    this.#dueMs = nowMs + waitMs;
  }
}

/** What our contact was granted: by its own parameter, else by the Expires header. Registrars list all contacts of the
 *  user, and some write ours their own way. */
function grantedSeconds(response: SipResponse, contact: string): number | undefined {
  const ours = parseNameAddr(contact).uri;
  const listed = headerValues(response, 'Contact').flatMap((value) => {
    try {
      return [parseNameAddr(value)];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return [];
    }
  });
  const found = listed.find(({ uri }) => isSame(uri, ours)) ?? (listed.length === 1 ? listed[0] : undefined);
  return seconds(found?.parameters.get('expires')) ?? seconds(headerValue(response, 'Expires'));
}

function isSame(left: string, right: string): boolean {
  if (left === right) return true;
  try {
    return urisEqual(parseUri(left), parseUri(right));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

function seconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : readable(() => parseExpires(text));
}

function retryAfterSeconds(response: SipResponse): number | undefined {
  const text = headerValue(response, 'Retry-After');
  return text === undefined ? undefined : readable(() => parseRetryAfter(text).seconds);
}

function readable(read: () => number): number | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
