import { createSrtpContext, type SrtpContext, type SrtpRefusal } from '../protocol/rtp/srtp.ts';
import { type SrtpMasterKey, srtpGrowthBytesMax } from '../protocol/rtp/srtp-keys.ts';

/** Keys of both directions, as offer and answer left them. */
export interface SrtpKeys {
  readonly send: SrtpMasterKey;
  readonly receive: SrtpMasterKey;
}

/** Longer RTCP than this is not sent. */
const rtcpBytesMax = 1500;

/** SRTP and SRTCP of one endpoint, both ways. */
export class SrtpSession {
  readonly #keys: SrtpKeys;
  readonly #sending: SrtpContext;
  readonly #receiving: SrtpContext;
  /** Of the peer's key before, until the first packet under the new one: what was on its way is heard. */
  #receivingBefore: SrtpContext | undefined;
  #rtcpPacket: Uint8Array | undefined;
  /** Packets that were let in, and those that were not. */
  accepted = 0;
  refused = 0;
  /** Of the refused ones, those whose tag was wrong. */
  forged = 0;

  /** After a re-INVITE a direction whose key is the same goes on where it was: rollovers, replay window and the
   *  counter, which must not begin anew under one key. A new key takes over the rollovers (RFC 3711 §3.3.1), unless the
   *  far side has `moved` to another address: who is there now may not know of them (RFC 4568 §7.1.4). */
  constructor(keys: SrtpKeys, before?: SrtpSession, moved = false) {
    this.#keys = keys;
    if (before === undefined) {
      this.#sending = createSrtpContext(keys.send);
      this.#receiving = createSrtpContext(keys.receive);
      return;
    }
    this.#sending = isSame(before.#keys.send, keys.send)
      ? before.#sending
      : createSrtpContext(keys.send, moved ? undefined : before.#sending);
    const known = isSame(before.#keys.receive, keys.receive);
    this.#receiving = known ? before.#receiving : createSrtpContext(keys.receive, before.#receiving);
    this.#receivingBefore = known ? before.#receivingBefore : before.#receiving;
    this.refused = before.refused;
  }

  /** Opens the packet in place; its size, or 0 where it was refused. */
  unprotect(datagram: Uint8Array): number {
    const result = this.#receiving.unprotect(datagram, datagram.length);
    if (this.#receivingBefore === undefined) return this.#note(result);
    if (typeof result === 'number') this.#receivingBefore = undefined;
    return this.#note(this.#receivingBefore?.unprotect(datagram, datagram.length) ?? result);
  }

  unprotectRtcp(datagram: Uint8Array): number {
    const result = this.#receiving.unprotectRtcp(datagram, datagram.length);
    if (typeof result === 'number' || this.#receivingBefore === undefined) return this.#note(result);
    return this.#note(this.#receivingBefore.unprotectRtcp(datagram, datagram.length));
  }

  /** In place; 0 where it must not be sent. The array needs room for `srtpGrowthBytesMax` more. */
  protect(packet: Uint8Array, sizeBytes: number): number {
    return this.#sending.protect(packet, sizeBytes);
  }

  /** A packet that may be sent until the next call; undefined where it must not be sent. */
  protectRtcp(report: Uint8Array): Uint8Array | undefined {
    if (report.length > rtcpBytesMax) return undefined;
    this.#rtcpPacket ??= new Uint8Array(rtcpBytesMax + srtpGrowthBytesMax);
    this.#rtcpPacket.set(report);
    const sizeBytes = this.#sending.protectRtcp(this.#rtcpPacket, report.length);
    return sizeBytes === 0 ? undefined : this.#rtcpPacket.subarray(0, sizeBytes);
  }

  #note(result: number | SrtpRefusal): number {
    if (typeof result === 'number') {
      this.accepted++;
      return result;
    }
    this.refused++;
    if (result === 'forged') this.forged++;
    return 0;
  }
}

function isSame(a: SrtpMasterKey, b: SrtpMasterKey): boolean {
  return a.suite === b.suite && isEqual(a.masterKey, b.masterKey) && isEqual(a.masterSalt, b.masterSalt);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
