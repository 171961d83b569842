import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { Timer } from '../clock.ts';
import { approveEndpoints } from '../routing/router.ts';
import type { Call } from './call.ts';
import type { EndReason } from './end-reason.ts';
import { streamConnectOf, streamDiallingOf } from './stream-access.ts';
import type { StreamDialling } from './stream-dialling.ts';
import { StreamLeg } from './stream-leg.ts';
import { obeyStream } from './stream-requests.ts';
import { StreamResumption } from './stream-resumption.ts';
import { StreamTaps } from './stream-taps.ts';

/** Longer than any worker takes to answer: only one that hangs or died unnoticed runs into it. */
const workerMarginMs = 2_000;

export interface StreamDialHandlers {
  /** A leg was opened, in place of the one before: join it now, it keeps still until it answers. */
  opened(leg: StreamLeg): void;
  /** The server knows of the call. */
  connected(): void;
  answered(leg: StreamLeg): void;
  ended(reason: EndReason, detail?: string): void;
}

/** Connects a call to a stream server: its endpoint, then the fallback endpoints while none can be reached; again where
 *  the connection is lost and `resumeSeconds` says so. Beside it the servers that only listen. */
export class StreamDial {
  readonly #call: Call;
  readonly #action: ConnectStream;
  readonly #handlers: StreamDialHandlers;
  readonly #taps: StreamTaps;
  readonly #resumeMs: number;
  #tapAddresses: readonly (string | undefined)[] = [];
  #dialling: StreamDialling;
  #resumption: StreamResumption | undefined;
  #leg: StreamLeg | undefined;
  #deadline: Timer | undefined;
  #stopped = false;

  constructor(call: Call, action: ConnectStream, handlers: StreamDialHandlers) {
    this.#call = call;
    this.#action = action;
    this.#handlers = handlers;
    this.#taps = new StreamTaps(call, action);
    this.#resumeMs = (action.streamingOptions.resumeSeconds ?? 0) * 1000;
    this.#dialling = streamDiallingOf(call, action, []);
  }

  get leg(): StreamLeg | undefined {
    return this.#leg;
  }

  start(): void {
    // Without a turn of the event loop where there is nothing to wait for.
    if (this.#call.owner.trusted) this.#openNext();
    else this.#call.background(this.#approve());
  }

  /** Another leg is the call's now. */
  rejoin(): void {
    this.#taps.rejoin();
  }

  /** Closes what is open, with the close code of the reason. Idempotent. */
  stop(reason: EndReason): void {
    this.#stopped = true;
    this.#deadline?.cancel();
    this.#resumption?.stop();
    this.#dialling.release();
    this.#leg?.end(reason);
    this.#taps.stop(reason);
  }

  async #approve(): Promise<void> {
    const { destination, streamingOptions } = this.#action;
    const { fallbackEndpoints, tap = [] } = streamingOptions;
    const endpoints = [destination.endpoint, ...fallbackEndpoints];
    const listeners = tap.map(({ endpoint }) => endpoint);
    const approval = await approveEndpoints([...endpoints, ...listeners], this.#call.context.guard);
    if (this.#stopped) return;
    if (!approval.approved) return this.#handlers.ended('endpointRefused', approval.message);
    this.#dialling = streamDiallingOf(
      this.#call,
      this.#action,
      approval.addresses.slice(0, endpoints.length),
    );
    this.#tapAddresses = approval.addresses.slice(endpoints.length);
    this.#openNext();
  }

  /** `failure` of the one before. */
  #openNext(failure?: { readonly reason: EndReason; readonly detail: string | undefined }): void {
    const next = this.#dialling.next();
    if (next === undefined) {
      const { reason, detail } = failure ?? { reason: 'unreachable', detail: 'left alone after failures' };
      return this.#handlers.ended(reason, detail);
    }
    if (failure !== undefined) {
      this.#call.log.warn({ ...failure, next: next.endpoint }, 'stream server unreachable, trying the next');
    }
    const { context } = this.#call;
    const leg = this.#createLeg(next.endpoint);
    const { frameMs, dialect, maxBufferMs, prebufferMs } = this.#action.streamingOptions;
    leg.open({
      ...next.target,
      dialect,
      connect: streamConnectOf(this.#call, this.#action),
      frameMs,
      playout: { maxBufferMs, prebufferMs },
      resumeMs: this.#resumeMs,
      limits: context.streamLimits,
    });
    this.#limit(context.streamLimits.connectTimeoutMs, 'connect');
    this.#handlers.opened(leg);
  }

  #createLeg(endpoint: string): StreamLeg {
    const call = this.#call;
    const { context } = call;
    const endpointId = call.media.name('stream');
    const leg: StreamLeg = new StreamLeg({
      endpointId,
      endpoint,
      sampleRateHz: this.#action.streamingOptions.sampleRate,
      media: call.media.group(),
      handlers: {
        connected: () => {
          this.#dialling.connected();
          this.#limit(context.streamLimits.answerTimeoutMs, 'answer');
          this.#handlers.connected();
        },
        answered: () => {
          this.#deadline?.cancel();
          this.#handlers.answered(leg);
          if (!this.#stopped) this.#taps.open(this.#tapAddresses);
        },
        asked: (request) => obeyStream(call, leg, request),
        lost: (reason, detail) => this.#lost(leg, reason, detail),
        resumed: (gapMs) => {
          this.#resumption?.resumed();
          call.log.info({ endpoint: leg.endpoint, gapMs }, 'stream resumed');
        },
        ended: (reason, detail) => this.#ended(reason, detail),
        closed: () => call.media.closed(endpointId),
        told: (message, fields) => call.log.warn(fields, message),
      },
    });
    this.#leg = leg;
    call.stream = leg;
    call.media.opened(endpointId, (event) => leg.receiveMedia(event));
    return leg;
  }

  #lost(leg: StreamLeg, reason: EndReason, detail: string | undefined): void {
    if (this.#stopped) return;
    this.#resumption ??= new StreamResumption({
      clock: this.#call.context.clock,
      leg,
      dialling: this.#dialling,
      resumeMs: this.#resumeMs,
      gaveUp: (why, what) => this.#call.guard(() => this.#handlers.ended(why, what)),
    });
    if (!this.#resumption.going) {
      this.#call.log.warn({ endpoint: leg.endpoint, reason, detail }, 'stream lost, trying again');
    }
    this.#resumption.lost(reason);
  }

  #ended(reason: EndReason, detail?: string): void {
    if (this.#stopped) return;
    this.#deadline?.cancel();
    this.#resumption?.stop();
    if (this.#dialling.ended(reason)) this.#openNext({ reason, detail });
    else this.#handlers.ended(reason, detail);
  }

  /** The worker's own limits for the stream are shorter: one that runs into this is late even for those. */
  #limit(limitMs: number, what: string): void {
    this.#deadline?.cancel();
    this.#deadline = this.#call.context.clock.after(limitMs + workerMarginMs, () =>
      this.#call.guard(() => this.#ended('overload', `no word within the ${what} limit`)),
    );
  }
}
