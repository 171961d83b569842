import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { RouteDecision } from '../routing/router.ts';
import type { InviteSession, InviteSessionHandlers } from '../signaling/session.ts';
import type { Call } from './call.ts';
import { iceMessage } from './call-messages.ts';
import { besideRoom } from './conferences.ts';

/** A phone calls: offer checked → routed, or its application asked → RTP port → programme. The answer holds the handlers
 *  of its INVITE session. */
export function receiveCall(call: Call, session: InviteSession): InviteSessionHandlers {
  const { protocol, address, port } = session.remote;
  call.begin({ source: `${protocol}:${address}:${port}`, sipCallId: session.sipCallId });
  call.named(session.sipCallId);
  let programme: Svaml = { instructions: [], action: undefined };
  try {
    const phone = call.line.create({ session }, { opened: () => call.run(programme) });
    call.background(decide());
    return call.guarded(phone.sessionHandlers);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    call.refuseOffer(session, error);
    return { ended: () => {} };
  }

  async function decide(): Promise<void> {
    let decision: RouteDecision;
    try {
      decision = await call.context.route(call.party);
    } catch (error) {
      call.log.error({ err: error }, 'routing failed');
      return call.end('internalError');
    }
    if (!call.live) return;
    if (decision.kind === 'none') return call.end('noRoute');
    call.earlyMedia = decision.earlyMedia;
    const { followsTransfers } = decision;
    call.owner = { ...call.owner, followsTransfers };
    if (decision.kind === 'action') return begin({ instructions: [], action: decision.action });
    const { applicationKey } = decision;
    call.owner = {
      ...call.owner,
      applicationKey,
      trusted: false,
      asksAce: true,
      asksPie: true,
      tellsDice: true,
    };
    const answer = await call.context.callbacks.ask(applicationKey, iceMessage(call));
    if (!call.live) return;
    if (answer.kind === 'failed') return call.end('callbackFailed', answer.detail);
    begin(answer.svaml);
  }

  function begin(svaml: Svaml): void {
    if (!call.routed()) return;
    programme = svaml;
    call.line.open(besideRoom(call, svaml.action));
  }
}
