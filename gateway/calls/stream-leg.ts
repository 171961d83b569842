import { type StreamConnect, type StreamDialectName, streamCloses } from '../../protocol/stream/messages.ts';
import type { MediaEvent, StreamCounters, StreamEnd, StreamLimits } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import { type EndReason, endReasons } from './end-reason.ts';

export interface StreamLegHandlers {
  /** The socket is open and `connect` was sent. */
  connected(): void;
  answered(): void;
  /** Over by the server's doing or by a failure. Not called after `end`. */
  ended(reason: EndReason, detail?: string): void;
  /** The socket is gone: the last event. */
  closed(): void;
  told(message: string, fields: Record<string, unknown>): void;
}

/** One customer's WebSocket server on a call. */
export class StreamLeg {
  readonly endpointId: string;
  readonly endpoint: string;
  readonly sampleRateHz: number;
  readonly #media: MediaGroup;
  readonly #handlers: StreamLegHandlers;
  #state: 'new' | 'open' | 'answered' | 'ending' | 'closed' = 'new';
  counters: StreamCounters | undefined;

  constructor(options: {
    readonly endpointId: string;
    readonly endpoint: string;
    readonly sampleRateHz: number;
    readonly media: MediaGroup;
    readonly handlers: StreamLegHandlers;
  }) {
    this.endpointId = options.endpointId;
    this.endpoint = options.endpoint;
    this.sampleRateHz = options.sampleRateHz;
    this.#media = options.media;
    this.#handlers = options.handlers;
  }

  /** `address`: the literal address that the endpoint guard approved, undefined for trusted endpoints. */
  open(options: {
    readonly dialect: StreamDialectName;
    readonly connect: StreamConnect;
    readonly headers: Readonly<Record<string, string>>;
    readonly frameMs: number;
    readonly address: string | undefined;
    readonly limits: StreamLimits;
  }): void {
    this.#state = 'open';
    this.#media.send({
      type: 'openStream',
      endpointId: this.endpointId,
      url: this.endpoint,
      ...options,
    });
  }

  /** Closes the socket with the close code of the reason. Idempotent. */
  end(reason: EndReason): void {
    if (this.#state !== 'open' && this.#state !== 'answered') return;
    this.#state = 'ending';
    this.#media.send({
      type: 'closeStream',
      endpointId: this.endpointId,
      ...streamCloses[endReasons[reason].close],
    });
  }

  receiveMedia(event: MediaEvent): void {
    switch (event.type) {
      case 'streamConnected':
        if (this.#state === 'open') this.#handlers.connected();
        return;
      case 'streamReplied':
        if (this.#state !== 'open') return;
        if (event.reply === 'answer') {
          this.#state = 'answered';
          this.#handlers.answered();
        } else {
          this.#handlers.ended(event.reply === 'busy' ? 'busy' : 'rejected');
        }
        return;
      case 'streamClosed': {
        this.counters = event.counters;
        const before = this.#state;
        this.#state = 'closed';
        this.#handlers.closed();
        if (before === 'ending') return;
        const { reason, detail } = streamEndReason(event.end, before === 'answered');
        this.#handlers.ended(reason, detail);
        return;
      }
      case 'notice':
        this.#handlers.told(event.message, { code: event.code });
        return;
      default:
    }
  }
}

/** CONTRACT §8: what an ended stream means for the call, before and after its answer. */
export function streamEndReason(
  end: StreamEnd,
  answered: boolean,
): { readonly reason: EndReason; readonly detail?: string } {
  switch (end.cause) {
    case 'declined':
      return { reason: 'declined', detail: `HTTP ${end.httpStatus}` };
    case 'unreachable':
      if (end.code === 'CONNECTTIMEOUT') return { reason: 'connectTimeout' };
      return { reason: answered ? 'streamLost' : 'unreachable', detail: end.code };
    case 'answerTimeout':
      return { reason: 'answerTimeout' };
    case 'idle':
      return { reason: 'idle' };
    case 'violation':
      return { reason: answered ? 'violation' : 'violationEarly', detail: end.message };
    case 'closed': {
      const detail = end.reason === '' ? `${end.code}` : `${end.code} ${end.reason}`;
      if (!answered) return { reason: 'closedEarly', detail };
      return end.code === 1006 ? { reason: 'streamLost' } : { reason: 'streamClosed', detail };
    }
    case 'local':
      return { reason: 'internalError', detail: 'stream closed without being asked' };
  }
}
