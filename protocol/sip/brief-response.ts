import { Buffer } from 'node:buffer';
import type { SipHeader, SipResponse } from './message.ts';
import { serializeMessage } from './serialize.ts';

/** All that a response must carry. RFC 3261 §8.2.6, and what its status calls for (§20, table 2). */
const needed = new Set([
  ...['Via', 'From', 'To', 'Call-ID', 'CSeq', 'WWW-Authenticate', 'Proxy-Authenticate'],
  ...['Retry-After', 'Min-Expires', 'Unsupported'],
]);

const compact: Readonly<Record<string, string>> = { Via: 'v', From: 'f', To: 't', 'Call-ID': 'i' };

/** A response without body in at most `sizeBytesMax`, as it goes out over UDP: whole where that fits, else without what
 *  may be left out, else in short forms, else with one challenge only, the MD5 that every phone understands if there is one. The
 *  shortest that there is where nothing fits. Whoever forges the source address of a request must not make us send more
 *  to it than he sent himself. */
export function serializeBriefly(response: SipResponse, sizeBytesMax: number): Uint8Array {
  const whole = serializeMessage(response);
  if (whole.length <= sizeBytesMax) return whole;
  const bare = { ...response, headers: response.headers.filter(({ name }) => needed.has(name)) };
  const plain = serializeMessage(bare);
  if (plain.length <= sizeBytesMax) return plain;
  const short = serializeShort(bare);
  if (short.length <= sizeBytesMax) return short;
  return serializeShort({ ...bare, headers: withOneChallenge(bare.headers) });
}

/** Compact names (RFC 3261 §7.3.3), no reason phrase (§25.1 lets it be empty), no Content-Length: a datagram has its own
 *  (§20.14). */
function serializeShort({ status, headers }: SipResponse): Uint8Array {
  const lines = headers.map(({ name, value }) => `${compact[name] ?? name}:${value}\r\n`);
  return Buffer.from(`SIP/2.0 ${status} \r\n${lines.join('')}\r\n`);
}

function withOneChallenge(headers: readonly SipHeader[]): readonly SipHeader[] {
  const challenges = headers.flatMap(({ name }, index) => (name.endsWith('-Authenticate') ? [index] : []));
  const kept =
    challenges.find((index) => /,algorithm=MD5(?:,|$)/.test(headers[index]!.value)) ?? challenges.at(-1);
  return headers.flatMap((header, index) => {
    if (!header.name.endsWith('-Authenticate')) return header;
    return index === kept ? { ...header, value: withoutDefaults(header.value) } : [];
  });
}

/** A challenge that names no algorithm means MD5 (RFC 7616 §3.3); one kind of protection is enough. */
function withoutDefaults(challenge: string): string {
  return challenge.replace(/,algorithm=MD5(?=,|$)/, '').replace('qop="auth,auth-int"', 'qop="auth"');
}
