import {
  type StreamConnect,
  type StreamDialectName,
  type StreamEvent,
  streamCloses,
} from '../../protocol/stream/messages.ts';
import type {
  MediaEvent,
  StreamCounters,
  StreamEnd,
  StreamLimits,
  StreamPlayout,
  StreamRequest,
  StreamTarget,
} from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import { type EndReason, endReasons } from './end-reason.ts';

export interface StreamLegHandlers {
  /** The socket is open and `connect` was sent. */
  connected(): void;
  answered(): void;
  /** The server asks for what only the call can do. Only after its answer. Digits are never to be logged. */
  asked?(request: StreamRequest): void;
  /** Where `resumeMs` was given: the connection is lost, or another one failed. Go on with `reopen` or `end`. */
  lost?(reason: EndReason, detail?: string): void;
  /** It is answered again; `gapMs` of what was said meanwhile was delivered first. */
  resumed?(gapMs: number): void;
  /** Over by the server's doing or by a failure. Not called after `end`. */
  ended(reason: EndReason, detail?: string): void;
  /** The socket is gone: the last event. */
  closed(): void;
  told(message: string, fields: Record<string, unknown>): void;
}

/** One customer's WebSocket server on a call. */
export class StreamLeg {
  readonly endpointId: string;
  /** Where the connection is, or was last. */
  endpoint: string;
  readonly sampleRateHz: number;
  readonly #media: MediaGroup;
  readonly #handlers: StreamLegHandlers;
  #state: 'new' | 'open' | 'answered' | 'lost' | 'ending' | 'closed' = 'new';
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

  /** `address`: the literal address that the endpoint guard approved, undefined for trusted endpoints. `url` where what
   *  is connected to is more than the endpoint: it may hold a token. */
  open(options: {
    readonly url?: string;
    readonly dialect: StreamDialectName;
    readonly connect: StreamConnect;
    readonly headers: Readonly<Record<string, string>>;
    readonly frameMs: number;
    readonly address: string | undefined;
    readonly limits: StreamLimits;
    readonly tls?: StreamTarget['tls'];
    readonly playout?: StreamPlayout | undefined;
    readonly resumeMs?: number | undefined;
  }): void {
    this.#state = 'open';
    this.#media.send({
      type: 'openStream',
      endpointId: this.endpointId,
      url: this.endpoint,
      ...options,
    });
  }

  /** Another connection in place of the one that was lost. */
  reopen(target: StreamTarget, endpoint: string): void {
    if (this.#state !== 'lost') return;
    this.endpoint = endpoint;
    this.#media.send({ type: 'reopenStream', endpointId: this.endpointId, ...target });
  }

  /** Says it to the server, if it is there and asked for such events. */
  tell(event: StreamEvent): void {
    if (this.#state !== 'answered') return;
    this.#media.send({ type: 'tellStream', endpointId: this.endpointId, event });
  }

  /** Closes the socket with the close code of the reason. Idempotent. */
  end(reason: EndReason): void {
    if (this.#state === 'new' || this.#state === 'ending' || this.#state === 'closed') return;
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
      case 'streamAsked':
        if (this.#state === 'answered') this.#handlers.asked?.(event);
        return;
      case 'streamLost': {
        if (this.#state !== 'answered' && this.#state !== 'lost') return;
        const { reason, detail } = streamEndReason(event.end, this.#state === 'answered');
        this.#state = 'lost';
        this.#handlers.lost?.(reason, detail);
        return;
      }
      case 'streamResumed':
        if (this.#state !== 'lost') return;
        this.#state = 'answered';
        this.#handlers.resumed?.(event.gapMs);
        return;
      case 'streamClosed': {
        this.counters = event.counters;
        const before = this.#state;
        this.#state = 'closed';
        this.#handlers.closed();
        if (before === 'ending') return;
        const { reason, detail } = streamEndReason(event.end, before === 'answered' || before === 'lost');
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
