import { parseNameAddr, serializeNameAddr, withTag } from '../../protocol/sip/name-addr.ts';
import { OutboundSession } from '../../protocol/sip/outbound-session.ts';
import { defaultPort } from '../../protocol/sip/server-selection.ts';
import type { SessionProfile } from '../../protocol/sip/session-actions.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import { escapeText } from '../../protocol/sip/uri-escape.ts';
import { checkText, LiveSession, type SessionHost } from './live-session.ts';
import type { InviteOptions, SipAddress } from './session.ts';

export interface OutboundCall {
  readonly session: LiveSession;
  readonly machine: OutboundSession;
  /** User part of our Contact. */
  readonly user: string;
}

/** A call of ours before anything is known of its way. Throws `ProtocolError` for a bad URI, `TypeError` for line breaks in
 *  a header. */
export function createOutbound(
  options: InviteOptions,
  {
    host,
    profile,
    listening,
  }: {
    readonly host: SessionHost;
    readonly profile: SessionProfile;
    readonly listening: readonly SipAddress[];
  },
): OutboundCall {
  const uri = parseUri(options.target);
  for (const { name, value } of options.headers ?? []) checkText(name + value);
  const from = parseNameAddr(bracketed(options.from));
  const { sessionExpiresSeconds: expiresSeconds } = options;
  const { sessionTimer } = profile;
  const timed = expiresSeconds === undefined || sessionTimer === undefined;
  const machine = new OutboundSession({
    profile: timed ? profile : { ...profile, sessionTimer: { ...sessionTimer, expiresSeconds } },
    target: options.target,
    from: serializeNameAddr(withTag(from, profile.createToken())),
    to: serializeNameAddr(parseNameAddr(bracketed(options.to ?? options.target))),
    callId: profile.createToken(),
    headers: options.headers ?? [],
    maxForwards: options.maxForwards,
    credentials: options.credentials,
  });
  // Until its way is known.
  const named = uri.scheme === 'sips' ? 'tls' : (uri.parameters.get('transport') ?? 'udp').toLowerCase();
  const protocol = named === 'tcp' || named === 'tls' ? named : 'udp';
  const expected: SipAddress = { protocol, address: uri.host, port: uri.port ?? defaultPort(protocol) };
  const local = listening.find((address) => address.protocol === protocol);
  const session = new LiveSession({
    host,
    machine,
    flow: undefined,
    remote: expected,
    local: local ?? { ...expected, address: '0.0.0.0', port: 0 },
    ringLimitMs: options.ringLimitMs,
  });
  return { session, machine, user: userPartOf(from.uri) };
}

/** A bare URI with parameters would lose them to the header. */
function bracketed(address: string): string {
  return address.includes('<') ? address : `<${address}>`;
}

/** Escaped user part of a SIP URI, empty where there is none. */
export function userPartOf(text: string): string {
  try {
    return escapeText(parseUri(text).user ?? '', 'user');
  } catch {
    return '';
  }
}
