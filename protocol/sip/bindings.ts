import { ProtocolError } from '../protocol-error.ts';
import { isCallId, parseCSeq, parseExpires } from './header-values.ts';
import { headerValue, headerValues, type SipHeader, type SipRequest } from './message.ts';
import { type NameAddr, parseNameAddr, serializeNameAddr } from './name-addr.ts';
import { parseUri, type SipUri, urisEqual } from './uri.ts';

export interface BindingLimits {
  /** Shorter ones are refused with 423. */
  readonly expiresSecondsMin: number;
  /** Longer ones are cut to it. */
  readonly expiresSecondsMax: number;
  /** Where the request names none. */
  readonly expiresSecondsDefault: number;
  /** Of one user; beyond it the one refreshed longest ago gives way. */
  readonly contactsMax: number;
}

export const bindingLimits: BindingLimits = {
  expiresSecondsMin: 60,
  expiresSecondsMax: 3_600,
  expiresSecondsDefault: 3_600,
  contactsMax: 10,
};

/** Where a user can be reached. `way` is the edge's: how its REGISTER came. */
export interface Binding<Way> {
  /** Contact URI, as it was registered. */
  readonly uri: string;
  /** 0–1, the preferred first. */
  readonly preference: number;
  readonly expiresMs: number;
  readonly refreshedMs: number;
  readonly way: Way;
}

export interface BindingReply {
  readonly status: number;
  readonly headers: readonly SipHeader[];
}

interface Entry<Way> extends Binding<Way> {
  readonly parsed: SipUri;
  readonly contact: NameAddr;
  readonly instance: string | undefined;
  readonly callId: string;
  readonly sequence: number;
}

interface Wanted {
  readonly contact: NameAddr;
  readonly uri: SipUri;
  readonly expiresSeconds: number;
}

/** Kept for hours, and sent back with every REGISTER. */
const contactLengthMax = 1_024;

/** Who is registered where. The users are given by the caller, who has verified them. RFC 3261 §10.3. */
export class Bindings<Way> {
  readonly #limits: BindingLimits;
  readonly #entries = new Map<string, readonly Entry<Way>[]>();
  #size = 0;

  constructor(limits: Partial<BindingLimits> = {}) {
    this.#limits = { ...bindingLimits, ...limits };
  }

  get size(): number {
    return this.#size;
  }

  /** When the next binding expires. */
  get deadlineMs(): number | undefined {
    let deadlineMs: number | undefined;
    for (const entries of this.#entries.values()) {
      for (const { expiresMs } of entries)
        if (deadlineMs === undefined || expiresMs < deadlineMs) deadlineMs = expiresMs;
    }
    return deadlineMs;
  }

