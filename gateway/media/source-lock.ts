import ipaddr from 'ipaddr.js';
import type { RtpSession, TransportAddress } from './media-messages.ts';

/** Who a source may be: the negotiated address itself, somebody at a host that the peer speaks from, anybody. */
type Rank = 0 | 1 | 2;

interface Candidate {
  readonly address: string;
  readonly port: number;
  readonly rank: Rank;
  readonly firstMs: number;
  sequence: number;
  /** Packets in a row whose sequence numbers go on. */
  inOrder: number;
  packets: number;
}

/** A learned source has to show so many packets in order, over so much time: less than 5 of a stranger's get in before
 *  the peer does, and no burst of his makes him the peer. */
const packetsToLearn = 4;
const learnMs = 30;
/** What is missing between two packets of one sender at its start. */
const gapMax = 10;
const candidatesMax = 16;
/** One at a host that the peer has not been seen at, or with less right than another: the peer may be about to talk. */
const packetsToLearnStrange = 16;
/** No phone sends more often: what comes faster has not been spoken. */
const packetMsMin = 10;
/** For so many packets of a learned source one that has more right to it may still take its place: 3 s at 20 ms. */
const packetsToSettle = 150;

/** From where RTP is accepted. Until the first packet that is the negotiated address or, where the mode allows to
 *  learn, another; from then on it is that packet's source and no other, until the session names a new address. */
export class SourceLock {
  #remote: TransportAddress = { address: '', port: 0 };
  #signaling = '';
  #symmetric: RtpSession['symmetric'] = 'off';
  #locked = false;
  #address = '';
  #port = 0;
  #rank: Rank = 2;
  #unsettled = 0;
  /** Those that are being learned, one of which is heard meanwhile. */
  #candidates: Candidate[] = [];

  /** A changed remote address unlocks; anything else leaves the lock as it is. `signaling`: where the peer's SIP comes
   *  from. */
  expect(remote: TransportAddress, symmetric: RtpSession['symmetric'], signaling = ''): void {
    this.#symmetric = symmetric;
    this.#signaling = signaling;
    if (remote.address === this.#remote.address && remote.port === this.#remote.port) return;
    this.#remote = remote;
    this.#locked = false;
    this.#candidates = [];
  }

  get locked(): boolean {
    return this.#locked;
  }

  isLockedOn(address: string, port: number): boolean {
    return this.#locked && port === this.#port && address === this.#address;
  }

  /** Where to send: to the locked source, before that to the negotiated address. */
  get address(): string {
    return this.#locked ? this.#address : this.#remote.address;
  }

  get port(): number {
    return this.#locked ? this.#port : this.#remote.port;
  }

  /** The only source from now on, if there is one: nothing else needs to be read. */
  get settled(): TransportAddress | undefined {
    if (this.#locked && this.#unsettled === 0) return { address: this.#address, port: this.#port };
    return !this.#locked && this.#symmetric === 'off' ? this.#remote : undefined;
  }

  /** Whether a packet from there may be looked at. */
  admits(address: string, port: number): boolean {
    if (this.#locked) {
      if (this.isLockedOn(address, port)) {
        if (this.#unsettled > 0) this.#unsettled--;
        return true;
      }
      return this.#unsettled > 0 && this.#rankOf(address, port) > this.#rank;
    }
    if (this.#symmetric === 'on') return true;
    if (this.#isExpected(address, port)) return true;
    return this.#symmetric === 'auto' && cannotBeRight(this.#remote.address, address);
  }

  /** Call it for every valid packet that was admitted: whether it is the peer's, as far as that is known. `proven`: its
   *  key says so (SRTP). */
  accept(address: string, port: number, sequence: number, nowMs: number, proven = false): boolean {
    if (this.isLockedOn(address, port)) return true;
    const rank = this.#rankOf(address, port);
    if (rank === 2 || proven) {
      this.#lock(address, port, rank);
      this.#unsettled = 0;
      return true;
    }
    const candidate = this.#meet(address, port, rank, sequence, nowMs);
    if (candidate === undefined) return false;
    const likeliest = this.#likeliest;
    if (this.#isProven(candidate, likeliest!, nowMs)) {
      this.#lock(address, port, rank);
      this.#unsettled = packetsToSettle;
      return true;
    }
    // Its first words are not lost, and no more than these are heard of one who is not the peer.
    return !this.#locked && candidate.packets <= packetsToLearn && candidate === likeliest;
  }

  #isProven({ rank, inOrder, packets, firstMs }: Candidate, likeliest: Candidate, nowMs: number): boolean {
    const strange = (rank === 0 && this.#signaling !== '') || rank < likeliest.rank;
    if (inOrder < (strange ? packetsToLearnStrange : packetsToLearn)) return false;
    const elapsedMs = nowMs - firstMs;
    return elapsedMs >= learnMs && (packets - packetsToLearn) * packetMsMin <= elapsedMs;
  }

  #lock(address: string, port: number, rank: Rank): void {
    this.#locked = true;
    this.#address = address;
    this.#port = port;
    this.#rank = rank;
    this.#candidates = [];
  }

  #meet(address: string, port: number, rank: Rank, sequence: number, nowMs: number): Candidate | undefined {
    const known = this.#candidates.find((other) => other.port === port && other.address === address);
    if (known !== undefined) {
      const ahead = (sequence - known.sequence) & 0xffff;
      known.sequence = sequence;
      known.packets++;
      known.inOrder = ahead > 0 && ahead <= gapMax ? known.inOrder + 1 : 1;
      return known;
    }
    if (this.#candidates.length === candidatesMax && !this.#makeRoom(rank)) return undefined;
    const candidate = { address, port, rank, firstMs: nowMs, sequence, inOrder: 1, packets: 1 };
    this.#candidates.push(candidate);
    return candidate;
  }

  /** One who sprays packets from everywhere must not keep the peer out: who has less right, or nothing to show, goes. */
  #makeRoom(rank: Rank): boolean {
    const least = this.#candidates.reduce((least, other) =>
      other.rank < least.rank || (other.rank === least.rank && other.inOrder < least.inOrder) ? other : least,
    );
    if (least.rank > rank || (least.rank === rank && least.inOrder > 1)) return false;
    this.#candidates.splice(this.#candidates.indexOf(least), 1);
    return true;
  }

  /** The first of those with the most right. */
  get #likeliest(): Candidate | undefined {
    return this.#candidates.reduce((best, other) => (other.rank > best.rank ? other : best));
  }

  #isExpected(address: string, port: number): boolean {
    return port === this.#remote.port && plain(address) === plain(this.#remote.address);
  }

  #rankOf(address: string, port: number): Rank {
    if (this.#isExpected(address, port)) return 2;
    const source = plain(address);
    return source === plain(this.#remote.address) || source === plain(this.#signaling) ? 1 : 0;
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
