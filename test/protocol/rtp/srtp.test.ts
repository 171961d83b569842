import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HmacSha1 } from '../../../protocol/rtp/hmac-sha1.ts';
import { createSrtpContext, type SrtpContext } from '../../../protocol/rtp/srtp.ts';
import { CounterModeTransform } from '../../../protocol/rtp/srtp-counter-mode.ts';
import { GcmTransform } from '../../../protocol/rtp/srtp-gcm.ts';
import {
  deriveSessionKeys,
  type SrtpMasterKey,
  type SrtpSuite,
  srtpGrowthBytesMax,
  srtpSuites,
} from '../../../protocol/rtp/srtp-keys.ts';
import { SrtpKeystream } from '../../../protocol/rtp/srtp-keystream.ts';
import { createRandom } from '../../support/random.ts';
import { rounds } from '../../support/rounds.ts';

const suites = Object.keys(srtpSuites) as SrtpSuite[];

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function hex(from: Uint8Array, sizeBytes = from.length): string {
  return Buffer.from(from.subarray(0, sizeBytes)).toString('hex');
}

function roomy(packet: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(packet.length + srtpGrowthBytesMax);
  buffer.set(packet);
  return buffer;
}

function randomBytes(random: () => number, sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, () => Math.floor(random() * 256));
}

function randomKey(suite: SrtpSuite, random: () => number): SrtpMasterKey {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  return { suite, masterKey: randomBytes(random, keyBytes), masterSalt: randomBytes(random, saltBytes) };
}

function rtpPacket(sequence: number, ssrc = 0x1234, payloadBytes = 160): Uint8Array {
  const packet = new Uint8Array(12 + payloadBytes).fill(0x5a, 12);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  view.setUint16(2, sequence);
  view.setUint32(4, sequence * 160);
  view.setUint32(8, ssrc);
  return packet;
}

function protect(context: SrtpContext, packet: Uint8Array): Uint8Array {
  const buffer = roomy(packet);
  return buffer.slice(0, context.protect(buffer, packet.length));
}

function unprotect(context: SrtpContext, protectedPacket: Uint8Array): ReturnType<SrtpContext['unprotect']> {
  return context.unprotect(protectedPacket.slice(), protectedPacket.length);
}

describe('SRTP keys', () => {
  it.each([
    {
      source: 'RFC 3711 B.3',
      suite: 'AES_CM_128_HMAC_SHA1_80',
      masterKey: 'e1f97a0d3e018be0d64fa32c06de4139',
      masterSalt: '0ec675ad498afeebb6960b3aabe6',
      key: 'c61e7a93744f39ee10734afe3ff7a087',
      salt: '30cbbc08863d8c85d49db34a9ae1',
      authenticationKey: 'cebe321f6ff7716b6fd4ab49af256a156d38baa4',
    },
    {
      source: 'RFC 6188 7.2',
      suite: 'AES_256_CM_HMAC_SHA1_80',
      masterKey: 'f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6',
      masterSalt: '3b04803de51ee7c96423ab5b78d2',
      key: '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4',
      salt: 'fa31791685ca444a9e07c6c64e93',
      authenticationKey: 'fd9c32d39ed5fbb5a9dc96b30818454d1313dc05',
    },
  ] as const)(
    'are derived as in $source',
    ({ suite, masterKey, masterSalt, key, salt, authenticationKey }) => {
      const { rtp } = deriveSessionKeys({
        suite,
        masterKey: bytes(masterKey),
        masterSalt: bytes(masterSalt),
      });
      expect(hex(rtp.key)).toBe(key);
      expect(hex(rtp.salt)).toBe(salt);
      expect(hex(rtp.authenticationKey)).toBe(authenticationKey);
    },
  );

  it('of another length are refused', () => {
    const key = {
      suite: 'AEAD_AES_128_GCM',
      masterKey: new Uint8Array(16),
      masterSalt: new Uint8Array(14),
    } as const;
    expect(() => createSrtpContext(key)).toThrow('takes a key of 16 and a salt of 12 bytes, got 16 and 14');
  });
});

