import type { SipHeader } from './message.ts';
import type { SessionProfile } from './session-actions.ts';

/** What we understand, for messages that set up or change a session. RFC 3261 §13.2.1, §13.3.1.4. */
export function capabilityHeaders({ allow, supported }: SessionProfile): SipHeader[] {
  const headers = [{ name: 'Allow', value: allow.join(', ') }];
  if (supported.length > 0) headers.push({ name: 'Supported', value: supported.join(', ') });
  headers.push({ name: 'Accept', value: 'application/sdp' });
  return headers;
}

/** RFC 3326: why a session ends, where nobody above said so. `cause` as in ITU-T Q.850. */
export function reasonHeader(cause: number, text: string): SipHeader {
  return { name: 'Reason', value: `Q.850;cause=${cause};text="${text}"` };
}
