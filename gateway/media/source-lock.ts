import ipaddr from 'ipaddr.js';
import type { RtpSession, TransportAddress } from './media-messages.ts';

/** From where RTP is accepted. Until the first packet that is the negotiated address or, where the mode allows to
 *  learn, another; from then on it is that packet's source and no other, until the session names a new address. */
export class SourceLock {
  #remote: TransportAddress = { address: '', port: 0 };
  #symmetric: RtpSession['symmetric'] = 'off';
  #locked = false;
  #address = '';
  #port = 0;

  /** A changed remote address unlocks; anything else leaves the lock as it is. */
  expect(remote: TransportAddress, symmetric: RtpSession['symmetric']): void {
    this.#symmetric = symmetric;
    if (remote.address === this.#remote.address && remote.port === this.#remote.port) return;
    this.#remote = remote;
    this.#locked = false;
  }

  get locked(): boolean {
    return this.#locked;
  }

  /** Where to send: to the locked source, before that to the negotiated address. */
  get address(): string {
    return this.#locked ? this.#address : this.#remote.address;
  }

  get port(): number {
    return this.#locked ? this.#port : this.#remote.port;
  }

  /** Whether a packet from there may be looked at. */
  admits(address: string, port: number): boolean {
    if (this.#locked) return port === this.#port && address === this.#address;
    if (this.#symmetric === 'on') return true;
    if (port === this.#remote.port && plain(address) === plain(this.#remote.address)) return true;
    return this.#symmetric === 'auto' && cannotBeRight(this.#remote.address, address);
  }

  /** Call it for the first valid packet that was admitted. */
  lock(address: string, port: number): void {
    this.#locked = true;
    this.#address = address;
    this.#port = port;
  }
}

/** A socket of both families reports IPv4 as `::ffff:192.0.2.1`. */
function plain(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

/** No packet of a peer at `announced` can have `source`: it is behind a NAT, or on this very host, where it announces
 *  the address of a network card and yet sends over loopback. */
function cannotBeRight(announced: string, source: string): boolean {
  if (isLoopback(announced) !== isLoopback(source)) return true;
  return isPrivate(announced) && !isPrivate(source);
}

function isLoopback(address: string): boolean {
  return rangeOf(address) === 'loopback';
}

const privateRanges: ReadonlySet<string> = new Set([
  'private',
  'loopback',
  'linkLocal',
  'uniqueLocal',
  'carrierGradeNat',
  'unspecified',
]);

/** No address that a peer on another network could be reached at. */
function isPrivate(address: string): boolean {
  return privateRanges.has(rangeOf(address));
}

function rangeOf(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).range() : '';
}
