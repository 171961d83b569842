import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  asLastOggPage,
  buildOggPage,
  OggPageReader,
  oggPageBytes,
  oggPageIntact,
} from '../../codecs/ogg-page.ts';

const packets = [0, 1, 254, 255, 256, 600].map((length) => new Uint8Array(length).fill(length & 255));
const page = buildOggPage({ serial: 7, sequence: 3, granule: 123_456_789_012, packets });
const foreign = readFileSync(new URL('../gateway/audio/fixtures/tone-opus-stereo.ogg', import.meta.url));

describe('an Ogg page', () => {
  it('comes back as it was built, in pieces of any size', () => {
    for (const pieceBytes of [1, 10, 5000]) {
      const reader = new OggPageReader();
      const pages = [];
      for (let at = 0; at < page.length; at += pieceBytes)
        pages.push(...reader.push(page.subarray(at, at + pieceBytes)));
      expect(pages).toMatchObject([
        { serial: 7, sequence: 3, granule: 123_456_789_012, first: false, last: false, complete: true },
      ]);
      expect(pages[0]!.packets.map((packet) => [...packet])).toEqual(packets.map((packet) => [...packet]));
    }
  });

  it('has the checksum that other programs write', () => {
    let pages = 0;
    for (let at = 0; at < foreign.length; pages++) {
      const size = oggPageBytes(foreign, at)!;
      expect(oggPageIntact(foreign.subarray(at, at + size))).toBe(true);
      at += size;
    }
    expect(pages).toBeGreaterThan(2);
  });

  it('is skipped where it is damaged, and the next is found', () => {
    const damaged = page.slice();
    damaged[60] = damaged[60]! ^ 1;
    const reader = new OggPageReader();
    expect(reader.push(Buffer.concat([Buffer.from('OOgjunk'), damaged, page, page]))).toHaveLength(2);
  });

  it('can be marked as the last', () => {
    const last = asLastOggPage(page);
    expect(oggPageIntact(last)).toBe(true);
    expect(new OggPageReader().push(last)).toMatchObject([{ last: true }]);
  });

  it('is refused with more segments than fit', () => {
    const long = new Uint8Array(255 * 255);
    expect(() => buildOggPage({ serial: 1, sequence: 0, granule: 0, packets: [long] })).toThrow(RangeError);
  });
});
