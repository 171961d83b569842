import { ProtocolError } from '../protocol-error.ts';
import { headerValue, type SipResponse } from './message.ts';
import { parseVia } from './via.ts';

/** The port that a response goes to, at the source address of its request: by the top Via, as it was stamped on receipt,
 *  the source port where rport asked for it or the Via cannot be read, else the port of sent-by. Over a connection this
 *  is where to connect anew once it is closed. Undefined without a Via. RFC 3261 §18.2.2, RFC 3581 §4.
 *  maddr is not followed: with it strangers would choose whom we send to. */
export function responsePort(
  response: SipResponse,
  source: { readonly port: number; readonly reliable: boolean },
): number | undefined {
  const text = headerValue(response, 'Via');
  if (text === undefined) return undefined;
  try {
    const via = parseVia(text);
    if (!source.reliable && typeof via.rport === 'number') return via.rport;
    return via.port ?? (via.transport === 'TLS' ? 5061 : 5060);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return source.port;
  }
}
