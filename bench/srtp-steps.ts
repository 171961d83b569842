/** What SRTP costs a packet of 20 ms of G.711, ready to be timed. */

import { createSrtpContext } from '../protocol/rtp/srtp.ts';
import {
  type SrtpMasterKey,
  type SrtpSuite,
  srtpGrowthBytesMax,
  srtpSuites,
} from '../protocol/rtp/srtp-keys.ts';
import type { Step } from './codec-steps.ts';

const sizeBytes = 172;

export function srtpSteps(): Step[] {
  return (Object.keys(srtpSuites) as SrtpSuite[]).flatMap(stepsOfSuite);
}

/** To protect, to protect and unprotect, to refuse. */
export function stepsOfSuite(suite: SrtpSuite): Step[] {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  const key: SrtpMasterKey = {
    suite,
    masterKey: new Uint8Array(keyBytes).fill(0x5a),
    masterSalt: new Uint8Array(saltBytes).fill(0xa5),
  };
  const packet = new Uint8Array(sizeBytes + srtpGrowthBytesMax);
  const sender = createSrtpContext(key);
  const forged = createSrtpContext(key);
  const pair = { sender: createSrtpContext(key), receiver: createSrtpContext(key) };
  let sequence = 0;
  const next = () => {
    sequence = (sequence + 1) & 0xffff;
    packet[0] = 0x80;
    packet[2] = sequence >> 8;
    packet[3] = sequence;
  };
  return [
    {
      name: `${suite} protect`,
      run: () => {
        next();
        sender.protect(packet, sizeBytes);
      },
    },
    {
      name: `${suite} protect and unprotect`,
      run: () => {
        next();
        pair.receiver.unprotect(packet, pair.sender.protect(packet, sizeBytes));
      },
    },
    {
      name: `${suite} refuse a forged packet`,
      run: () => {
        next();
        forged.unprotect(packet, sizeBytes);
      },
    },
  ];
}
