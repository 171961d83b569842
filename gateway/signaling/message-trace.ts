import { headerValue, type SipMessage } from '../../protocol/sip/message.ts';
import { redactMessage } from '../../protocol/sip/redact.ts';
import type { Clock } from '../clock.ts';
import type { SipAddress } from './session.ts';
import { RecentMap } from './source-limits.ts';

export interface TracedMessage {
  /** On the clock of the gateway. */
  readonly atMs: number;
  readonly wallMs: number;
  readonly direction: 'in' | 'out';
  readonly local: SipAddress;
  readonly remote: SipAddress;
  /** Credentials, keys and digits hidden. */
  readonly message: SipMessage;
}

export interface CallMessages {
  readonly messages: readonly TracedMessage[];
  /** Left out between the first and the last of them. */
  readonly dropped: number;
}

export interface MessageTraceOptions {
  readonly clock: Clock;
  /** The newest calls are kept, live or ended; 0 keeps none. */
  readonly callsMax: number;
  /** Of one call: the first half and the last half. */
  readonly messagesMax: number;
}

/** As it is kept and shown: now, and with its secrets hidden. */
export function traceMessage(
  clock: Clock,
  { message, ...way }: Omit<TracedMessage, 'atMs' | 'wallMs'>,
): TracedMessage {
  return { atMs: clock.nowMs(), wallMs: clock.wallMs(), ...way, message: redactMessage(message) };
}

interface Entry {
  readonly messages: TracedMessage[];
  dropped: number;
}

/** INVITEs that are no call yet, and perhaps never will be: strangers must not push out the calls. */
const strangersMax = 200;

/** The last SIP messages of the last calls, secrets hidden as they come in. */
export class MessageTrace {
  readonly #options: MessageTraceOptions;
  /** By Call-ID header. */
  readonly #strangers = new RecentMap<Entry>(strangersMax);
  readonly #entries: RecentMap<Entry>;
  /** The Call-ID headers of a call. */
  readonly #names: RecentMap<readonly string[]>;

  constructor(options: MessageTraceOptions) {
    this.#options = options;
    this.#entries = new RecentMap(options.callsMax);
    this.#names = new RecentMap(options.callsMax);
  }

  record(direction: 'in' | 'out', message: SipMessage, remote: SipAddress, local: SipAddress): void {
    if (this.#options.callsMax === 0) return;
    const sipCallId = headerValue(message, 'Call-ID');
    if (sipCallId === undefined) return;
    const known = this.#entries.get(sipCallId) ?? this.#strangers.get(sipCallId);
    if (known === undefined && !(message.kind === 'request' && message.method === 'INVITE')) return;
    const entry: Entry = known ?? { messages: [], dropped: 0 };
    if (known === undefined) this.#strangers.set(sipCallId, entry);
    const { clock, messagesMax } = this.#options;
    entry.messages.push(traceMessage(clock, { direction, message, remote, local }));
    if (entry.messages.length <= messagesMax) return;
    entry.messages.splice(Math.ceil(messagesMax / 2), 1);
    entry.dropped++;
  }

  /** This dialog belongs to that call, from its first message on. */
  name(callId: string, sipCallId: string): void {
    if (this.#options.callsMax === 0) return;
    const entry = this.#strangers.get(sipCallId) ?? this.#entries.get(sipCallId);
    this.#strangers.delete(sipCallId);
    this.#entries.set(sipCallId, entry ?? { messages: [], dropped: 0 });
    const others = (this.#names.get(callId) ?? []).filter((other) => other !== sipCallId);
    this.#names.set(callId, [...others, sipCallId]);
  }

  /** In the order in which they came and went; undefined for a call that is not known, or no longer. */
  of(callId: string): CallMessages | undefined {
    const entries = (this.#names.get(callId) ?? [])
      .map((sipCallId) => this.#entries.get(sipCallId))
      .filter((entry) => entry !== undefined);
    if (entries.length === 0) return undefined;
    return {
      messages: entries.flatMap(({ messages }) => messages).sort((left, right) => left.atMs - right.atMs),
      dropped: entries.reduce((sum, { dropped }) => sum + dropped, 0),
    };
  }
}
