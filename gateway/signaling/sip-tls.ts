import {
  type ConnectionOptions,
  checkServerIdentity,
  type PeerCertificate,
  rootCertificates,
  type TlsOptions,
} from 'node:tls';
import { GatewayError } from '../errors.ts';

/** What TLS listeners show and what connections of ours believe. */
export interface SipTls {
  /** PEM, the chain and its key. Listeners need both; connections of ours show them to servers that ask. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** PEM: authorities that connections of ours trust besides the system's, and the only ones for the certificates of
   *  those who connect. */
  readonly ca?: string | Buffer | undefined;
  /** Whoever connects must show a certificate of `ca`. */
  readonly requireClientCertificate?: boolean | undefined;
  /** Believes every certificate. For tests alone. */
  readonly insecure?: boolean | undefined;
}

/** Throws `GatewayError` without a certificate. */
export function serverTls(tls: SipTls | undefined): TlsOptions {
  if (tls?.cert === undefined || tls.key === undefined) {
    throw new GatewayError('NO_CERTIFICATE', 'a tls listener needs a certificate and its key');
  }
  const { cert, key, ca, requireClientCertificate = false } = tls;
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    // Also where nobody has to: a trunk that shows one may have its connection used for calls to it (RFC 5923).
    ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: requireClientCertificate }),
  };
}

export function clientTls(tls: SipTls | undefined): ConnectionOptions {
  const { cert, key, insecure = false } = tls ?? {};
  return {
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    // Naming one replaces the system's.
    ...(tls?.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !insecure,
    checkServerIdentity: checkServerName,
  };
}

/** Undefined where the certificate is one for `name`, a host name or an address: by a DNS name or address in it, or by
 *  `sip:name` as RFC 5922 §7.1 has it of SIP domains. */
export function checkServerName(name: string, certificate: PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname ?? '';
  // Quotes stand around what has commas of its own, and could be made to look like two names.
  if (!names.includes('"')) {
    const wanted = `uri:sip:${name.toLowerCase()}`;
    if (names.split(', ').some((found) => found.toLowerCase() === wanted)) return undefined;
  }
  return checkServerIdentity(name, certificate);
}
