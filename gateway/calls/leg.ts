import type { SipHeader } from '../../protocol/sip/message.ts';
import type { EndpointId, MediaEvent } from '../media/media-messages.ts';
import type { EndReason } from './end-reason.ts';

/** One party on a call, whatever it is: a phone, or a customer's stream server. */
export interface Leg {
  /** Its place on the patch bay. */
  readonly endpointId: EndpointId;
  /** PCM rate at which others best speak to it and hear it. */
  readonly sampleRateHz: number;
  /** Tells it why, and closes its media. Idempotent. */
  end(reason: EndReason, detail?: string, moreHeaders?: readonly SipHeader[]): void;
  receiveMedia(event: MediaEvent): void;
}
