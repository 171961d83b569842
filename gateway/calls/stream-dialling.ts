import { signConnect, withToken } from '../../protocol/stream/signed-connect.ts';
import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { Clock } from '../clock.ts';
import type { StreamTarget, StreamTls } from '../media/media-messages.ts';
import type { EndReason } from './end-reason.ts';
import type { StreamCircuits } from './stream-circuits.ts';

export interface StreamDiallingOptions {
  readonly callId: string;
  readonly applicationKey: string;
  readonly action: ConnectStream;
  /** Approved literal addresses, one an endpoint; undefined where the endpoint is trusted. */
  readonly addresses: readonly (string | undefined)[];
  readonly circuits: StreamCircuits;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** The application's, for `signing` without a secret of its own. */
  readonly applicationSecret?: Uint8Array | undefined;
  /** Client certificate and authorities for this endpoint, as configured. */
  readonly tlsFor?: (endpoint: string) => StreamTls | undefined;
}

/** Endings after which the next endpoint may do better: nobody was there. */
const unreached: ReadonlySet<EndReason> = new Set(['unreachable', 'connectTimeout']);

/** Which server of a `connectStream` is tried next, its destination or one of the fallback endpoints, and what it takes
 *  to get in there. One of it for a call; the circuits are everybody's. */
export class StreamDialling {
  readonly #options: StreamDiallingOptions;
  readonly #endpoints: readonly string[];
  #next = 0;
  /** Tried now, and not yet known how it goes. */
  #trying: string | undefined;

  constructor(options: StreamDiallingOptions) {
    const { destination, streamingOptions } = options.action;
    this.#options = options;
    this.#endpoints = [destination.endpoint, ...streamingOptions.fallbackEndpoints];
  }

  /** The next endpoint that is worth trying; undefined where none is left. */
  next(): { readonly endpoint: string; readonly target: StreamTarget } | undefined {
    this.release();
    while (this.#next < this.#endpoints.length) {
      const index = this.#next++;
      const endpoint = this.#endpoints[index]!;
      if (!this.#options.circuits.admits(endpoint)) continue;
      this.#trying = endpoint;
      return { endpoint, target: this.#target(endpoint, this.#options.addresses[index]) };
    }
    return undefined;
  }

  /** From the first endpoint again, as after a loss. */
  restart(): void {
    this.#next = 0;
  }

  /** The server took the connection. */
  connected(): void {
    if (this.#trying !== undefined) this.#options.circuits.succeeded(this.#trying);
    this.#trying = undefined;
  }

  /** It ended; returns whether another endpoint may be tried. Once it was connected none is. */
  ended(reason: EndReason): boolean {
    const endpoint = this.#trying;
    this.#trying = undefined;
    if (endpoint === undefined) return false;
    if (unreached.has(reason)) this.#options.circuits.failed(endpoint);
    // It is there and refuses this call, or broke the protocol.
    else this.#options.circuits.succeeded(endpoint);
    return unreached.has(reason);
  }

  /** Nobody waits for the attempt any more. */
  release(): void {
    if (this.#trying !== undefined) this.#options.circuits.released(this.#trying);
    this.#trying = undefined;
  }

  #target(endpoint: string, address: string | undefined): StreamTarget {
    const { authorization, streamingOptions } = this.#options.action;
    const headers: Record<string, string> =
      authorization === undefined ? {} : { Authorization: authorization };
    const tls = this.#options.tlsFor?.(endpoint);
    const token = this.#token(endpoint);
    if (token === undefined) return { url: endpoint, address, headers, tls };
    if (streamingOptions.signing?.in === 'query') {
      return { url: withToken(endpoint, token), address, headers, tls };
    }
    return { url: endpoint, address, headers: { Authorization: `Bearer ${token}` }, tls };
  }

  /** New for each attempt. */
  #token(url: string): string | undefined {
    const { action, callId, applicationKey, clock, applicationSecret } = this.#options;
    const { signing } = action.streamingOptions;
    if (signing === undefined) return undefined;
    const secret = signing.secret === undefined ? applicationSecret : Buffer.from(signing.secret);
    if (secret === undefined) return undefined;
    return signConnect({ callId, applicationKey, url, nowMs: clock.wallMs() }, secret);
  }
}
