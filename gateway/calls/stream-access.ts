import type { StreamConnect } from '../../protocol/stream/messages.ts';
import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { StreamTls } from '../media/media-messages.ts';
import type { Call } from './call.ts';
import type { StreamCircuits } from './stream-circuits.ts';
import { StreamDialling } from './stream-dialling.ts';

/** What all calls share of the way to stream servers. */
export interface StreamAccess {
  readonly circuits: StreamCircuits;
  /** Of an application, to sign with; undefined where there is none of that key. */
  secretOf(applicationKey: string): Uint8Array | undefined;
  /** Our certificate and whom we believe, where something is configured for this endpoint. */
  tlsFor(endpoint: string): StreamTls | undefined;
}

/** What the server of `action` is told about the call. */
export function streamConnectOf(call: Call, { streamingOptions, callHeaders }: ConnectStream): StreamConnect {
  const { from, to, sipHeaders } = call.party;
  return {
    callId: call.callId,
    applicationKey: call.owner.applicationKey,
    sampleRateHz: streamingOptions.sampleRate,
    callHeaders,
    from,
    to,
    direction: call.direction,
    sipHeaders,
  };
}

/** `addresses`: approved ones, one an endpoint; undefined where the endpoints are trusted. */
export function streamDiallingOf(
  call: Call,
  action: ConnectStream,
  addresses: readonly (string | undefined)[],
): StreamDialling {
  const { callId, owner, context } = call;
  const { applicationKey } = owner;
  const { circuits, secretOf, tlsFor } = context.streamAccess;
  return new StreamDialling({
    callId,
    applicationKey,
    action,
    addresses,
    circuits,
    clock: context.clock,
    applicationSecret: secretOf(applicationKey),
    tlsFor,
  });
}
