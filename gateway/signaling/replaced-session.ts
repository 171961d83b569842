import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Replaces } from '../../protocol/sip/header-values.ts';
import type { SipRequest } from '../../protocol/sip/message.ts';
import { replacesOf } from '../../protocol/sip/refer.ts';
import { dialogKey } from '../../protocol/sip/transaction-key.ts';
import type { LiveSession } from './live-session.ts';

/** The session that an INVITE wants to take the place of, or how it is refused; undefined where it names none.
 *  RFC 3891 §3. */
export function findReplaced(
  invite: SipRequest,
  ofDialog: (key: string) => LiveSession | undefined,
):
  | { readonly session: LiveSession; readonly refuseWith?: undefined }
  | { readonly refuseWith: number }
  | undefined {
  let replaces: Replaces | undefined;
  try {
    replaces = replacesOf(invite);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { refuseWith: 400 };
  }
  if (replaces === undefined) return undefined;
  const { callId, toTag, fromTag, earlyOnly } = replaces;
  // A tag of 0 stands for a phone without one, of RFC 2543.
  const remoteTag = fromTag === '0' ? undefined : fromTag;
  const session = ofDialog(dialogKey(callId, toTag, remoteTag));
  if (session === undefined) return { refuseWith: 481 };
  if (session.state === 'ended') return { refuseWith: 603 };
  // Only who rings somebody may be told that another takes over; whom we ring is not ours to give away.
  if (session.state === 'early') return session.direction === 'outbound' ? { session } : { refuseWith: 481 };
  return earlyOnly ? { refuseWith: 486 } : { session };
}
