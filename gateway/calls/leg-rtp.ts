import { isIPv6 } from 'node:net';
import type { EndpointId, MediaEvent, RtpCounters, RtpSession } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import { advertisedAddress } from '../signaling/advertised-address.ts';
import { interfaceAddressFor } from '../signaling/local-address.ts';
import { isWildcard } from '../signaling/sip-flow.ts';
import type { EndReason } from './end-reason.ts';

/** Codes of a worker that has no port, or no descriptor or memory for one: 503, so that the peer may try elsewhere. */
const usedUp: ReadonlySet<string> = new Set(['PORTSUSED', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

export interface LegRtpHandlers {
  /** The port is bound. */
  opened(): void;
  /** No port, no worker, or no RTP for too long. */
  failed(reason: EndReason, detail?: string): void;
  /** The last event, exactly one for each `open`. */
  closed(): void;
  told(message: string, fields: Record<string, unknown>): void;
}

/** Addresses that decide where RTP is bound and what SDP says of it. */
export interface LegAddresses {
  /** Of the far side's audio, or where that is not known yet, of its signalling. */
  readonly mediaPeer: string;
  /** Where signalling comes from, and ours that faces it. */
  readonly peer: string;
  readonly local: string;
}

/** The RTP endpoint of a phone, seen from the control plane: its port, its address in SDP, what its worker tells. */
export class LegRtp {
  readonly endpointId: EndpointId;
  readonly media: MediaGroup;
  readonly #settings: { readonly rtpAddress: string; readonly externalAddress: string | undefined };
  readonly #addresses: () => LegAddresses;
  readonly #handlers: LegRtpHandlers;
  #state: 'new' | 'opening' | 'open' | 'closing' | 'closed' = 'new';
  #port = 9;
  #rtcpPort = 9;
  #boundAddress = '0.0.0.0';
  counters: RtpCounters | undefined;

  constructor(options: {
    readonly endpointId: EndpointId;
    readonly media: MediaGroup;
    readonly settings: { readonly rtpAddress: string; readonly externalAddress: string | undefined };
    readonly addresses: () => LegAddresses;
    readonly handlers: LegRtpHandlers;
  }) {
    this.endpointId = options.endpointId;
    this.media = options.media;
    this.#settings = options.settings;
    this.#addresses = options.addresses;
    this.#handlers = options.handlers;
  }

  /** Bound, and not closed. */
  get ready(): boolean {
    return this.#state === 'open';
  }

  /** Binds the port; `opened` or `failed` follows. */
  open(rtcpMux: boolean): void {
    this.#state = 'opening';
    this.#boundAddress = this.#chooseBindAddress();
    const { endpointId } = this;
    this.media.send({ type: 'openRtp', endpointId, address: this.#boundAddress, rtcpMux });
  }

  setSession(session: RtpSession): void {
    this.media.send({ type: 'setRtpSession', endpointId: this.endpointId, session });
  }

  /** Idempotent. */
  close(): void {
    if (this.#state !== 'opening' && this.#state !== 'open') return;
    this.#state = 'closing';
    this.media.send({ type: 'closeRtp', endpointId: this.endpointId });
  }

  /** For SDP. */
  get local(): { readonly address: string; readonly port: number; readonly rtcpPort: number } {
    return { address: this.#sdpAddress(), port: this.#port, rtcpPort: this.#rtcpPort };
  }

  receiveMedia(event: MediaEvent): void {
    const { told } = this.#handlers;
    switch (event.type) {
      case 'rtpOpened':
        this.#port = event.port;
        this.#rtcpPort = event.rtcpPort;
        if (this.#state !== 'opening') return;
        this.#state = 'open';
        return this.#handlers.opened();
      case 'rtpFailed':
        // Before it is closed, and forgotten: the phone has still to be told.
        return this.#closed(usedUp.has(event.code) ? 'overload' : 'mediaFailed', event.message);
      case 'rtpClosed':
        this.counters = event.counters;
        // Unasked for: its worker died.
        return this.#closed('mediaFailed');
      case 'rtpTimeout':
        return this.#handlers.failed('rtpTimeout');
      case 'rtpStarted':
        return told('caller audio started', { source: `${event.source.address}:${event.source.port}` });
      case 'rtpStopped':
        return told('caller audio stopped', { silentMs: Math.round(event.silentMs) });
      case 'rtpResumed':
        return told('caller audio resumed', { silentMs: Math.round(event.silentMs) });
      case 'notice':
        return told(event.message, { code: event.code });
      default:
    }
  }

  #closed(reason: EndReason, detail?: string): void {
    const asked = this.#state === 'closing';
    this.#state = 'closed';
    if (!asked) this.#handlers.failed(reason, detail);
    this.#handlers.closed();
  }

  /** Audio may be of another family than signalling, with a proxy between them that speaks both. */
  #chooseBindAddress(): string {
    const { mediaPeer, local } = this.#addresses();
    const { rtpAddress } = this.#settings;
    const isOfFamily = (address: string): boolean => isIPv6(address) === isIPv6(mediaPeer);
    // A bind address of the other family cannot reach this peer: the one that faces it can.
    return [rtpAddress, local].find(isOfFamily) ?? (isIPv6(mediaPeer) ? '::' : '0.0.0.0');
  }

  #sdpAddress(): string {
    const { mediaPeer, peer, local } = this.#addresses();
    const bound = this.#boundAddress;
    const facing = isIPv6(local) === isIPv6(bound) ? local : undefined;
    return advertisedAddress({
      local: isWildcard(bound) ? (facing ?? interfaceAddressFor(mediaPeer) ?? bound) : bound,
      peer,
      external: this.#settings.externalAddress,
    });
  }
}
