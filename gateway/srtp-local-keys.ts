import { randomBytes } from 'node:crypto';
import { type SrtpMasterKey, type SrtpSuite, srtpSuites } from '../protocol/rtp/srtp-keys.ts';
import type { LocalCrypto, RemoteKey } from '../protocol/sdp/crypto.ts';

/** In the order of our offers: what most phones have, then the stronger ones, then those with a short tag. */
const suitesOffered: readonly SrtpSuite[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_256_CM_HMAC_SHA1_80',
  'AEAD_AES_128_GCM',
  'AEAD_AES_256_GCM',
  'AES_CM_128_HMAC_SHA1_32',
  'AES_256_CM_HMAC_SHA1_32',
];

/** Keys of ours for one dialog, one a suite, made when needed and kept, so that a re-INVITE leaves what we send as it
 *  is. */
export class SrtpLocalKeys {
  readonly #keys = new Map<SrtpSuite, SrtpMasterKey>();
  #remote: { readonly address: string; readonly port: number } | undefined;

  /** Where the far side is now. Another end than before cannot know how often our numbers have rolled over, so it gets
   *  new keys, under which they have not (RFC 4568 §7.1.4). */
  goTo(remote: { readonly address: string; readonly port: number }): void {
    const { address, port } = this.#remote ?? remote;
    if (address !== remote.address || port !== remote.port) this.#keys.clear();
    this.#remote = remote;
  }

  offer(suites: readonly SrtpSuite[] = suitesOffered): LocalCrypto[] {
    return suites.map((suite, index) => ({ tag: index + 1, key: this.#keyOf(suite) }));
  }

  /** Our side of what was negotiated, under its tag; undefined for plain RTP. */
  answer(remoteKey: RemoteKey | undefined): LocalCrypto | undefined {
    return remoteKey && { tag: remoteKey.tag, key: this.#keyOf(remoteKey.key.suite) };
  }

  /** Both directions, as a media worker needs them. */
  session(remoteKey: RemoteKey | undefined): { send: SrtpMasterKey; receive: SrtpMasterKey } | undefined {
    return remoteKey && { send: this.#keyOf(remoteKey.key.suite), receive: remoteKey.key };
  }

  #keyOf(suite: SrtpSuite): SrtpMasterKey {
    const known = this.#keys.get(suite);
    if (known !== undefined) return known;
    const { keyBytes, saltBytes } = srtpSuites[suite];
    // Arrays of their own: a small Buffer would bring the whole pool along to another thread.
    const key = {
      suite,
      masterKey: new Uint8Array(randomBytes(keyBytes)),
      masterSalt: new Uint8Array(randomBytes(saltBytes)),
    };
    this.#keys.set(suite, key);
    return key;
  }
}
