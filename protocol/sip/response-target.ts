import { ProtocolError } from '../protocol-error.ts';
import { headerValue, type SipResponse } from './message.ts';
import { parseVia } from './via.ts';

/** The port that a response goes to, at the source address of its request: by the top Via, as it was stamped on receipt,
 *  the source port where rport asked for it, else the port of sent-by. Over a connection this is where to connect anew
 *  once it is closed. Undefined where the Via cannot be read. RFC 3261 §18.2.2, RFC 3581 §4.
 *  maddr is not followed: with it strangers would choose whom we send to. */
export function responsePort(response: SipResponse, reliable: boolean): number | undefined {
  try {
    const via = parseVia(headerValue(response, 'Via') ?? '');
    if (!reliable && typeof via.rport === 'number') return via.rport;
    return via.port ?? (via.transport === 'TLS' ? 5061 : 5060);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
