import { rtpHeaderBytes } from './packet.ts';
import { ReplayWindow } from './replay-window.ts';
import { CounterModeTransform } from './srtp-counter-mode.ts';
import { GcmTransform } from './srtp-gcm.ts';
import { deriveSessionKeys, type SrtpMasterKey, srtpSuites } from './srtp-keys.ts';
import { readWord } from './srtp-keystream.ts';
import { encryptedFlag, rtcpClearBytes, type SrtpTransform } from './srtp-transform.ts';

/** Why a packet was not let in. `malformed`: too short, or no RTP. `forged`: the tag is wrong, or that of another key.
 *  `replayed` and `late`: came before, or too long ago to tell. `sources`: one SSRC too many. `expired`: the key has been
 *  used as often as it may. `unencrypted`: SRTCP without encryption, which was not agreed. */
export type SrtpRefusal =
  | 'malformed'
  | 'forged'
  | 'replayed'
  | 'late'
  | 'sources'
  | 'expired'
  | 'unencrypted';

/** Only packets that were authenticated add one, so this bounds what the peer itself can make us hold: a kilobyte
 *  each. */
const sourcesMax = 256;
const indexesMax = 2 ** 48;
const rtcpIndexesMax = 2 ** 31;
const noIndexes: ReadonlyMap<number, number> = new Map();

/** SRTP and SRTCP of one direction under one master key, RFC 3711. `before` is the context of the key that this one
 *  takes over from, between the same two ends: the indexes go on where they were. RangeError for a key of the wrong
 *  length. */
export function createSrtpContext(key: SrtpMasterKey, before?: SrtpContext): SrtpContext {
  const keys = deriveSessionKeys(key);
  const parameters = srtpSuites[key.suite];
  const transform =
    parameters.cipher === 'gcm' ? new GcmTransform(keys) : new CounterModeTransform(parameters, keys);
  return new SrtpContext(transform, key.packetsMax ?? indexesMax, before);
}

/** Use one for sending and another for receiving. Everything happens in place; nothing that was not authenticated
 *  changes any state. */
export class SrtpContext {
  readonly #transform: SrtpTransform;
  readonly #packetsMax: number;
  readonly #sources = new Map<number, ReplayWindow>();
  readonly #rtcpSources = new Map<number, ReplayWindow>();
  /** Highest index of each source under the keys before. */
  readonly #indexesBefore: ReadonlyMap<number, number>;
  readonly #rtcpIndexesBefore: ReadonlyMap<number, number>;
  #packets = 0;
  #rtcpPackets = 0;

