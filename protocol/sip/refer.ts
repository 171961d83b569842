import { Buffer } from 'node:buffer';
import { ProtocolError } from '../protocol-error.ts';
import { rejectValue } from './header-scanner.ts';
import { parseReplaces, type Replaces } from './header-values.ts';
import { headerValue, headerValues, type SipHeader, type SipRequest } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { reasonPhraseOf } from './reason-phrases.ts';
import { parseUri, serializeUri } from './uri.ts';
import { escapeText } from './uri-escape.ts';

/** Transfer: what REFER asks for and what its NOTIFYs tell. RFC 3515, RFC 3891, RFC 3892, RFC 4488. */

export interface ReferTarget {
  /** Whom to call, without the headers that were asked for. */
  readonly uri: string;
  /** The call that the new one is to take the place of: attended transfer. */
  readonly replaces: Replaces | undefined;
}

/** Value of Refer-To. `replaces` is a Replaces value. Throws `ProtocolError` for a bad URI. */
export function serializeReferTo(uri: string, replaces?: string): string {
  parseUri(uri);
  if (replaces === undefined) return `<${uri}>`;
  const separator = uri.includes('?') ? '&' : '?';
  return `<${uri}${separator}Replaces=${escapeText(replaces, 'header')}>`;
}

/** The Refer-To of a REFER. Throws `ProtocolError` 400 where there is not exactly one that we can read (§2.4.2). */
export function parseReferTo(refer: SipRequest): ReferTarget {
  const values = headerValues(refer, 'Refer-To');
  if (values.length !== 1)
    throw new ProtocolError('bad-refer-to', `one Refer-To expected, got ${values.length}`, { status: 400 });
  const { uri: text } = parseNameAddr(values[0]!);
  const uri = parseUri(text);
  const replaces = uri.headers.find(({ name }) => name.toLowerCase() === 'replaces');
  const parameters = new Map(uri.parameters);
  parameters.delete('method');
  return {
    uri: serializeUri({ ...uri, parameters, headers: [] }),
    replaces: replaces === undefined ? undefined : parseReplaces(replaces.value),
  };
}

/** Value of Replaces, as the one reads it who is to give up that dialog: `toTag` is its own. RFC 3891 §6.1. */
export function serializeReplaces({ callId, toTag, fromTag, earlyOnly }: Replaces): string {
  return `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ';early-only' : ''}`;
}

/** The Replaces of an INVITE, undefined without one. Throws `ProtocolError` 400 for two, or one beside Join. */
export function replacesOf(invite: SipRequest): Replaces | undefined {
  const values = headerValues(invite, 'Replaces');
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1 || headerValue(invite, 'Join') !== undefined)
    rejectValue('bad-replaces', 'expected one Replaces and no Join', values.join(', '));
  return parseReplaces(value);
}

/** What became of a call that REFER asked for, as far as it is known. */
export interface ReferProgress {
  /** 100–699. */
  readonly status: number;
  readonly reasonPhrase: string;
}

/** Body of a NOTIFY: the status line of the call's response. RFC 3420. */
export function serializeSipfrag({ status, reasonPhrase }: ReferProgress): Uint8Array {
  return Buffer.from(`SIP/2.0 ${status} ${reasonPhrase}\r\n`);
}

/** Undefined where there is none, as in the last NOTIFY of a subscription that just ends. */
export function parseSipfrag(body: Uint8Array): ReferProgress | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 1024)).toString('utf8');
  const match = /^\s*SIP\/2\.0[ \t]+([1-6]\d\d)(?:[ \t]+([^\r\n]*))?/i.exec(text);
  if (match === null) return undefined;
  const status = Number(match[1]);
  return { status, reasonPhrase: (match[2] ?? '').trim() || reasonPhraseOf(status) };
}

export interface ReferNotice {
  /** CSeq of the REFER it speaks of; undefined where only one is possible. */
  readonly id: number | undefined;
  readonly progress: ReferProgress | undefined;
  /** Nothing more will come. */
  readonly terminated: boolean;
}

/** A NOTIFY about a transfer, undefined for one about anything else. */
export function parseReferNotice(notify: SipRequest): ReferNotice | undefined {
  const [event, ...parameters] = (headerValue(notify, 'Event') ?? '').split(';').map((part) => part.trim());
  if (event?.toLowerCase() !== 'refer') return undefined;
  const id = parameters.map((parameter) => /^id\s*=\s*(\d+)$/i.exec(parameter)?.[1]).find(Boolean);
  const state = headerValue(notify, 'Subscription-State') ?? '';
  return {
    id: id === undefined ? undefined : Number(id),
    progress: parseSipfrag(notify.body),
    terminated: /^\s*terminated\b/i.test(state),
  };
}

/** Headers and body of a NOTIFY of ours. `id` where another REFER came before on the dialog (RFC 3515 §2.4.6). */
export function referNotice(
  progress: ReferProgress,
  { id, expiresSeconds }: { readonly id: number | undefined; readonly expiresSeconds: number },
): { readonly headers: readonly SipHeader[]; readonly body: Uint8Array } {
  const state =
    progress.status < 200
      ? `active;expires=${Math.max(1, Math.ceil(expiresSeconds))}`
      : 'terminated;reason=noresource';
  return {
    headers: [
      { name: 'Event', value: id === undefined ? 'refer' : `refer;id=${id}` },
      { name: 'Subscription-State', value: state },
      { name: 'Content-Type', value: 'message/sipfrag;version=2.0' },
    ],
    body: serializeSipfrag(progress),
  };
}

/** RFC 4488 §4: the one who refers does not want NOTIFYs, or the one referred will not send any. */
export function declinesSubscription(message: Parameters<typeof headerValue>[0]): boolean {
  return /^\s*false\s*(;|$)/i.test(headerValue(message, 'Refer-Sub') ?? '');
}
