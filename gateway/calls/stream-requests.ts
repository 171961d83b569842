import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { StreamEvent } from '../../protocol/stream/messages.ts';
import type { StreamRequest } from '../media/media-messages.ts';
import type { ReferOutcome } from '../signaling/session.ts';
import type { Call } from './call.ts';
import type { StreamLeg } from './stream-leg.ts';

/** Does for a stream server what it asked of the call. */
export function obeyStream(call: Call, leg: StreamLeg, request: StreamRequest): void {
  switch (request.command) {
    case 'dtmf':
      if (call.line.phone === undefined)
        return refuse(leg, 'no-phone', 'there is no phone to send digits to');
      return call.line.phone.sendDigits(request.digits);
    case 'hangup':
      return call.end('streamClosed', request.reason);
    case 'transfer':
      call.background(transfer(call, leg, request));
  }
}

/** Headers that a server may put into the REFER. */
const allowedHeader = /^(?:X-[A-Za-z0-9-]{1,60}|User-to-User)$/i;
const allowedValue = /^[\x20-\x7e]{0,256}$/;

async function transfer(
  call: Call,
  leg: StreamLeg,
  { to, headers = {} }: Extract<StreamRequest, { readonly command: 'transfer' }>,
): Promise<void> {
  const { phone } = call.line;
  if (phone === undefined) return refuse(leg, 'no-phone', 'there is no phone to transfer');
  const listed = Object.entries(headers).map(([name, value]) => ({ name, value }));
  const wrong = listed.find(({ name, value }) => !allowedHeader.test(name) || !allowedValue.test(value));
  if (wrong !== undefined) {
    const found = wrong.name.slice(0, 40);
    return refuse(leg, 'bad-field', `"headers" must be X- headers or User-to-User in ASCII, got ${found}`);
  }
  const target = /^\+?[0-9*#]+$/.test(to) ? `sip:${to.replace('#', '%23')}@${phone.peerHost}` : to;
  try {
    await call.transfer(target, {
      headers: listed,
      accepted: () => leg.tell({ event: 'transfer', status: 'accepted' }),
    });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    refuse(leg, 'bad-field', `"to" must be a SIP URI or a number: ${error.message}`);
  }
}

/** How a transfer ended, as its stream is told. */
export function transferEvent(outcome: ReferOutcome): StreamEvent {
  const event = 'transfer';
  switch (outcome.outcome) {
    case 'succeeded':
      return { event, status: 'completed', code: outcome.status };
    case 'failed':
      return { event, status: 'failed', code: outcome.status };
    case 'unknown':
      return { event, status: 'unknown' };
  }
}

function refuse(leg: StreamLeg, code: string, message: string): void {
  leg.tell({ event: 'error', code, message });
}
