import { isIP } from 'node:net';
import type { Dialog } from '../../protocol/sip/dialog.ts';
import { headerValue, headerValues, type SipRequest } from '../../protocol/sip/message.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import { parseVia } from '../../protocol/sip/via.ts';
import type { SipFlow } from './sip-flow.ts';

/** True where requests of ours go back the way the INVITE came, instead of to the address in its Contact or
 *  Record-Route, which cannot be reached: over the same connection, and through the NAT of a phone that knows only its
 *  private address. `invite` carries its source in the top Via. */
export function usesFlow(dialog: Dialog, invite: SipRequest, flow: SipFlow): boolean {
  const { host } = parseUri(dialog.nextHop);
  if (flow.reliable) return dialog.routeSet.length === 0 || isSame(host, flow.remote.address);
  if (dialog.routeSet.length > 0 || headerValues(invite, 'Via').length !== 1) return false;
  const via = parseVia(headerValue(invite, 'Via') ?? '');
  // Sent from elsewhere than it believes, and it believes the same in its Contact. A name could still be right.
  return via.received !== undefined && via.received !== via.host && host === via.host && isIP(host) !== 0;
}

/** The dialog that this INVITE begins is one of TLS on every hop: RFC 3261 §12.1.1. */
export function wantsSecureContact(invite: SipRequest): boolean {
  const next = headerValue(invite, 'Record-Route') ?? headerValue(invite, 'Contact') ?? '';
  return /^sips:/i.test(invite.uri) || /^[^<]*<\s*sips:|^\s*sips:/i.test(next);
}

function isSame(host: string, address: string): boolean {
  return host.toLowerCase() === address.toLowerCase();
}
