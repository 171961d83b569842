import type { ProtocolError } from '../../protocol/protocol-error.ts';
import { warningValue } from '../../protocol/sdp/negotiate.ts';
import { reasonText } from '../../protocol/sip/caller-facts.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import type { SessionEnd } from '../signaling/session.ts';
import type { EndReason } from './end-reason.ts';

/** Whether a phone called us or was called by us. */
export type LegRole = 'caller' | 'callee';

/** What the end of an INVITE session means for its call. */
const endReasonsOf = {
  caller: {
    bye: 'callerHangup',
    cancel: 'cancelled',
    noAck: 'noAck',
    closed: 'shutdown',
    // Outbound sessions only.
    refused: 'internalError',
    unanswered: 'internalError',
    // The phone no longer knows the dialog, or did not refresh it in time.
    unreachable: 'legLost',
  },
  callee: {
    bye: 'calleeHangup',
    refused: 'calleeDeclined',
    unanswered: 'noAnswer',
    unreachable: 'calleeUnreachable',
    closed: 'shutdown',
    // Inbound sessions only.
    cancel: 'internalError',
    noAck: 'internalError',
  },
} as const satisfies Record<LegRole, Record<Exclude<SessionEnd['cause'], 'local'>, EndReason>>;

/** Statuses of RFC 3261 §21 that say more than no; all others of 4xx to 6xx decline. */
const refusals: Readonly<Record<number, EndReason>> = {
  404: 'calleeUnknown',
  408: 'calleeUnreachable',
  410: 'calleeUnknown',
  480: 'noAnswer',
  484: 'calleeUnknown',
  486: 'calleeBusy',
  487: 'noAnswer',
  488: 'calleeNoCodec',
  500: 'calleeUnreachable',
  502: 'calleeUnreachable',
  503: 'calleeUnreachable',
  504: 'calleeUnreachable',
  600: 'calleeBusy',
  604: 'calleeUnknown',
  606: 'calleeNoCodec',
};

/** `answered`: whether the call had been. Undefined where the end was ours. */
export function sessionEndReason(
  end: SessionEnd,
  role: LegRole,
  answered: boolean,
): { readonly reason: EndReason; readonly detail: string | undefined } | undefined {
  if (end.cause === 'local') return undefined;
  const reason = endReasonsOf[role][end.cause];
  if (end.cause === 'refused') {
    const { status, reasonPhrase } = end.response;
    return { reason: refusals[status] ?? reason, detail: `${status} ${reasonPhrase}` };
  }
  if (end.cause === 'unreachable' && role === 'callee' && answered)
    return { reason: 'calleeLost', detail: end.message };
  return { reason, detail: detailOf(end) };
}

/** What its row does not say: why a phone hung up, or how it was lost. */
function detailOf(end: SessionEnd): string | undefined {
  switch (end.cause) {
    case 'bye':
    case 'cancel':
      return reasonText(end.request);
    case 'unreachable':
      return end.message;
    default:
      return undefined;
  }
}

/** How a session description that cannot be served is refused: 488 names why in a Warning (RFC 3261 §20.43). */
export function refusalOf(error: ProtocolError): {
  readonly status: number;
  readonly headers: readonly SipHeader[];
} {
  return {
    status: error.status ?? 488,
    headers: [{ name: 'Warning', value: warningValue(error, 'callwire') }],
  };
}
