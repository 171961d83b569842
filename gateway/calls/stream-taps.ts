import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { EndpointId } from '../media/media-messages.ts';
import type { Call } from './call.ts';
import type { EndReason } from './end-reason.ts';
import { streamConnectOf, streamDiallingOf } from './stream-access.ts';
import { StreamLeg } from './stream-leg.ts';

type TapOptions = NonNullable<ConnectStream['streamingOptions']['tap']>[number];

const hears = { caller: 'left', callee: 'right', both: 'stereo' } as const;

interface Tap {
  readonly options: TapOptions;
  readonly leg: StreamLeg;
  /** What feeds the leg, and whose call it hears there. */
  unit: { readonly endpointId: EndpointId; readonly caller: EndpointId } | undefined;
}

/** The servers that only listen to a call, beside the one that talks. What becomes of them is no matter of the call's:
 *  one that cannot be reached, refuses or hangs up is missed in the log alone. */
export class StreamTaps {
  readonly #call: Call;
  readonly #action: ConnectStream;
  readonly #taps = new Set<Tap>();

  constructor(call: Call, action: ConnectStream) {
    this.#call = call;
    this.#action = action;
  }

  /** `addresses`: approved ones, one a tap; undefined where the endpoints are trusted. */
  open(addresses: readonly (string | undefined)[]): void {
    const { tap: wanted = [] } = this.#action.streamingOptions;
    for (const [index, options] of wanted.entries()) this.#open(options, addresses[index]);
    this.rejoin();
  }

  /** Where another phone took the caller's place it is heard from now on. */
  rejoin(): void {
    const caller = this.#call.leg?.endpointId;
    for (const tap of this.#taps) {
      if (tap.unit?.caller === caller) continue;
      this.#closeUnit(tap);
      if (caller !== undefined) this.#openUnit(tap, caller);
    }
  }

  stop(reason: EndReason): void {
    for (const tap of this.#taps) {
      this.#closeUnit(tap);
      tap.leg.end(reason);
    }
    this.#taps.clear();
  }

  #open(options: TapOptions, address: string | undefined): void {
    const call = this.#call;
    const { context } = call;
    const { streamingOptions } = this.#action;
    const { endpoint, channels, dialect, authorization } = options;
    // What lets us in at the server that talks is none of another's business.
    const action = {
      ...this.#action,
      destination: { ...this.#action.destination, endpoint },
      streamingOptions: { ...streamingOptions, fallbackEndpoints: [] },
      authorization,
    };
    const dialling = streamDiallingOf(call, action, [address]);
    const next = dialling.next();
    if (next === undefined) return call.log.warn({ endpoint, reason: 'circuitOpen' }, 'tap not connected');
    const endpointId = call.media.name('tap');
    const leg = new StreamLeg({
      endpointId,
      endpoint,
      sampleRateHz: streamingOptions.sampleRate,
      media: call.media.group(),
      handlers: {
        connected: () => dialling.connected(),
        answered: () => call.log.info({ endpoint, channels }, 'tap connected'),
        ended: (reason, detail) => {
          dialling.ended(reason);
          call.log.warn({ endpoint, reason, detail }, 'tap ended');
          this.#closeUnit(tap);
          this.#taps.delete(tap);
          leg.end(reason);
        },
        closed: () => {
          dialling.release();
          call.media.closed(endpointId);
        },
        told: (message, fields) => call.log.warn(fields, message),
      },
    });
    const tap: Tap = { options, leg, unit: undefined };
    this.#taps.add(tap);
    call.media.opened(endpointId, (event) => leg.receiveMedia(event));
    leg.open({
      ...next.target,
      dialect,
      connect: { ...streamConnectOf(call, action), tap: channels },
      frameMs: streamingOptions.frameMs,
      limits: context.streamLimits,
    });
  }

  #openUnit(tap: Tap, caller: EndpointId): void {
    const call = this.#call;
    const endpointId = call.media.name('listener');
    tap.unit = { endpointId, caller };
    call.media.opened(endpointId, (event) => {
      if (event.type === 'tapClosed') call.media.closed(endpointId);
    });
    call.media.send({
      type: 'openTap',
      endpointId,
      sink: tap.leg.endpointId,
      hears: hears[tap.options.channels],
      sampleRateHz: tap.leg.sampleRateHz,
      left: caller,
    });
  }

  #closeUnit(tap: Tap): void {
    if (tap.unit !== undefined) this.#call.media.send({ type: 'closeTap', endpointId: tap.unit.endpointId });
    tap.unit = undefined;
  }
}
