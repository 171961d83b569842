/** SRTP under attack and on the clock: what each suite lets in, and what it costs a packet of 20 ms of G.711. */

import { createSrtpContext, type SrtpContext } from '../protocol/rtp/srtp.ts';
import {
  type SrtpMasterKey,
  type SrtpSuite,
  srtpGrowthBytesMax,
  srtpSuites,
} from '../protocol/rtp/srtp-keys.ts';
import { bestMicroseconds } from './best-time.ts';
import { stepsOfSuite } from './srtp-steps.ts';

export interface SrtpFigures {
  readonly suite: SrtpSuite;
  readonly protectUs: number;
  readonly unprotectUs: number;
  readonly refuseUs: number;
  /** Altered, cut, repeated, made under another key or made up. */
  readonly attacks: number;
  readonly attacksAccepted: number;
  /** Genuine packets between them that did not get through. */
  readonly genuineRefused: number;
}

const plainBytes = 172;
const genuinePackets = 840;
const attacksEach = 20;

export function measureSrtp(): SrtpFigures[] {
  return (Object.keys(srtpSuites) as SrtpSuite[]).map((suite) => {
    const [protectUs = 0, bothUs = 0, refuseUs = 0] = stepsOfSuite(suite).map(({ run }) =>
      bestMicroseconds(run, 120),
    );
    return { suite, protectUs, unprotectUs: bothUs - protectUs, refuseUs, ...attack(suite) };
  });
}

function attack(suite: SrtpSuite): Pick<SrtpFigures, 'attacks' | 'attacksAccepted' | 'genuineRefused'> {
  const [sender, receiver] = [createSrtpContext(keyOf(suite, 1)), createSrtpContext(keyOf(suite, 1))];
  const stranger = createSrtpContext(keyOf(suite, 2));
  const before: Uint8Array[] = [];
  let attacksAccepted = 0;
  let genuineRefused = 0;
  for (let sequence = 0; sequence < genuinePackets; sequence++) {
    const genuine = packetOf(sender, sequence);
    for (let at = 0; at < attacksEach; at++) {
      const forged = forge(at % 5, genuine, before, stranger, sequence * attacksEach + at);
      if (typeof receiver.unprotect(forged, forged.length) === 'number') attacksAccepted++;
    }
    before.push(genuine.slice());
    if (receiver.unprotect(genuine, genuine.length) !== plainBytes) genuineRefused++;
  }
  return { attacks: genuinePackets * attacksEach, attacksAccepted, genuineRefused };
}

function forge(
  kind: number,
  genuine: Uint8Array,
  before: readonly Uint8Array[],
  stranger: SrtpContext,
  turn: number,
): Uint8Array {
  const forged = genuine.slice();
  const at = (turn * 7919) % genuine.length;
  switch (kind) {
    case 0:
      forged[at] = forged[at]! ^ (1 << (turn & 7));
      return forged;
    case 1:
      return genuine.slice(0, at);
    case 2:
      return before[turn % Math.max(1, before.length)]?.slice() ?? new Uint8Array(0);
    case 3:
      return packetOf(stranger, (turn * 31) & 0xffff);
    default:
      for (let byte = 12; byte < forged.length; byte++) forged[byte] = (turn * byte * 2_654_435_761) >>> 24;
      return forged;
  }
}

function packetOf(context: SrtpContext, sequence: number): Uint8Array {
  const packet = new Uint8Array(plainBytes + srtpGrowthBytesMax).fill(0xd5, 12);
  packet.set([0x80, 0, sequence >> 8, sequence]);
  packet[11] = 7;
  return packet.slice(0, context.protect(packet, plainBytes));
}

function keyOf(suite: SrtpSuite, fill: number): SrtpMasterKey {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  return {
    suite,
    masterKey: new Uint8Array(keyBytes).fill(fill),
    masterSalt: new Uint8Array(saltBytes).fill(fill),
  };
}