describe('AES in counter mode', () => {
  it('gives the keystream of RFC 3711 B.2', () => {
    const keystream = new SrtpKeystream(bytes('2b7e151628aed2a6abf7158809cf4f3c'));
    const salt = new DataView(bytes('f0f1f2f3f4f5f6f7f8f9fafbfcfd0000').buffer);
    const blocks = (counter: number, count: number) =>
      hex(
        keystream.blocks(
          salt.getInt32(0),
          salt.getInt32(4),
          salt.getInt32(8),
          salt.getInt32(12) + counter,
          count,
        ),
      );
    expect(blocks(0, 3)).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    );
    expect(blocks(0xfeff, 3)).toBe(
      'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44',
    );
  });

  it.each([
    {
      name: 'of 128 bits and 80 of tag',
      suite: 'AES_CM_128_HMAC_SHA1_80',
      masterKey: 'e1f97a0d3e018be0d64fa32c06de4139',
      masterSalt: '0ec675ad498afeebb6960b3aabe6',
      sealed: '4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb',
    },
    {
      name: 'of 128 bits and 32 of tag',
      suite: 'AES_CM_128_HMAC_SHA1_32',
      masterKey: 'e1f97a0d3e018be0d64fa32c06de4139',
      masterSalt: '0ec675ad498afeebb6960b3aabe6',
      sealed: '4e55dc4ce79978d88ca4d215949d2402b78d6acc',
    },
    {
      name: 'of 256 bits',
      suite: 'AES_256_CM_HMAC_SHA1_80',
      masterKey: 'f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6',
      masterSalt: '3b04803de51ee7c96423ab5b78d2',
      sealed: 'f1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b',
    },
    {
      name: 'with GCM',
      suite: 'AEAD_AES_128_GCM',
      masterKey: '000102030405060708090a0b0c0d0e0f',
      masterSalt: 'a0a1a2a3a4a5a6a7a8a9aaab',
      sealed: 'c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392',
    },
  ] as const)('$name protects as libsrtp does', ({ suite, masterKey, masterSalt, sealed }) => {
    const key = { suite, masterKey: bytes(masterKey), masterSalt: bytes(masterSalt) };
    const plain = bytes('800f1234decafbadcafebabe abababababababababababababababab');
    const protectedPacket = protect(createSrtpContext(key), plain);
    expect(hex(protectedPacket)).toBe(`800f1234decafbadcafebabe${sealed}`);
    const receiver = createSrtpContext(key);
    expect(receiver.unprotect(protectedPacket, protectedPacket.length)).toBe(plain.length);
    expect(hex(protectedPacket, plain.length)).toBe(hex(plain));
  });

  it.each([
    {
      suite: 'AES_CM_128_HMAC_SHA1_80',
      masterKey: 'e1f97a0d3e018be0d64fa32c06de4139',
      masterSalt: '0ec675ad498afeebb6960b3aabe6',
      sealed: '7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798',
    },
    {
      suite: 'AES_CM_128_HMAC_SHA1_32',
      masterKey: 'e1f97a0d3e018be0d64fa32c06de4139',
      masterSalt: '0ec675ad498afeebb6960b3aabe6',
      sealed: '7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798',
    },
    {
      suite: 'AEAD_AES_128_GCM',
      masterKey: '000102030405060708090a0b0c0d0e0f',
      masterSalt: 'a0a1a2a3a4a5a6a7a8a9aaab',
      sealed: 'c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001',
    },
  ] as const)('protects RTCP with $suite as libsrtp does', ({ suite, masterKey, masterSalt, sealed }) => {
    const key = { suite, masterKey: bytes(masterKey), masterSalt: bytes(masterSalt) };
    const plain = bytes('81c8000bcafebabe abababababababababababababababab');
    const sender = createSrtpContext(key);
    // Its first index is 1, ours the 0 of RFC 3711 3.2.1.
    sender.protectRtcp(roomy(plain), plain.length);
    const buffer = roomy(plain);
    const sizeBytes = sender.protectRtcp(buffer, plain.length);
    expect(hex(buffer, sizeBytes)).toBe(`81c8000bcafebabe${sealed}`);
    expect(createSrtpContext(key).unprotectRtcp(buffer, sizeBytes)).toBe(plain.length);
    expect(hex(buffer, plain.length)).toBe(hex(plain));
  });
});

