import {
  emptyBody,
  headerValue,
  headerValues,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from './message.ts';
import { parseNameAddr, serializeNameAddr, tagOf, withTag } from './name-addr.ts';
import { parseUri, serializeUri } from './uri.ts';

export interface RequestParts {
  readonly headers?: readonly SipHeader[];
  readonly body?: Uint8Array;
}

/** A request without Via, and the URI whose host it is sent to: the first Route, or the Request-URI. */
export interface RoutedRequest {
  readonly request: SipRequest;
  readonly nextHop: string;
}

interface DialogState {
  readonly callId: string;
  /** From of our requests and To of theirs, tag included. */
  readonly localAddress: string;
  readonly localTag: string;
  readonly remoteAddress: string;
  /** Undefined from a phone older than RFC 3261. */
  readonly remoteTag: string | undefined;
  readonly routeSet: readonly string[];
  readonly remoteTarget: string;
  readonly localCSeq: number;
  readonly remoteCSeq: number | undefined;
}

/** Who talks with whom, and how requests reach the other. RFC 3261 §12. */
export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string | undefined;
  #routeSet: readonly string[];
  readonly #localAddress: string;
  readonly #remoteAddress: string;
  #remoteTarget: string;
  #localCSeq: number;
  #remoteCSeq: number | undefined;

  constructor(state: DialogState) {
    this.callId = state.callId;
    this.localTag = state.localTag;
    this.remoteTag = state.remoteTag;
    this.#routeSet = state.routeSet;
    this.#localAddress = state.localAddress;
    this.#remoteAddress = state.remoteAddress;
    this.#remoteTarget = state.remoteTarget;
    this.#localCSeq = state.localCSeq;
    this.#remoteCSeq = state.remoteCSeq;
  }

  /** Callee's side, §12.1.1. `request` has passed the request check. */
  static fromRequest(request: SipRequest, localTag: string): Dialog {
    const from = headerValue(request, 'From') ?? '';
    return new Dialog({
      callId: headerValue(request, 'Call-ID') ?? '',
      localAddress: serializeNameAddr(withTag(parseNameAddr(headerValue(request, 'To') ?? ''), localTag)),
      localTag,
      remoteAddress: from,
      remoteTag: tagOf(from),
      routeSet: headerValues(request, 'Record-Route'),
      remoteTarget: contactUri(request) ?? parseNameAddr(from).uri,
      // Any start below 2^31 will do; requests of ours are counted apart from theirs.
      localCSeq: 0,
      remoteCSeq: cseqNumber(request),
    });
  }

  /** Caller's side, §12.1.2, from a response with a To tag. Throws `ProtocolError` where its addresses are bad. */
  static fromResponse(invite: SipRequest, response: SipResponse): Dialog {
    const from = headerValue(invite, 'From') ?? '';
    const to = headerValue(response, 'To') ?? '';
    return new Dialog({
      callId: headerValue(invite, 'Call-ID') ?? '',
      localAddress: from,
      localTag: tagOf(from) ?? '',
      remoteAddress: to,
      remoteTag: tagOf(to),
      routeSet: routesOf(response),
      remoteTarget: contactUri(response) ?? invite.uri,
      localCSeq: cseqNumber(invite) ?? 0,
      remoteCSeq: undefined,
    });
  }

  /** Caller's side: the 2xx came to what a provisional response began. Its routes are the ones that count,
   *  §13.2.2.4. Throws `ProtocolError` where its addresses are bad. */
  confirm(response: SipResponse): void {
    this.#routeSet = routesOf(response);
    this.refreshTarget(response);
  }

  get routeSet(): readonly string[] {
    return this.#routeSet;
  }

  get remoteTarget(): string {
    return this.#remoteTarget;
  }

  /** Of the last request of ours. */
  get localCSeq(): number {
    return this.#localCSeq;
  }

  /** Where requests of ours go first. */
  get nextHop(): string {
    const [first] = this.routeSet;
    return first === undefined ? this.#remoteTarget : parseNameAddr(first).uri;
  }

  /** The next request of ours, §12.2.1.1. */
  createRequest(method: string, parts: RequestParts = {}): RoutedRequest {
    this.#localCSeq++;
    return this.#route(method, this.#localCSeq, parts);
  }

  /** ACK of a 2xx to `invite`: its CSeq number, today's route, §13.2.2.4. Credentials are repeated. */
  createAck(invite: SipRequest): RoutedRequest {
    const credentials = invite.headers.filter(({ name }) => /^(proxy-)?authorization$/i.test(name));
    return this.#route('ACK', cseqNumber(invite) ?? this.#localCSeq, { headers: credentials });
  }

  /** False where the request is older than one already seen. ACK does not count. */
  acceptCSeq(request: SipRequest): boolean {
    const number = cseqNumber(request);
    if (number === undefined) return false;
    if (this.#remoteCSeq !== undefined && number <= this.#remoteCSeq) return false;
    this.#remoteCSeq = number;
    return true;
  }

  cseqOf(message: SipRequest | SipResponse): number | undefined {
    return cseqNumber(message);
  }

  /** Target refresh, §12.2: the Contact of a re-INVITE, an UPDATE or their 2xx. A bad one changes nothing. */
  refreshTarget(message: SipRequest | SipResponse): void {
    this.#remoteTarget = contactUri(message) ?? this.#remoteTarget;
  }

  #route(method: string, cseq: number, { headers = [], body = emptyBody }: RequestParts): RoutedRequest {
    const [first, ...others] = this.routeSet;
    let uri = this.#remoteTarget;
    let routes = this.routeSet;
    const { nextHop } = this;
    if (first !== undefined && !isLooseRouter(nextHop)) {
      // A strict router (RFC 2543) wants itself in the Request-URI and the target as the last Route.
      routes = [...others, `<${uri}>`];
      uri = nextHop;
    }
    const request: SipRequest = {
      kind: 'request',
      method,
      uri,
      headers: [
        ...routes.map((value) => ({ name: 'Route', value })),
        { name: 'Max-Forwards', value: '70' },
        { name: 'From', value: this.#localAddress },
        { name: 'To', value: this.#remoteAddress },
        { name: 'Call-ID', value: this.callId },
        { name: 'CSeq', value: `${cseq} ${method}` },
        ...headers,
      ],
      body,
    };
    return { request, nextHop };
  }
}

/** In the order that a caller uses them, each checked. */
function routesOf(response: SipResponse): string[] {
  const routeSet = headerValues(response, 'Record-Route').reverse();
  for (const route of routeSet) parseUri(parseNameAddr(route).uri);
  return routeSet;
}

/** Number of the CSeq header, undefined where it is bad. */
export function cseqNumber(message: SipRequest | SipResponse): number | undefined {
  const match = /^([0-9]+)[ \t]/.exec(headerValue(message, 'CSeq') ?? '');
  return match === null ? undefined : Number(match[1]);
}

/** URI of the Contact where requests can be sent to it. */
function contactUri(message: SipRequest | SipResponse): string | undefined {
  const contact = headerValue(message, 'Contact');
  if (contact === undefined) return undefined;
  try {
    const { uri } = parseNameAddr(contact);
    const parsed = parseUri(uri);
    if (parsed.scheme === 'tel') return undefined;
    if (parsed.headers.length === 0 && !parsed.parameters.has('method')) return uri;
    // Allowed in a Contact, forbidden in a Request-URI (RFC 3261 §19.1.1).
    const parameters = new Map(parsed.parameters);
    parameters.delete('method');
    return serializeUri({ ...parsed, parameters, headers: [] });
  } catch {
    return undefined;
  }
}

function isLooseRouter(uri: string): boolean {
  try {
    return parseUri(uri).parameters.has('lr');
  } catch {
    return true;
  }
}
