import { describe, expect, it } from 'vitest';
import { SrtpLocalKeys } from '../../gateway/srtp-local-keys.ts';
import { type SrtpKeys, SrtpSession } from '../../gateway/srtp-session.ts';
import type { SrtpMasterKey } from '../../protocol/rtp/srtp-keys.ts';

const plainBytes = 32;

function keyOf(fill: number): SrtpMasterKey {
  return {
    suite: 'AES_CM_128_HMAC_SHA1_80',
    masterKey: new Uint8Array(16).fill(fill),
    masterSalt: new Uint8Array(14).fill(fill),
  };
}

function keys(send: number, receive: number): SrtpKeys {
  return { send: keyOf(send), receive: keyOf(receive) };
}

function sealed(session: SrtpSession, index: number): Uint8Array {
  const packet = new Uint8Array(plainBytes + 20);
  packet.set([0x80, 0, (index >> 8) & 0xff, index & 0xff]);
  packet[11] = 7;
  return packet.slice(0, session.protect(packet, plainBytes));
}

describe('a key that changes in mid-call', () => {
  /** Both ends, past the second rollover. */
  function talking(): { phone: SrtpSession; gateway: SrtpSession } {
    const phone = new SrtpSession(keys(1, 2));
    const gateway = new SrtpSession(keys(2, 1));
    for (let index = 30_000; index < 140_000; index += 10_000) {
      expect(gateway.unprotect(sealed(phone, index))).toBe(plainBytes);
      expect(phone.unprotect(sealed(gateway, index))).toBe(plainBytes);
    }
    return { phone, gateway };
  }

  it('loses none of the packets that were on their way, and none after', () => {
    const { phone, gateway } = talking();
    const underWay = sealed(phone, 140_000);
    const later = new SrtpSession(keys(2, 3), gateway);
    expect(later.unprotect(underWay)).toBe(plainBytes);
    const rekeyed = new SrtpSession(keys(3, 2), phone);
    for (let index = 140_001; index < 280_000; index += 10_000) {
      expect(later.unprotect(sealed(rekeyed, index))).toBe(plainBytes);
      expect(rekeyed.unprotect(sealed(later, index))).toBe(plainBytes);
    }
    expect(later).toMatchObject({ refused: 0, forged: 0 });
  });

  it('is the only key as soon as it is used', () => {
    const { phone, gateway } = talking();
    const [first, second] = [sealed(phone, 140_000), sealed(phone, 140_001)];
    const rekeyed = new SrtpSession(keys(3, 2), phone);
    const later = new SrtpSession(keys(2, 3), new SrtpSession(keys(2, 1), gateway));
    expect(later.unprotect(first)).toBe(plainBytes);
    expect(later.unprotect(sealed(rekeyed, 140_002))).toBe(plainBytes);
    expect(later.unprotect(second)).toBe(0);
    expect(later).toMatchObject({ refused: 1, forged: 1 });
  });

  it('begins at no rollover for a far side that is another one now', () => {
    const { gateway } = talking();
    const newcomer = new SrtpSession(keys(5, 4));
    const later = new SrtpSession(keys(4, 5), gateway, true);
    for (let index = 140_000; index < 300_000; index += 10_000) {
      expect(newcomer.unprotect(sealed(later, index))).toBe(plainBytes);
      expect(later.unprotect(sealed(newcomer, index))).toBe(plainBytes);
    }
  });

  it('leaves the numbers of a key that stays, wherever the far side is', () => {
    const { phone, gateway } = talking();
    const moved = new SrtpSession(keys(2, 1), gateway, true);
    expect(phone.unprotect(sealed(moved, 140_000))).toBe(plainBytes);
  });
});

describe('keys of ours', () => {
  const remoteKey = { tag: 1, key: keyOf(9) };
  const at = (port: number) => ({ address: '127.0.0.1', port });

  it('stay as they are while the far side stays where it is', () => {
    const local = new SrtpLocalKeys();
    local.goTo(at(4000));
    const first = local.answer(remoteKey);
    local.goTo(at(4000));
    expect(local.answer({ tag: 1, key: keyOf(8) })).toEqual(first);
  });

  it('are new for another address or port', () => {
    const local = new SrtpLocalKeys();
    const first = local.answer(remoteKey);
    local.goTo(at(4000));
    expect(local.answer(remoteKey)).toEqual(first);
    local.goTo(at(4002));
    expect(local.answer(remoteKey)).not.toEqual(first);
  });
});