  /** Does what a REGISTER of `user` asks for, wholly or not at all, and says how to answer it. `request` has passed the
   *  request check. */
  register(user: string, request: SipRequest, way: Way, nowMs: number): BindingReply {
    this.expire(nowMs);
    const callId = headerValue(request, 'Call-ID') ?? '';
    const { sequence } = parseCSeq(headerValue(request, 'CSeq') ?? '');
    if (!isCallId(callId)) return refusal(400);
    const values = headerValues(request, 'Contact');
    const current = this.#entries.get(user) ?? [];
    if (values.includes('*')) {
      if (values.length > 1 || expiresOf(headerValue(request, 'Expires')) !== 0) return refusal(400);
      if (current.some((entry) => isOutdated(entry, callId, sequence))) return refusal(500);
      this.#store(user, []);
      return this.#listing(user, nowMs);
    }
    const wanted = this.#read(values, headerValue(request, 'Expires'));
    if (wanted === undefined) return refusal(400);
    if (wanted.some(({ expiresSeconds }) => this.#isTooBrief(expiresSeconds))) {
      return refusal(423, [{ name: 'Min-Expires', value: String(this.#limits.expiresSecondsMin) }]);
    }
    let entries = current;
    for (const want of wanted) {
      const instance = want.contact.parameters.get('+sip.instance');
      const same = (entry: Entry<Way>): boolean =>
        urisEqual(entry.parsed, want.uri) || (instance !== undefined && instance === entry.instance);
      // An older request that came late must not undo a newer one.
      if (current.some((entry) => same(entry) && isOutdated(entry, callId, sequence))) return refusal(500);
      entries = entries.filter((entry) => !same(entry));
      if (want.expiresSeconds === 0) continue;
      entries = [...entries, this.#entry(want, { instance, callId, sequence, way, nowMs })];
    }
    this.#store(user, entries.slice(-this.#limits.contactsMax));
    return this.#listing(user, nowMs);
  }

  /** The preferred first, among equals the latest. */
  lookup(user: string, nowMs: number): readonly Binding<Way>[] {
    this.expire(nowMs);
    return (this.#entries.get(user) ?? []).toSorted(
      (left, right) => right.preference - left.preference || right.refreshedMs - left.refreshedMs,
    );
  }

  users(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Drops what ran out; who is left without any binding by that. */
  expire(nowMs: number): readonly string[] {
    const gone: string[] = [];
    for (const [user, entries] of this.#entries) {
      if (entries.every(({ expiresMs }) => expiresMs > nowMs)) continue;
      const left = entries.filter(({ expiresMs }) => expiresMs > nowMs);
      this.#store(user, left);
      if (left.length === 0) gone.push(user);
    }
    return gone;
  }

  #isTooBrief(seconds: number): boolean {
    return seconds > 0 && seconds < this.#limits.expiresSecondsMin;
  }

  /** Undefined where a contact is nothing that requests can be sent to. */
  #read(values: readonly string[], header: string | undefined): readonly Wanted[] | undefined {
    const { expiresSecondsDefault, expiresSecondsMax } = this.#limits;
    const inHeader = expiresOf(header) ?? expiresSecondsDefault;
    const wanted: Wanted[] = [];
    try {
      for (const value of values) {
        if (value.length > contactLengthMax) return undefined;
        const contact = parseNameAddr(value);
        const uri = parseUri(contact.uri);
        if (uri.scheme === 'tel') return undefined;
        const seconds = expiresOf(contact.parameters.get('expires')) ?? inHeader;
        wanted.push({ contact, uri, expiresSeconds: Math.min(seconds, expiresSecondsMax) });
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return undefined;
    }
    return wanted;
  }

  #entry(
    { contact, uri, expiresSeconds }: Wanted,
    rest: Pick<Entry<Way>, 'instance' | 'callId' | 'sequence' | 'way'> & { readonly nowMs: number },
  ): Entry<Way> {
    const { nowMs, ...facts } = rest;
    return {
      ...facts,
      uri: contact.uri,
      parsed: uri,
      contact,
      preference: preferenceOf(contact),
      expiresMs: nowMs + expiresSeconds * 1_000,
      refreshedMs: nowMs,
    };
  }

  #store(user: string, entries: readonly Entry<Way>[]): void {
    this.#size += entries.length - (this.#entries.get(user)?.length ?? 0);
    if (entries.length === 0) this.#entries.delete(user);
    else this.#entries.set(user, entries);
  }

  /** All that the user has now, each with what is left of it. */
  #listing(user: string, nowMs: number): BindingReply {
    const headers = (this.#entries.get(user) ?? []).map(({ contact, expiresMs }) => {
      const seconds = Math.max(0, Math.round((expiresMs - nowMs) / 1_000));
      const parameters = new Map([...contact.parameters, ['expires', String(seconds)]]);
      return { name: 'Contact', value: serializeNameAddr({ ...contact, parameters }) };
    });
    return { status: 200, headers };
  }
}

/** RFC 3261 §10.3 step 7: of the same Call-ID only what is newer counts. */
function isOutdated(
  entry: { readonly callId: string; readonly sequence: number },
  callId: string,
  sequence: number,
): boolean {
  return entry.callId === callId && sequence <= entry.sequence;
}

/** Undefined where there is none, or one that nobody can read: the default then counts (§10.2.1.1). */
function expiresOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseExpires(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

function preferenceOf({ parameters }: NameAddr): number {
  const q = Number(parameters.get('q') ?? '1');
  return q >= 0 && q <= 1 ? q : 0;
}

function refusal(status: number, headers: readonly SipHeader[] = []): BindingReply {
  return { status, headers };
}
