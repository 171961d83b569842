import { createCipheriv } from 'node:crypto';

/** Suites of SRTP by their SDP names, and session keys from master keys. RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11. */

export type SrtpSuite =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AES_256_CM_HMAC_SHA1_80'
  | 'AES_256_CM_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM';

export interface SrtpSuiteParameters {
  readonly cipher: 'counter' | 'gcm';
  /** Of master and session key. */
  readonly keyBytes: 16 | 32;
  /** Of master and session salt. */
  readonly saltBytes: 12 | 14;
  readonly tagBytes: number;
  /** Longer for the suites that shorten the tag of audio: RFC 4568 §6.2.2. */
  readonly rtcpTagBytes: number;
}

export const srtpSuites: Readonly<Record<SrtpSuite, SrtpSuiteParameters>> = {
  AES_CM_128_HMAC_SHA1_80: { cipher: 'counter', keyBytes: 16, saltBytes: 14, tagBytes: 10, rtcpTagBytes: 10 },
  AES_CM_128_HMAC_SHA1_32: { cipher: 'counter', keyBytes: 16, saltBytes: 14, tagBytes: 4, rtcpTagBytes: 10 },
  AES_256_CM_HMAC_SHA1_80: { cipher: 'counter', keyBytes: 32, saltBytes: 14, tagBytes: 10, rtcpTagBytes: 10 },
  AES_256_CM_HMAC_SHA1_32: { cipher: 'counter', keyBytes: 32, saltBytes: 14, tagBytes: 4, rtcpTagBytes: 10 },
  AEAD_AES_128_GCM: { cipher: 'gcm', keyBytes: 16, saltBytes: 12, tagBytes: 16, rtcpTagBytes: 16 },
  AEAD_AES_256_GCM: { cipher: 'gcm', keyBytes: 32, saltBytes: 12, tagBytes: 16, rtcpTagBytes: 16 },
};

/** The most that `protect` and `protectRtcp` make a packet longer by, whatever the suite: tag and SRTCP index. */
export const srtpGrowthBytesMax = 20;

/** What the two sides agree on for one direction. Never to be logged. */
export interface SrtpMasterKey {
  readonly suite: SrtpSuite;
  /** Of the suite's `keyBytes` and `saltBytes`. */
  readonly masterKey: Uint8Array;
  readonly masterSalt: Uint8Array;
  /** How many packets it may be used for; default and at most 2^48 of RTP and 2^31 of RTCP (RFC 3711 §9.2). */
  readonly packetsMax?: number | undefined;
}

export interface SrtpSessionKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
  /** Of HMAC-SHA1; of no use to GCM. */
  readonly authenticationKey: Uint8Array;
}

export interface SrtpSessionKeys {
  readonly rtp: SrtpSessionKey;
  readonly rtcp: SrtpSessionKey;
}

const authenticationKeyBytes = 20;

/** With a key derivation rate of 0, once a master key. RangeError for a key or salt of another length than the
 *  suite's. */
export function deriveSessionKeys({ suite, masterKey, masterSalt }: SrtpMasterKey): SrtpSessionKeys {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  if (masterKey.length !== keyBytes || masterSalt.length !== saltBytes)
    throw new RangeError(
      `${suite} takes a key of ${keyBytes} and a salt of ${saltBytes} bytes, got ${masterKey.length} and ${masterSalt.length}`,
    );
  const derive = (label: number, sizeBytes: number) => deriveKey(masterKey, masterSalt, label, sizeBytes);
  const keysFrom = (label: number): SrtpSessionKey => ({
    key: derive(label, keyBytes),
    authenticationKey: derive(label + 1, authenticationKeyBytes),
    salt: derive(label + 2, saltBytes),
  });
  return { rtp: keysFrom(0), rtcp: keysFrom(3) };
}

/** The pseudo-random function of RFC 3711 §4.3.3: AES in counter mode, from the salt with the label in its eighth byte
 *  (of fourteen: the shorter salt of GCM is filled up at its end). */
function deriveKey(
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  label: number,
  sizeBytes: number,
): Uint8Array {
  const counter = new Uint8Array(16);
  counter.set(masterSalt);
  counter[7] = counter[7]! ^ label;
  const cipher = createCipheriv(masterKey.length === 16 ? 'aes-128-ctr' : 'aes-256-ctr', masterKey, counter);
  return new Uint8Array(cipher.update(new Uint8Array(sizeBytes)));
}
