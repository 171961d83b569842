import { HmacSha1 } from './hmac-sha1.ts';
import type { SrtpSessionKey, SrtpSessionKeys, SrtpSuiteParameters } from './srtp-keys.ts';
import { applyKeystream, readWord, SrtpKeystream, writeWord } from './srtp-keystream.ts';
import { encryptedFlag, rtcpClearBytes, type SrtpTransform } from './srtp-transform.ts';

const indexBytes = 4;

/** AES in counter mode and HMAC-SHA1, RFC 3711 §4.1.1 and §4.2.1, with 256 bits RFC 6188. */
export class CounterModeTransform implements SrtpTransform {
  readonly growthBytes: number;
  readonly rtcpGrowthBytes: number;
  readonly #tagBytes: number;
  readonly #rtcpTagBytes: number;
  readonly #rtp: Keys;
  readonly #rtcp: Keys;

  constructor({ tagBytes, rtcpTagBytes }: SrtpSuiteParameters, keys: SrtpSessionKeys) {
    this.growthBytes = tagBytes;
    this.rtcpGrowthBytes = indexBytes + rtcpTagBytes;
    this.#tagBytes = tagBytes;
    this.#rtcpTagBytes = rtcpTagBytes;
    this.#rtp = new Keys(keys.rtp);
    this.#rtcp = new Keys(keys.rtcp);
  }

  protect(
    packet: Uint8Array,
    from: number,
    sizeBytes: number,
    ssrc: number,
    high: number,
    low: number,
  ): number {
    this.#rtp.crypt(packet, from, sizeBytes, ssrc, high, low);
    this.#rtp.hmac.compute(packet, sizeBytes, high);
    return this.#rtp.writeTag(packet, sizeBytes, this.#tagBytes);
  }

  unprotect(
    packet: Uint8Array,
    from: number,
    sizeBytes: number,
    ssrc: number,
    high: number,
    low: number,
  ): number {
    const bareBytes = sizeBytes - this.#tagBytes;
    this.#rtp.hmac.compute(packet, bareBytes, high);
    if (!this.#rtp.isTag(packet, bareBytes, this.#tagBytes)) return -1;
    this.#rtp.crypt(packet, from, bareBytes, ssrc, high, low);
    return bareBytes;
  }

  protectRtcp(packet: Uint8Array, sizeBytes: number, ssrc: number, index: number): number {
    this.#rtcp.crypt(packet, rtcpClearBytes, sizeBytes, ssrc, index >>> 16, index & 0xffff);
    const indexWord = index | encryptedFlag;
    writeWord(packet, sizeBytes, indexWord);
    this.#rtcp.hmac.compute(packet, sizeBytes, indexWord);
    return this.#rtcp.writeTag(packet, sizeBytes + indexBytes, this.#rtcpTagBytes);
  }

  unprotectRtcp(packet: Uint8Array, sizeBytes: number, ssrc: number, indexWord: number): number {
    const tagOffset = sizeBytes - this.#rtcpTagBytes;
    const bareBytes = tagOffset - indexBytes;
    this.#rtcp.hmac.compute(packet, bareBytes, indexWord);
    if (!this.#rtcp.isTag(packet, tagOffset, this.#rtcpTagBytes)) return -1;
    this.#rtcp.crypt(
      packet,
      rtcpClearBytes,
      bareBytes,
      ssrc,
      (indexWord & 0x7fff_ffff) >>> 16,
      indexWord & 0xffff,
    );
    return bareBytes;
  }

  rtcpIndexOffset(sizeBytes: number): number {
    return sizeBytes - this.rtcpGrowthBytes;
  }
}

class Keys {
  readonly hmac: HmacSha1;
  readonly #keystream: SrtpKeystream;
  readonly #salt = new Int32Array(4);

  constructor({ key, salt, authenticationKey }: SrtpSessionKey) {
    this.hmac = new HmacSha1(authenticationKey);
    this.#keystream = new SrtpKeystream(key);
    const padded = new Uint8Array(16);
    padded.set(salt);
    for (let word = 0; word < 4; word++) this.#salt[word] = readWord(padded, word * 4);
  }

  /** The counter begins with salt · 2^16 ⊕ SSRC · 2^64 ⊕ index · 2^16. */
  crypt(packet: Uint8Array, from: number, to: number, ssrc: number, high: number, low: number): void {
    if (to <= from) return;
    const salt = this.#salt;
    const keystream = this.#keystream.blocks(
      salt[0]!,
      salt[1]! ^ ssrc,
      salt[2]! ^ high,
      salt[3]! ^ (low << 16),
      (to - from + 15) >> 4,
    );
    applyKeystream(packet, from, to, keystream, 0);
  }

  writeTag(packet: Uint8Array, at: number, tagBytes: number): number {
    for (let byte = 0; byte < tagBytes; byte++) packet[at + byte] = this.#tagByte(byte);
    return at + tagBytes;
  }

  /** Looks at every byte whatever the first ones are, so that time tells nothing. */
  isTag(packet: Uint8Array, at: number, tagBytes: number): boolean {
    let difference = 0;
    for (let byte = 0; byte < tagBytes; byte++) difference |= packet[at + byte]! ^ this.#tagByte(byte);
    return difference === 0;
  }

  #tagByte(byte: number): number {
    return (this.hmac.digest[byte >> 2]! >>> (24 - 8 * (byte & 3))) & 0xff;
  }
}
