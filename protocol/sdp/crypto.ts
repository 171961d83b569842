import type { ProtocolError } from '../protocol-error.ts';
import { type SrtpMasterKey, type SrtpSuite, srtpSuites } from '../rtp/srtp-keys.ts';
import type { RemoteAudio, RemoteCrypto } from './remote-audio.ts';
import { clip, unserved } from './sdp-fields.ts';

/** Keys of SRTP in a session description, RFC 4568 (SDES), with the suites of RFC 6188 and RFC 7714. Messages name tags
 *  and suites, never keys. */

/** `off`: plain RTP alone. `optional`: SRTP where the offer has it. `required`: nothing else. */
export type SrtpPolicy = 'off' | 'optional' | 'required';

/** A key of ours under the tag that it has in the description. */
export interface LocalCrypto {
  readonly tag: number;
  readonly key: SrtpMasterKey;
}

/** What the peer protects its packets with, and under which tag the two sides met. */
export interface RemoteKey {
  readonly tag: number;
  readonly key: SrtpMasterKey;
}

/** The first a=crypto line of the peer's that we can serve; it is the offerer's order that decides (RFC 4568 §5.1.2).
 *  Where there is none, why each of them is refused. */
export function chooseCrypto(
  audio: RemoteAudio,
  accepted: (tag: number, suite: SrtpSuite) => boolean = () => true,
): RemoteKey | { readonly refused: string } {
  const refusals: string[] = [];
  for (const line of audio.crypto) {
    const read = readCryptoLine(line);
    if (typeof read === 'string') refusals.push(`${line.tag}: ${read}`);
    else if (accepted(read.tag, read.key.suite)) return read;
    else refusals.push(`${line.tag}: not offered`);
  }
  const shown = refusals.slice(0, 4).join(', ');
  return { refused: shown === '' ? 'no a=crypto line' : `crypto ${shown}` };
}

/** Value of the attribute: `1 AES_CM_128_HMAC_SHA1_80 inline:…`. */
export function writeCryptoLine({ tag, key }: LocalCrypto): { id: number; suite: string; config: string } {
  const material = new Uint8Array([...key.masterKey, ...key.masterSalt]);
  return { id: tag, suite: key.suite, config: `inline:${encodeBase64(material)}` };
}

export function cryptoUnserved(refusals: readonly string[]): ProtocolError {
  return unserved(
    'crypto-unsupported',
    `an a=crypto line with one of ${Object.keys(srtpSuites).join(', ')} and without MKI expected, got ${refusals.join('; ')}`,
  );
}

function readCryptoLine(line: RemoteCrypto): RemoteKey | string {
  if (!isSuite(line.suite)) return `suite ${clip(line.suite)} is unknown`;
  // Those that begin with a dash may be ignored, WSH is a mere hint (RFC 4568 §6.3.7, §9.2); any other one changes how
  // packets look.
  const parameters = (line.sessionParameters ?? '')
    .split(',')
    .filter((each) => !/^(?:-|WSH=\d|$)/.test(each));
  if (parameters.length > 0) return `session parameter ${clip(parameters[0]!)} is not served`;
  const key = readKeyParameters(line.suite, line.keyParameters);
  return typeof key === 'string' ? key : { tag: line.tag, key };
}

function isSuite(suite: string): suite is SrtpSuite {
  return Object.hasOwn(srtpSuites, suite);
}

/** `inline:<key and salt>|<lifetime>|<MKI>:<length>`, the last two optional, RFC 4568 §6.1. */
function readKeyParameters(suite: SrtpSuite, text: string): SrtpMasterKey | string {
  if (text.includes(';')) return 'one key expected, as MKI is not served, got several';
  const method = /^inline:([^|]*)((?:\|[^|]*)*)$/i.exec(text);
  if (method === null) return 'inline:<key> expected';
  const { keyBytes, saltBytes } = srtpSuites[suite];
  const material = decodeBase64(method[1]!);
  if (material?.length !== keyBytes + saltBytes)
    return `key and salt of ${keyBytes + saltBytes} bytes expected in base64`;
  let packetsMax: number | undefined;
  for (const parameter of method[2]!.split('|').slice(1)) {
    if (parameter.includes(':')) return 'MKI is not served';
    packetsMax = readLifetime(parameter);
    if (packetsMax === undefined) return `a lifetime from 1 to 2^48 expected, got ${clip(parameter)}`;
  }
  return {
    suite,
    masterKey: material.subarray(0, keyBytes),
    masterSalt: material.subarray(keyBytes),
    packetsMax,
  };
}

/** `2^20`, or a decimal number of packets. */
function readLifetime(text: string): number | undefined {
  const power = /^2\^(\d{1,2})$/.exec(text);
  const packets = power !== null ? 2 ** Number(power[1]) : /^\d{1,15}$/.test(text) ? Number(text) : 0;
  return packets >= 1 && packets <= 2 ** 48 ? packets : undefined;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function encodeBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let character = 0; character < 4; character++) {
      text += at + character > bytes.length ? '=' : alphabet[(group >> (18 - 6 * character)) & 0x3f];
    }
  }
  return text;
}

/** Undefined for what is no base64; padding may be missing, as some senders leave it out. */
function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]{4,128}={0,2}$/.test(text)) return undefined;
  const characters = text.replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((characters.length * 6) / 8));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const character of characters) {
    held = ((held << 6) | alphabet.indexOf(character)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
  }
  return bytes;
}