  constructor(transform: SrtpTransform, packetsMax: number, before?: SrtpContext) {
    this.#transform = transform;
    this.#packetsMax = packetsMax;
    this.#indexesBefore =
      before === undefined ? noIndexes : highestIndexes(before.#sources, before.#indexesBefore);
    this.#rtcpIndexesBefore =
      before === undefined ? noIndexes : highestIndexes(before.#rtcpSources, before.#rtcpIndexesBefore);
  }

  /** Protects `packet[0 … sizeBytes]`, which must be RTP, and returns its new size. 0 where the key has expired or the
   *  packet has too many sources before it: it must not be sent then. RangeError where the array has no room for
   *  `srtpGrowthBytesMax` more. */
  protect(packet: Uint8Array, sizeBytes: number): number {
    this.#assertRoom(packet, sizeBytes + this.#transform.growthBytes);
    const from = payloadOffset(packet, sizeBytes);
    if (from < 0) throw new RangeError('an RTP packet expected');
    const ssrc = readWord(packet, 8) >>> 0;
    const window = this.#sources.get(ssrc) ?? addSource(this.#sources, ssrc, this.#indexesBefore.get(ssrc));
    if (window === undefined || this.#packets >= this.#packetsMax) return 0;
    const index = nextIndex(window.highest, (packet[2]! << 8) | packet[3]!);
    if (index >= indexesMax) return 0;
    window.highest = index;
    this.#packets++;
    return this.#transform.protect(
      packet,
      from,
      sizeBytes,
      ssrc,
      Math.floor(index / 0x1_0000),
      index % 0x1_0000,
    );
  }

  /** The size of the RTP packet that `packet[0 … sizeBytes]` now is, or why it was refused; it is unchanged then. */
  unprotect(packet: Uint8Array, sizeBytes: number): number | SrtpRefusal {
    const from = payloadOffset(packet, sizeBytes - this.#transform.growthBytes);
    if (from < 0) return 'malformed';
    const ssrc = readWord(packet, 8) >>> 0;
    const known = this.#sources.get(ssrc);
    const sequence = (packet[2]! << 8) | packet[3]!;
    const highest = known?.highest ?? this.#indexesBefore.get(ssrc);
    const opened = this.#open(packet, from, sizeBytes, known, estimateIndex(highest, sequence));
    if (typeof opened === 'number' || known !== undefined || highest === undefined) return opened;
    // The rollover counter outlives its key (RFC 3711 §3.3.1), but begins anew with a key for another address (RFC 4568
    // §7.1.4), and with some senders with every key: the tag tells.
    return this.#open(packet, from, sizeBytes, undefined, sequence);
  }

  #open(
    packet: Uint8Array,
    from: number,
    sizeBytes: number,
    known: ReplayWindow | undefined,
    index: number,
  ): number | SrtpRefusal {
    const place = index < 0 ? 'late' : (known?.check(index) ?? 'new');
    if (place !== 'new') return place;
    if (known === undefined && this.#sources.size >= sourcesMax) return 'sources';
    if (index >= indexesMax || this.#packets >= this.#packetsMax) return 'expired';
    const ssrc = readWord(packet, 8) >>> 0;
    const bareBytes = this.#transform.unprotect(
      packet,
      from,
      sizeBytes,
      ssrc,
      Math.floor(index / 0x1_0000),
      index % 0x1_0000,
    );
    if (bareBytes < 0) return 'forged';
    (known ?? addSource(this.#sources, ssrc))?.note(index);
    this.#packets++;
    return bareBytes;
  }

  /** As `protect`, of a compound RTCP packet. */
  protectRtcp(packet: Uint8Array, sizeBytes: number): number {
    this.#assertRoom(packet, sizeBytes + this.#transform.rtcpGrowthBytes);
    if (sizeBytes < rtcpClearBytes) throw new RangeError('an RTCP packet expected');
    const ssrc = readWord(packet, 4) >>> 0;
    const window =
      this.#rtcpSources.get(ssrc) ?? addSource(this.#rtcpSources, ssrc, this.#rtcpIndexesBefore.get(ssrc));
    if (window === undefined || this.#rtcpPackets >= this.#packetsMax) return 0;
    const index = window.highest + 1;
    if (index >= rtcpIndexesMax) return 0;
    window.highest = index;
    this.#rtcpPackets++;
    return this.#transform.protectRtcp(packet, sizeBytes, ssrc, index);
  }

  /** As `unprotect`, of SRTCP. */
  unprotectRtcp(packet: Uint8Array, sizeBytes: number): number | SrtpRefusal {
    if (sizeBytes < rtcpClearBytes + this.#transform.rtcpGrowthBytes || packet[0]! >> 6 !== 2)
      return 'malformed';
    const ssrc = readWord(packet, 4) >>> 0;
    const indexWord = readWord(packet, this.#transform.rtcpIndexOffset(sizeBytes));
    if ((indexWord & encryptedFlag) === 0) return 'unencrypted';
    const index = indexWord & 0x7fff_ffff;
    const known = this.#rtcpSources.get(ssrc);
    const place = known?.check(index) ?? 'new';
    if (place !== 'new') return place;
    if (known === undefined && this.#rtcpSources.size >= sourcesMax) return 'sources';
    if (this.#rtcpPackets >= this.#packetsMax) return 'expired';
    const bareBytes = this.#transform.unprotectRtcp(packet, sizeBytes, ssrc, indexWord);
    if (bareBytes < 0) return 'forged';
    (known ?? addSource(this.#rtcpSources, ssrc))?.note(index);
    this.#rtcpPackets++;
    return bareBytes;
  }

  #assertRoom(packet: Uint8Array, neededBytes: number): void {
    if (packet.length < neededBytes)
      throw new RangeError(`room for ${neededBytes} bytes expected, got ${packet.length}`);
  }
}

function addSource(sources: Map<number, ReplayWindow>, ssrc: number, highest = -1): ReplayWindow | undefined {
  if (sources.size >= sourcesMax) return undefined;
  const window = new ReplayWindow();
  window.highest = highest;
  sources.set(ssrc, window);
  return window;
}

function highestIndexes(
  sources: ReadonlyMap<number, ReplayWindow>,
  before: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  const indexes = new Map<number, number>();
  for (const [ssrc, { highest }] of sources) if (highest >= 0) indexes.set(ssrc, highest);
  for (const [ssrc, highest] of before) {
    if (indexes.size < sourcesMax && !indexes.has(ssrc)) indexes.set(ssrc, highest);
  }
  return indexes;
}

/** Behind CSRCs and header extension, which stay readable; -1 for what is no RTP. */
function payloadOffset(packet: Uint8Array, sizeBytes: number): number {
  if (sizeBytes < rtpHeaderBytes || sizeBytes > packet.length || packet[0]! >> 6 !== 2) return -1;
  let offset = rtpHeaderBytes + (packet[0]! & 0x0f) * 4;
  if ((packet[0]! & 0x10) !== 0) {
    if (offset + 4 > sizeBytes) return -1;
    offset += 4 + ((packet[offset + 2]! << 8) | packet[offset + 3]!) * 4;
  }
  return offset > sizeBytes ? -1 : offset;
}

/** Index of what we send: always a later one, since two packets under one index give their difference away. */
function nextIndex(highest: number, sequence: number): number {
  if (highest < 0) return sequence;
  const ahead = (sequence - highest) & 0xffff;
  return highest + (ahead === 0 ? 0x1_0000 : ahead);
}

/** The index nearest to the highest one that has this sequence number, RFC 3711 §3.3.1 and appendix A. May be below
 *  0: a packet from before the first rollover of a source that we did not hear begin. */
function estimateIndex(highest: number | undefined, sequence: number): number {
  if (highest === undefined) return sequence;
  const ahead = (sequence - highest) & 0xffff;
  return ahead < 0x8000 ? highest + ahead : highest + ahead - 0x1_0000;
}
