import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { Timer } from '../clock.ts';
import { approveEndpoints } from '../routing/router.ts';
import type { Call } from './call.ts';
import type { EndReason } from './end-reason.ts';
import { StreamLeg } from './stream-leg.ts';

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

/** Connects a call to a stream server: its endpoint, then the fallback endpoints while none can be reached. */
export class StreamDial {
  readonly #call: Call;
  readonly #action: ConnectStream;
  readonly #handlers: StreamDialHandlers;
  readonly #endpoints: readonly string[];
  /** Approved literal addresses, one an endpoint; undefined where the endpoint is trusted. */
  #addresses: readonly (string | undefined)[] = [];
  #attempts = 0;
  #leg: StreamLeg | undefined;
  #deadline: Timer | undefined;
  #stopped = false;

  constructor(call: Call, action: ConnectStream, handlers: StreamDialHandlers) {
    this.#call = call;
    this.#action = action;
    this.#handlers = handlers;
    this.#endpoints = [action.destination.endpoint, ...action.streamingOptions.fallbackEndpoints];
  }

  get leg(): StreamLeg | undefined {
    return this.#leg;
  }

  start(): void {
    // Without a turn of the event loop where there is nothing to wait for.
    if (this.#call.owner.trusted) this.#open();
    else this.#call.background(this.#approve());
  }

  /** Closes what is open, with the close code of the reason. Idempotent. */
  stop(reason: EndReason): void {
    this.#stopped = true;
    this.#deadline?.cancel();
    this.#leg?.end(reason);
  }

  async #approve(): Promise<void> {
    const approval = await approveEndpoints(this.#endpoints, this.#call.context.guard);
    if (this.#stopped) return;
    if (!approval.approved) return this.#handlers.ended('endpointRefused', approval.message);
    this.#addresses = approval.addresses;
    this.#open();
  }

  #open(): void {
    const call = this.#call;
    const { context, party } = call;
    const { streamingOptions, callHeaders, authorization } = this.#action;
    const { sampleRate: sampleRateHz, frameMs, dialect } = streamingOptions;
    const attempt = this.#attempts++;
    const endpoint = this.#endpoints[attempt]!;
    const endpointId = call.media.name('stream');
    const leg: StreamLeg = new StreamLeg({
      endpointId,
      endpoint,
      sampleRateHz,
      media: call.media.group(),
      handlers: {
        connected: () => {
          this.#limit(context.streamLimits.answerTimeoutMs, 'answer');
          this.#handlers.connected();
        },
        answered: () => {
          this.#deadline?.cancel();
          this.#handlers.answered(leg);
        },
        ended: (reason, detail) => this.#ended(reason, detail),
        closed: () => call.media.closed(endpointId),
        told: (message, fields) => call.log.warn(fields, message),
      },
    });
    this.#leg = leg;
    call.stream = leg;
    call.media.opened(endpointId, (event) => leg.receiveMedia(event));
    leg.open({
      dialect,
      connect: {
        callId: call.callId,
        applicationKey: call.owner.applicationKey,
        sampleRateHz,
        callHeaders,
        from: party.from,
        to: party.to,
        direction: call.direction,
        sipHeaders: party.sipHeaders,
      },
      frameMs,
      headers: authorization === undefined ? {} : { Authorization: authorization },
      address: this.#addresses[attempt],
      limits: context.streamLimits,
    });
    this.#limit(context.streamLimits.connectTimeoutMs, 'connect');
    this.#handlers.opened(leg);
  }

  #ended(reason: EndReason, detail?: string): void {
    if (this.#stopped) return;
    this.#deadline?.cancel();
    const reachable = reason !== 'unreachable' && reason !== 'connectTimeout';
    if (reachable || this.#attempts >= this.#endpoints.length) return this.#handlers.ended(reason, detail);
    const endpoint = this.#endpoints[this.#attempts - 1];
    this.#call.log.warn({ endpoint, reason, detail }, 'stream server unreachable, trying the next');
    this.#open();
  }

  /** The worker's own limits for the stream are shorter: one that runs into this is late even for those. */
  #limit(limitMs: number, what: string): void {
    this.#deadline?.cancel();
    this.#deadline = this.#call.context.clock.after(limitMs + workerMarginMs, () =>
      this.#call.guard(() => this.#ended('overload', `no word within the ${what} limit`)),
    );
  }
}
