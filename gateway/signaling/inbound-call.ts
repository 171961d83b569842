import { ProtocolError } from '../../protocol/protocol-error.ts';
import { InboundSession } from '../../protocol/sip/inbound-session.ts';
import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import type { SessionProfile } from '../../protocol/sip/session-actions.ts';
import { usesFlow, wantsSecureContact } from './flow-choice.ts';
import { LiveSession, type SessionHost } from './live-session.ts';
import { userPartOf } from './outbound-call.ts';
import { contactFor } from './request-sender.ts';
import type { SipFlow } from './sip-flow.ts';

/** Why an INVITE begins no session. */
export interface InviteRefusal {
  readonly status: number;
  readonly headers: readonly SipHeader[];
  /** A metric label. */
  readonly code: string;
}

/** The session that an INVITE begins, or how it is refused: with 400 where there is no way back to the caller, with 422
 *  where it wants to be asked too often whether it is still there. */
export function createInbound(
  invite: SipRequest,
  flow: SipFlow,
  {
    host,
    profile,
    externalAddress,
  }: {
    readonly host: SessionHost;
    readonly profile: SessionProfile;
    readonly externalAddress: string | undefined;
  },
): LiveSession | InviteRefusal {
  const machine = new InboundSession({
    invite,
    profile,
    contact: contactFor(flow, {
      user: userPartOf(invite.uri),
      externalAddress,
      secure: flow.protocol === 'tls' && wantsSecureContact(invite),
    }),
    localTag: profile.createToken(),
  });
  const session = new LiveSession({ host, machine, flow, remote: flow.remote, local: flow.local });
  try {
    if (usesFlow(machine.dialog, invite, flow)) session.flowHops.add(machine.dialog.nextHop);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { status: 400, headers: [], code: error.code };
  }
  const { timerRefusal } = machine;
  if (timerRefusal === undefined) return session;
  return { status: 422, headers: timerRefusal, code: 'session-interval-too-small' };
}
