import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import {
  checkSignature,
  parseAuthorization,
  type SeenSignatures,
  type SignedRequest,
} from '../../protocol/signing.ts';

export type Access =
  | { readonly allowed: true; readonly application: string | undefined }
  /** The headers are in order; `checkSigned` has to see the body. */
  | { readonly allowed: 'signed'; readonly application: ApplicationSecret; readonly signature: string }
  | { readonly allowed: false; readonly status: 401 | 403; readonly message: string };

export interface ApplicationSecret {
  readonly key: string;
  /** base64 */
  readonly secret: string;
}

export interface AccessRules {
  readonly applications: readonly ApplicationSecret[];
  /** The listener is bound to a loopback address. */
  readonly loopback: boolean;
}

/** Who may use the API: with applications, whoever shows the secret of one; without any, programs on this machine
 *  that mean this machine. */
export function checkAccess({ applications, loopback }: AccessRules, headers: IncomingHttpHeaders): Access {
  // A web page that the operator has open can send requests to this machine, but not without saying who it is.
  if (headers.origin !== undefined && originHost(headers.origin) !== headers.host?.toLowerCase()) {
    return refused(403, 'requests from other web sites are not answered');
  }
  if (applications.length > 0) {
    return (
      checkApplication(applications, headers.authorization) ?? checkBasic(applications, headers.authorization)
    );
  }
  if (!loopback) {
    return refused(
      403,
      'without configured applications the API answers on a loopback listener only; set applications, or http.listen to 127.0.0.1',
    );
  }
  // A name that somebody else points at 127.0.0.1 would carry a browser's requests past its same-origin rule.
  if (!isLoopbackHost(headers.host)) {
    return refused(
      403,
      'without configured applications the Host header must name localhost, 127.0.0.1 or [::1]',
    );
  }
  return { allowed: true, application: undefined };
}

export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

function refused(status: 401 | 403, message: string): Access {
  return { allowed: false, status, message };
}

function isLoopbackHost(host: string | undefined): boolean {
  const name = host?.toLowerCase().replace(/:\d{1,5}$/, '');
  return name === 'localhost' || name === '[::1]' || (name !== undefined && isLoopbackAddress(name));
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Undefined for another scheme. */
function checkApplication(
  applications: readonly ApplicationSecret[],
  authorization: string | undefined,
): Access | undefined {
  let shown: ReturnType<typeof parseAuthorization>;
  try {
    shown = parseAuthorization(authorization ?? '');
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return refused(401, error.message);
  }
  if (shown === undefined) return undefined;
  const { key, signature } = shown;
  const application = applications.find((each) => each.key === key);
  return application === undefined
    ? refused(401, 'no application has this key')
    : { allowed: 'signed', application, signature };
}

/** The second half of `checkAccess`, once the body is there. */
export function checkSigned(
  request: SignedRequest,
  { application, signature }: Extract<Access, { allowed: 'signed' }>,
  seen: SeenSignatures,
  wallMs: number,
): Access {
  try {
    checkSignature(request, signature, application.secret, wallMs);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return refused(401, error.message);
  }
  if (!seen.accept(signature, wallMs))
    return refused(401, 'this signature was used before; sign each request anew');
  return { allowed: true, application: application.key };
}

/** RFC 7617: key and secret, the secret as it stands in the configuration. */
function checkBasic(applications: readonly ApplicationSecret[], authorization: string | undefined): Access {
  const match = /^Basic +([A-Za-z0-9+/=]{1,4096})$/i.exec(authorization ?? '');
  if (match === null)
    return refused(
      401,
      'expected Authorization: Application KEY:SIGNATURE, or Basic with the key and secret of an application',
    );
  const shown = digest(Buffer.from(match[1]!, 'base64'));
  let application: string | undefined;
  // All are compared, in constant time, so that the time tells nothing about which one is nearly right.
  for (const { key, secret } of applications) {
    if (timingSafeEqual(shown, digest(Buffer.from(`${key}:${secret}`)))) application = key;
  }
  return application === undefined
    ? refused(401, 'no application has this key and secret')
    : { allowed: true, application };
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
