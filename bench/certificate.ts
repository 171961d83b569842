import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A throw-away certificate for 127.0.0.1 and localhost, signed by itself (RFC 5280 in DER), so that `--tls` needs
 *  neither a file nor a tool. */
export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Valid from a day before `wallMs` for thirty days. */
export function createCertificate(wallMs: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const dayMs = 86_400_000;
  const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'));
  const name = sequence(
    set(sequence(objectId('550403'), tagged(0x0c, Buffer.from('Callwire load harness')))),
  );
  const subjectAlternatives = sequence(
    tagged(0x82, Buffer.from('localhost')),
    tagged(0x87, Buffer.from([127, 0, 0, 1])),
    tagged(0x87, Buffer.from('00000000000000000000000000000001', 'hex')),
  );
  const basicConstraints = sequence(tagged(0x01, Buffer.from([0xff])));
  const extensions = sequence(
    sequence(objectId('551d11'), tagged(0x04, subjectAlternatives)),
    sequence(objectId('551d13'), tagged(0x01, Buffer.from([0xff])), tagged(0x04, basicConstraints)),
  );
  // The serial number is positive: its first bit is clear.
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    ecdsaWithSha256,
    name,
    sequence(utcTime(wallMs - dayMs), utcTime(wallMs + 29 * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(
    body,
    ecdsaWithSha256,
    tagged(0x03, Buffer.concat([Buffer.from([0]), signature])),
  );
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(0x31, Buffer.concat(parts));
}

/** `encoded` is the identifier's content in hexadecimal. */
function objectId(encoded: string): Buffer {
  return tagged(0x06, Buffer.from(encoded, 'hex'));
}

function utcTime(wallMs: number): Buffer {
  const digits = new Date(wallMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
