import { randomBytes } from 'node:crypto';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { callerFactsOf } from '../../protocol/sip/caller-facts.ts';
import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import { headerValue } from '../../protocol/sip/message.ts';
import { parseNameAddr } from '../../protocol/sip/name-addr.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import type { InviteSession, InviteSessionHandlers } from '../signaling/session.ts';
import { Call, type CallOptions } from './call.ts';
import type { CallContext, CallHandlers, CallOwner, CallParty } from './call-context.ts';
import type { CallDescription } from './call-control.ts';
import { calledEndpoint, describeCall } from './call-messages.ts';
import { type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import { receiveCall } from './inbound-call.ts';

export interface RegistryOptions {
  readonly nodeId: string;
  readonly maxCalls: number;
  /** Whether the media workers are late as it is. */
  overloaded?(): boolean;
  readonly context: CallContext;
  /** The calls' own events, after the registry's. */
  readonly handlers: CallHandlers;
  /** Every refusal without a call, by reason. */
  counted(code: EndReason): void;
}

/** Calls that ended and can still be asked about. */
const overMax = 1_000;

/** Every live call of this gateway, and whether it may take more. */
export class CallRegistry {
  readonly #options: RegistryOptions;
  readonly #calls = new Map<string, Call>();
  /** Calls that ended, the oldest first. */
  readonly #over = new Map<string, CallDescription>();
  #draining = false;
  #idle: (() => void)[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get calls(): IterableIterator<Call> {
    return this.#calls.values();
  }

  /** Calls placed on each media worker, by its number. */
  callsByWorker(): number[] {
    const counts: number[] = [];
    for (const { worker } of this.#calls.values()) {
      if (worker === undefined) continue;
      while (counts.length <= worker) counts.push(0);
      counts[worker]!++;
    }
    return counts;
  }

  find(callId: string): Call | undefined {
    return this.#calls.get(callId);
  }

  /** Why there can be no further call now; undefined where there can. */
  get refusal(): 'draining' | 'overload' | undefined {
    if (this.#draining) return 'draining';
    const full = this.#calls.size >= this.#options.maxCalls || this.#options.overloaded?.() === true;
    return full ? 'overload' : undefined;
  }

  /** A new INVITE: becomes a call, or is refused with 503 where there is no room for one. */
  invited(session: InviteSession): InviteSessionHandlers {
    const { refusal } = this;
    if (refusal !== undefined) {
      this.#options.counted(refusal);
      const retryAfter: SipHeader = { name: 'Retry-After', value: '5' };
      session.end({ status: endReasons[refusal].sipStatus, headers: [reasonHeader(refusal), retryAfter] });
      return { ended: () => {} };
    }
    const party = partyOf(session);
    const owner: CallOwner = {
      applicationKey: this.#options.context.applicationKey,
      trusted: true,
      asksAce: false,
      asksPie: false,
      tellsDice: false,
      followsTransfers: false,
      to: calledEndpoint(party.to),
    };
    return receiveCall(this.create({ party, owner, direction: 'inbound' }), session);
  }

  /** A call that begins now; ask for `refusal` first. */
  create(options: Pick<CallOptions, 'party' | 'owner' | 'direction'>): Call {
    const { context, handlers, nodeId } = this.#options;
    const call = new Call({
      ...options,
      callId: `${nodeId}-${randomBytes(12).toString('base64url')}`,
      context,
      handlers: {
        ...handlers,
        ended: (ended) => {
          this.#calls.delete(ended.callId);
          this.#remember(describeCall(ended));
          handlers.ended(ended);
          if (this.#calls.size === 0) this.#wakeIdle();
        },
      },
    });
    this.#calls.set(call.callId, call);
    return call;
  }

  /** A call that is live, or was not long ago. */
  describe(callId: string): CallDescription | undefined {
    const call = this.#calls.get(callId);
    return call === undefined ? this.#over.get(callId) : describeCall(call);
  }

  #remember(description: CallDescription): void {
    this.#over.set(description.callId, description);
    if (this.#over.size <= overMax) return;
    const [oldest] = this.#over.keys();
    this.#over.delete(oldest!);
  }

  /** The call whose caller this session is. */
  on(session: InviteSession): Call | undefined {
    for (const call of this.#calls.values()) if (call.isOn(session)) return call;
    return undefined;
  }

  /** An INVITE that is to take the place of a caller: into its call, also while draining. */
  replacing(session: InviteSession, replaced: InviteSession): InviteSessionHandlers {
    const call = this.on(replaced);
    if (call !== undefined) return call.takeOver(session);
    session.end({ status: 481 });
    return { ended: () => {} };
  }

  /** No new calls from now on; live ones go on. */
  startDraining(): void {
    this.#draining = true;
  }

  /** All of them, whatever one throws; throws the first of that then. */
  endAll(reason: EndReason): void {
    const failures: unknown[] = [];
    for (const call of [...this.#calls.values()]) {
      try {
        call.end(reason);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Resolves when no call is left, at once if there is none. */
  whenIdle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #wakeIdle(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const wake of waiting) wake();
  }
}

/** Caller and callee as the stream server and the routes know them. */
export function partyOf(session: Pick<InviteSession, 'invite'>): CallParty {
  const sipHeaders: Record<string, string> = {};
  for (const { name, value } of session.invite.headers) {
    if (/^x-/i.test(name)) sipHeaders[name] = value;
  }
  const from = headerValue(session.invite, 'From');
  return {
    from: from === undefined ? 'anonymous' : userOf(parseNameAddr(from).uri),
    to: userOf(session.invite.uri),
    sipHeaders,
    maxForwards: maxForwardsOf(session.invite),
    facts: callerFactsOf(session.invite),
  };
}

/** 70 where it says nothing, which an INVITE must not (RFC 3261 §8.1.1.6). */
function maxForwardsOf(invite: SipRequest): number {
  const value = Number(headerValue(invite, 'Max-Forwards') ?? 70);
  return Number.isInteger(value) ? value : 70;
}

/** `tel:` and SIP URIs give their user; what is no such URI (`urn:service:sos`) stands for itself. */
function userOf(uri: string): string {
  try {
    const { user, host } = parseUri(uri);
    return user ?? host;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return uri;
  }
}