describe('AES-GCM', () => {
  const salt = bytes('517569642070726f2071756f');
  const key128 = bytes('000102030405060708090a0b0c0d0e0f');
  const key256 = bytes('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
  const transformOf = (key: Uint8Array) => {
    const keys = { key, salt, authenticationKey: new Uint8Array(20) };
    return new GcmTransform({ rtp: keys, rtcp: keys });
  };

  it.each([
    {
      name: 'RFC 7714 16.1',
      key: key128,
      sealed:
        'f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce',
    },
    {
      name: 'RFC 7714 16.2',
      key: key256,
      sealed:
        '32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13',
    },
  ])('protects the packet of $name', ({ key, sealed }) => {
    const plain = bytes(
      `8040f17b8041f8d35501a0b2${Buffer.from('Gallia est omnis divisa in partes tres').toString('hex')}`,
    );
    const packet = roomy(plain);
    const sizeBytes = transformOf(key).protect(packet, 12, plain.length, 0x5501a0b2, 0, 0xf17b);
    expect(hex(packet, sizeBytes)).toBe(`8040f17b8041f8d35501a0b2${sealed.replace(' ', '')}`);
    expect(transformOf(key).unprotect(packet, 12, sizeBytes, 0x5501a0b2, 0, 0xf17b)).toBe(plain.length);
    expect(hex(packet, plain.length)).toBe(hex(plain));
  });

  it.each([
    {
      name: 'RFC 7714 17.1',
      key: key128,
      sealed:
        '63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b c84aa45896cf4d2fc5abf87245d9eade',
    },
    {
      name: 'RFC 7714 17.2',
      key: key256,
      sealed:
        'd50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad 1d1eb30c4446839f57ff6f6cb26ac3be',
    },
  ])('protects the RTCP packet of $name', ({ key, sealed }) => {
    const plain = bytes(
      '81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef',
    );
    const packet = roomy(plain);
    const sizeBytes = transformOf(key).protectRtcp(packet, plain.length, 0x4d617273, 0x5d4);
    expect(hex(packet, sizeBytes)).toBe(`81c8000d4d617273${sealed.replace(' ', '')}800005d4`);
    expect(transformOf(key).unprotectRtcp(packet, sizeBytes, 0x4d617273, 0x800005d4 | 0)).toBe(plain.length);
    expect(hex(packet, plain.length)).toBe(hex(plain));
  });
});

describe('HMAC-SHA1', () => {
  it('is that of node:crypto for every length of message and key', () => {
    const random = createRandom(3);
    for (let sizeBytes = 0; sizeBytes < 260; sizeBytes++) {
      const key = randomBytes(random, sizeBytes % 65);
      const message = Buffer.from(randomBytes(random, sizeBytes + 4));
      const hmac = new HmacSha1(key);
      hmac.compute(message, sizeBytes, message.readInt32BE(sizeBytes));
      const expected = createHmac('sha1', key).update(message).digest();
      expect([...hmac.digest]).toEqual([0, 4, 8, 12, 16].map((at) => expected.readInt32BE(at)));
    }
  });
});

describe.each(suites)('SRTP with %s', (suite) => {
  const key = randomKey(suite, createRandom(suites.indexOf(suite)));

  it('gives back what was protected, headers readable, of any length, with CSRCs and extension', () => {
    const random = createRandom(11);
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    for (let sequence = 0; sequence < 400; sequence++) {
      const header = new Uint8Array(12 + (sequence % 3) * 4);
      header.set(rtpPacket(sequence, 7, 0));
      header[0] = 0x80 | (sequence % 3);
      const extension = sequence % 2 === 0 ? [] : [0xbe, 0xde, 0, 1, 1, 2, 3, 4];
      if (extension.length > 0) header[0] |= 0x10;
      const plain = Uint8Array.from([...header, ...extension, ...randomBytes(random, sequence)]);
      const packet = protect(sender, plain);
      const clearBytes = header.length + extension.length;
      expect(hex(packet, clearBytes)).toBe(hex(plain, clearBytes));
      if (sequence > 16) expect(hex(packet, plain.length)).not.toBe(hex(plain));
      expect(packet.length).toBe(plain.length + srtpSuites[suite].tagBytes);
      expect(receiver.unprotect(packet, packet.length)).toBe(plain.length);
      expect(hex(packet, plain.length)).toBe(hex(plain));
    }
  });

  it('goes on over rollovers, with loss and reordering across them', () => {
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const random = createRandom(5);
    let waiting: { packet: Uint8Array; due: number }[] = [];
    let received = 0;
    let sent = 0;
    for (let index = 65_000; index < 65_000 + 140_000; index += 1 + Math.floor(random() * 40)) {
      // Every packet would take seconds with no more to show.
      const packet = protect(sender, rtpPacket(index & 0xffff, 7, 4));
      sent++;
      waiting.push({ packet, due: sent + Math.floor(random() * 3) });
      for (const { packet: due } of waiting.filter((each) => each.due <= sent))
        if (unprotect(receiver, due) === 16) received++;
      waiting = waiting.filter((each) => each.due > sent);
    }
    expect(received + waiting.length).toBe(sent);
  });

  it('lets nothing in that was forged, mutated, truncated or replayed, nor is disturbed by it', () => {
    const random = createRandom(99);
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const stranger = createSrtpContext(randomKey(suite, random));
    const { tagBytes } = srtpSuites[suite];
    const before: Uint8Array[] = [];
    let accepted = 0;
    for (let sequence = 0; sequence < 840; sequence++) {
      const good = protect(sender, rtpPacket(sequence, 7, 20));
      for (let attack = 0; attack < 20; attack++) {
        const forged = forge(attack % 5, good, before, stranger, random, sequence);
        if (typeof unprotect(receiver, forged) === 'number') accepted++;
      }
      expect(unprotect(receiver, good)).toBe(good.length - tagBytes);
      before.push(good);
      if (before.length > 300) before.shift();
    }
    expect(accepted).toBe(0);
  });

  it('keeps RTCP to itself', () => {
    const random = createRandom(42);
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    for (let report = 0; report < 300; report++) {
      const plain = Uint8Array.from([0x80, 200, 0, 6, 0, 0, 0, 7, ...randomBytes(random, 20)]);
      const buffer = roomy(plain);
      const sizeBytes = sender.protectRtcp(buffer, plain.length);
      const sealed = buffer.slice(0, sizeBytes);
      const mutated = sealed.slice();
      const at = Math.floor(random() * sizeBytes);
      mutated[at] = mutated[at]! ^ (1 << Math.floor(random() * 8));
      expect(typeof receiver.unprotectRtcp(mutated, sizeBytes)).toBe('string');
      expect(receiver.unprotectRtcp(sealed.slice(), sizeBytes)).toBe(plain.length);
      expect(receiver.unprotectRtcp(sealed.slice(), sizeBytes)).toBe('replayed');
      expect(typeof receiver.unprotectRtcp(sealed.slice(0, sizeBytes - 1), sizeBytes - 1)).toBe('string');
    }
  });
});

function forge(
  kind: number,
  good: Uint8Array,
  before: readonly Uint8Array[],
  stranger: SrtpContext,
  random: () => number,
  sequence: number,
): Uint8Array {
  const forged = good.slice();
  const at = Math.floor(random() * good.length);
  switch (kind) {
    case 0:
      forged[at] = forged[at]! ^ (1 << Math.floor(random() * 8));
      return forged;
    case 1:
      return good.slice(0, at);
    case 2:
      return before[Math.floor(random() * before.length)] ?? new Uint8Array(0);
    case 3:
      return protect(stranger, rtpPacket((sequence * 20 + at) & 0xffff, at % 3 === 0 ? 8 : 7, 20));
    default:
      forged.set(randomBytes(random, good.length - 12), 12);
      forged[2] = at;
      return forged;
  }
}

describe('SRTP state', () => {
  const key = randomKey('AES_CM_128_HMAC_SHA1_80', createRandom(1));

  it('is not moved by what is not authentic: a forged sequence number far ahead leaves the window where it is', () => {
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const packets = [100, 101, 102].map((sequence) => protect(sender, rtpPacket(sequence)));
    expect(unprotect(receiver, packets[0]!)).toBe(172);
    const ahead = packets[1]!.slice();
    ahead[2] = 0x60;
    expect(unprotect(receiver, ahead)).toBe('forged');
    expect(unprotect(receiver, packets[1]!)).toBe(172);
    expect(unprotect(receiver, packets[2]!)).toBe(172);
  });

  it('remembers 128 packets and refuses what is older', () => {
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const packets = Array.from({ length: 140 }, (_, sequence) => protect(sender, rtpPacket(sequence)));
    expect(unprotect(receiver, packets[139]!)).toBe(172);
    expect(unprotect(receiver, packets[11]!)).toBe('late');
    expect(unprotect(receiver, packets[12]!)).toBe(172);
    expect(unprotect(receiver, packets[12]!)).toBe('replayed');
    expect(unprotect(receiver, packets[139]!)).toBe('replayed');
  });

  it('leaves a refused packet as it was', () => {
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const packet = protect(sender, rtpPacket(1));
    packet[20] = packet[20]! ^ 1;
    const copy = packet.slice();
    expect(receiver.unprotect(packet, packet.length)).toBe('forged');
    expect(hex(packet)).toBe(hex(copy));
  });

  it('is kept for each SSRC, and for 256 of them at most', () => {
    const [sender, receiver] = [createSrtpContext(key), createSrtpContext(key)];
    const others = [createSrtpContext(key), createSrtpContext(key)];
    for (let ssrc = 0; ssrc < 256; ssrc++)
      expect(unprotect(receiver, protect(sender, rtpPacket(1, ssrc)))).toBe(172);
    expect(unprotect(receiver, protect(others[0]!, rtpPacket(1, 9000)))).toBe('sources');
    expect(unprotect(receiver, protect(sender, rtpPacket(2, 255)))).toBe(172);
    expect(sender.protect(roomy(rtpPacket(1, 9000)), 172)).toBe(0);
  });

  it('never uses an index twice, also for a sender that repeats its sequence numbers', () => {
    const sender = createSrtpContext(key);
    const sealed = [10, 11, 11, 10].map((sequence) =>
      hex(protect(sender, rtpPacket(sequence)).subarray(12, 172)),
    );
    expect(new Set(sealed).size).toBe(4);
  });

  describe('with a new key in mid-call', () => {
    const keyNew = randomKey('AEAD_AES_128_GCM', createRandom(77));
    const numbered = (highest: number) => {
      const pair = [createSrtpContext(key), createSrtpContext(key)] as const;
      for (let index = 40_000; index <= highest; index += 10_000)
        expect(unprotect(pair[1], protect(pair[0], rtpPacket(index & 0xffff)))).toBe(172);
      return pair;
    };

    // RFC 3711 §3.3.1; RFC 4568 §7.1.4 where the address is another one, and senders that never keep it.
    it.each([
      { sender: 'keeps its rollovers', keeps: true, highest: 150_000, next: 150_001 },
      { sender: 'keeps them, and rolls over at that moment', keeps: true, highest: 130_000, next: 131_073 },
      { sender: 'begins at none', keeps: false, highest: 150_000, next: 150_001 },
      { sender: 'begins at none, and had none', keeps: false, highest: 60_000, next: 60_001 },
      { sender: 'begins anew, numbers and all', keeps: false, highest: 40_000, next: 9 },
    ])('hears one that $sender', ({ keeps, highest, next }) => {
      const [sender, receiver] = numbered(highest);
      const sending = createSrtpContext(keyNew, keeps ? sender : undefined);
      const receiving = createSrtpContext(keyNew, receiver);
      for (let index = next; index < next + 70_000; index += 999) {
        const packet = protect(sending, rtpPacket(index & 0xffff));
        expect(unprotect(receiving, packet)).toBe(172);
        expect(unprotect(receiving, packet)).toBe('replayed');
      }
    });

    it('goes on with the indexes of keys before the last one, and of RTCP', () => {
      const [first] = numbered(150_000);
      const second = createSrtpContext(keyNew, first);
      const third = createSrtpContext(key, second);
      const packet = protect(third, rtpPacket(150_001 & 0xffff));
      const late = createSrtpContext(key, createSrtpContext(keyNew, numbered(150_000)[1]));
      expect(unprotect(late, packet)).toBe(172);
      const report = () => roomy(bytes('80c90001 00000007'));
      first.protectRtcp(report(), 8);
      const next = report();
      createSrtpContext(key, first).protectRtcp(next, 8);
      expect(hex(next.subarray(8, 12))).toBe('80000001');
    });

    it('lets no forged packet decide how often a sender has rolled over', () => {
      const [sender, receiver] = numbered(150_000);
      const sending = createSrtpContext(keyNew, sender);
      const receiving = createSrtpContext(keyNew, receiver);
      const forged = protect(sending, rtpPacket(150_001 & 0xffff));
      forged[30] = forged[30]! ^ 1;
      expect(unprotect(receiving, forged)).toBe('forged');
      expect(unprotect(receiving, protect(sending, rtpPacket(150_002 & 0xffff)))).toBe(172);
    });
  });

  it('ends with the life of the key', () => {
    const short = { ...key, packetsMax: 3 };
    const [sender, receiver] = [createSrtpContext(short), createSrtpContext(short)];
    const plenty = createSrtpContext(key);
    for (let sequence = 0; sequence < 3; sequence++)
      expect(unprotect(receiver, protect(sender, rtpPacket(sequence)))).toBe(172);
    expect(sender.protect(roomy(rtpPacket(3)), 172)).toBe(0);
    for (let sequence = 0; sequence < 3; sequence++) protect(plenty, rtpPacket(sequence));
    expect(unprotect(receiver, protect(plenty, rtpPacket(3)))).toBe('expired');
  });

  it('refuses SRTCP that is not encrypted, which was not agreed', () => {
    const sender = createSrtpContext(key);
    const buffer = roomy(bytes('80c90001 00000007'));
    const sizeBytes = sender.protectRtcp(buffer, 8);
    buffer[8] = buffer[8]! & 0x7f;
    expect(createSrtpContext(key).unprotectRtcp(buffer, sizeBytes)).toBe('unencrypted');
  });

  it('says what room it needs', () => {
    const sender = createSrtpContext(key);
    expect(() => sender.protect(rtpPacket(1), 172)).toThrow('room for 182 bytes expected, got 172');
  });

  it('throws for nothing that may arrive', () => {
    const junkPackets = rounds(3_000, 50_000);
    const random = createRandom(8);
    const receiver = createSrtpContext(key);
    for (let round = 0; round < junkPackets; round++) {
      const junk = randomBytes(random, Math.floor(random() * 80));
      expect(typeof receiver.unprotect(junk, junk.length)).toBe('string');
      expect(typeof receiver.unprotectRtcp(junk, junk.length)).toBe('string');
    }
  });
});

it('takes a transform of session keys for both directions', () => {
  const keys = deriveSessionKeys(randomKey('AES_256_CM_HMAC_SHA1_32', createRandom(2)));
  const transform = new CounterModeTransform(srtpSuites.AES_256_CM_HMAC_SHA1_32, keys);
  const packet = roomy(rtpPacket(5));
  const sizeBytes = transform.protect(packet, 12, 172, 0x1234, 0xffff_ffff, 5);
  expect(transform.unprotect(packet, 12, sizeBytes, 0x1234, 0xffff_fffe, 5)).toBe(-1);
  expect(transform.unprotect(packet, 12, sizeBytes, 0x1234, 0xffff_ffff, 5)).toBe(172);
});
