/** Ogg pages, RFC 3533 §6. One logical stream. */

const HEADER_BYTES = 27;
const SEGMENTS_MAX = 255;
/** A page that ends no packet. */
const NO_GRANULE = 0xffff_ffff_ffff_ffffn;

export interface OggPage {
  readonly serial: number;
  readonly sequence: number;
  /** Place in the stream at its end, as the codec counts; undefined where no packet ends on the page. */
  readonly granule: number | undefined;
  readonly first: boolean;
  readonly last: boolean;
  /** Of this page; the first goes on where the page before left off if `continued`. */
  readonly packets: readonly Uint8Array[];
  readonly continued: boolean;
  /** Whether the last of the packets is whole. */
  readonly complete: boolean;
}

/** A page of whole packets. RangeError where they have more than 255 segments in all. */
export function buildOggPage(page: {
  readonly serial: number;
  readonly sequence: number;
  readonly granule: number;
  readonly first?: boolean;
  readonly last?: boolean;
  readonly packets: readonly Uint8Array[];
}): Uint8Array {
  const lacing = page.packets.flatMap(({ length }) => [
    ...new Array<number>(Math.floor(length / 255)).fill(255),
    length % 255,
  ]);
  if (lacing.length > SEGMENTS_MAX)
    throw new RangeError(`an Ogg page has at most ${SEGMENTS_MAX} segments, got ${lacing.length}`);
  const bodyBytes = page.packets.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(HEADER_BYTES + lacing.length + bodyBytes);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4f, 0x67, 0x67, 0x53]);
  bytes[5] = (page.first === true ? 2 : 0) | (page.last === true ? 4 : 0);
  view.setBigUint64(6, BigInt(page.granule), true);
  view.setUint32(14, page.serial, true);
  view.setUint32(18, page.sequence, true);
  bytes[26] = lacing.length;
  bytes.set(lacing, HEADER_BYTES);
  let at = HEADER_BYTES + lacing.length;
  for (const packet of page.packets) {
    bytes.set(packet, at);
    at += packet.length;
  }
  view.setUint32(22, oggChecksum(bytes), true);
  return bytes;
}

/** How many bytes the page at `at` has; undefined where there is none or where it goes on beyond `bytes`. */
export function oggPageBytes(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== 0x4f || bytes[at + 1] !== 0x67 || bytes[at + 2] !== 0x67 || bytes[at + 3] !== 0x53)
    return undefined;
  const segments = bytes[at + 26];
  if (segments === undefined || at + HEADER_BYTES + segments > bytes.length) return undefined;
  let size = HEADER_BYTES + segments;
  for (let i = 0; i < segments; i++) size += bytes[at + HEADER_BYTES + i]!;
  return at + size <= bytes.length ? size : undefined;
}

/** Whether the checksum of this whole page is right. */
export function oggPageIntact(page: Uint8Array): boolean {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  return view.getUint32(22, true) === oggChecksum(page);
}

/** The same page, marked as the last of its stream. */
export function asLastOggPage(page: Uint8Array): Uint8Array {
  const last = page.slice();
  last[5] = last[5]! | 4;
  new DataView(last.buffer).setUint32(22, oggChecksum(last), true);
  return last;
}

/** Finds the pages of a file while it arrives. What is damaged is skipped. */
export class OggPageReader {
  #held: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): OggPage[] {
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    const pages: OggPage[] = [];
    let at = 0;
    while (at + HEADER_BYTES <= held.length) {
      const size = oggPageBytes(held, at);
      if (size !== undefined && oggPageIntact(held.subarray(at, at + size))) {
        pages.push(parsePage(held.subarray(at, at + size)));
        at += size;
      } else if (size === undefined && startsPage(held, at) && held.length - at < 65_307) {
        break;
      } else {
        const next = held.indexOf(0x4f, at + 1);
        at = next < 0 ? held.length : next;
      }
    }
    this.#held = held.subarray(at);
    return pages;
  }
}

function startsPage(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x4f && bytes[at + 1] === 0x67 && bytes[at + 2] === 0x67 && bytes[at + 3] === 0x53;
}

function parsePage(bytes: Uint8Array): OggPage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = bytes[5]!;
  const segments = bytes[26]!;
  const granule = view.getBigUint64(6, true);
  const packets: Uint8Array[] = [];
  let start = HEADER_BYTES + segments;
  let end = start;
  let complete = true;
  for (let i = 0; i < segments; i++) {
    const segmentBytes = bytes[HEADER_BYTES + i]!;
    end += segmentBytes;
    complete = segmentBytes < 255;
    if (complete || i === segments - 1) {
      packets.push(bytes.subarray(start, end));
      start = end;
    }
  }
  return {
    serial: view.getUint32(14, true),
    sequence: view.getUint32(18, true),
    granule: granule === NO_GRANULE ? undefined : Number(granule),
    first: (flags & 2) !== 0,
    last: (flags & 4) !== 0,
    continued: (flags & 1) !== 0,
    packets,
    complete,
  };
}

/** CRC-32 with the polynomial 0x04c11db7, from 0, not reflected; the checksum's own place counts as 0. */
function oggChecksum(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= 22 && i < 26 ? 0 : page[i]!;
    crc = (crc << 8) ^ checksumTable[((crc >>> 24) ^ byte) & 255]!;
  }
  return crc >>> 0;
}

const checksumTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  return crc;
});
