import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  RtpCounters,
  RtpSession,
} from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import type { EndReason } from './end-reason.ts';
import { type LegAddresses, LegRtp } from './leg-rtp.ts';

export interface LegAudioOptions {
  readonly settings: { readonly rtpAddress: string; readonly externalAddress: string | undefined };
  readonly addresses: () => LegAddresses;
  /** The first port is bound. */
  opened(): void;
  /** Of the port in use: there is none, its worker died, or no RTP came for too long. */
  failed(reason: EndReason, detail: string | undefined): void;
  /** One of its endpoints is gone. */
  closed(endpointId: EndpointId): void;
  told(message: string, fields: Record<string, unknown>): void;
}

/** Where a phone's audio is: at one RTP endpoint, and for a moment at another, while it moves to another worker. */
export class LegAudio {
  readonly #options: LegAudioOptions;
  readonly #ports = new Map<EndpointId, LegRtp>();
  #current: LegRtp | undefined;
  /** Tried in place of the current one. */
  #next: LegRtp | undefined;
  #inBand = false;

  constructor(options: LegAudioOptions) {
    this.#options = options;
  }

  get endpointId(): EndpointId | undefined {
    return this.#current?.endpointId;
  }

  get ready(): boolean {
    return this.#current?.ready === true;
  }

  get counters(): RtpCounters | undefined {
    return this.#current?.counters;
  }

  /** For SDP; a port that nobody can reach before there is one. */
  get local(): { readonly address: string; readonly port: number; readonly rtcpPort: number } {
    const { rtpAddress: address } = this.#options.settings;
    return (this.#next ?? this.#current)?.local ?? { address, port: 9, rtcpPort: 9 };
  }

  open(endpointId: EndpointId, media: MediaGroup, rtcpMux: boolean): void {
    const { opened } = this.#options;
    this.#current = this.#create(endpointId, media, opened, this.#options.failed);
    this.#current.open(rtcpMux);
  }

  /** Binds another port elsewhere, for SDP from now on; false where there is none. */
  openNext(endpointId: EndpointId, media: MediaGroup, rtcpMux: boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const next: LegRtp = this.#create(
        endpointId,
        media,
        () => resolve(true),
        (reason, detail) => {
          if (this.#current === next) return this.#options.failed(reason, detail);
          resolve(false);
        },
      );
      this.#next = next;
      next.open(rtcpMux);
    });
  }

  /** The other port is in use from now on, or is given up. What is no longer in use is closed. */
  settleNext(taken: boolean): void {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    const left = taken ? this.#current : next;
    if (taken) {
      this.#current = next;
      this.#inBand = false;
    }
    left?.close();
  }

  /** `listens`: looks for keys in the audio too. */
  setSession(session: RtpSession, listens: boolean): void {
    this.#current?.setSession(session);
    if (this.#current === undefined || listens === this.#inBand) return;
    this.#inBand = listens;
    this.send({ type: 'detectDigits', endpointId: this.#current.endpointId, listens, mutes: false });
  }

  send(command: MediaCommand): void {
    this.#current?.media.send(command);
  }

  close(): void {
    this.#current?.close();
    this.#next?.close();
  }

  receiveMedia(event: MediaEvent): void {
    if ('endpointId' in event) this.#ports.get(event.endpointId)?.receiveMedia(event);
  }

  #create(
    endpointId: EndpointId,
    media: MediaGroup,
    opened: () => void,
    failed: (reason: EndReason, detail?: string) => void,
  ): LegRtp {
    const { settings, addresses, closed, told } = this.#options;
    const port = new LegRtp({
      endpointId,
      media,
      settings,
      addresses,
      handlers: {
        opened,
        failed,
        told,
        closed: () => {
          this.#ports.delete(endpointId);
          closed(endpointId);
        },
      },
    });
    this.#ports.set(endpointId, port);
    return port;
  }
}
