import type { EndpointId } from './media-messages.ts';

/** Commands to and events from what stands on the patch bay beside phones and streams: routes, players, conference
 *  rooms, recorders, taps. Every `open…` is answered with exactly one `…Closed`, after all its other events, also
 *  where the worker dies. A unit is named like an endpoint, and an id is never used twice. */

/** Muted: `speaks` is false. On hold: both are. */
export interface MixerMode {
  readonly speaks: boolean;
  readonly hears: boolean;
}

/** Two sides of a call, as the recorder and the tap hear them: `left` is what that endpoint says; `right` is what the
 *  other says, or without it what `left` hears, from whatever source it comes. */
export interface CallSides {
  readonly left: EndpointId;
  readonly right?: EndpointId | undefined;
}

export type UnitCommand =
  /** One way. Takes the sink over from whoever fed it. Every rate and kind of both is converted where it is played. */
  | { readonly type: 'route'; readonly source: EndpointId; readonly sink: EndpointId }
  /** Only where that source feeds the sink now. A member of a conference that hears it hears it again. */
  | { readonly type: 'unroute'; readonly source: EndpointId; readonly sink: EndpointId }
  /** A source that plays what is given to it, 20 ms at a time, at one of the rates of a stream. Silent until then. */
  | { readonly type: 'openPlayer'; readonly endpointId: EndpointId; readonly sampleRateHz: number }
  /** Queued behind what is there, without a gap. `samples` is handed over to the worker: where it is the whole of its
   *  buffer, it is empty afterwards, so give away a `slice()` of what is kept. `last` ends a piece, which is answered
   *  with `playerDone`; what comes next is another piece. Beyond five minutes queued it is dropped, with a `notice`. */
  | {
      readonly type: 'playAudio';
      readonly endpointId: EndpointId;
      readonly samples: Int16Array;
      readonly last: boolean;
    }
  /** Drops what is queued and what its sinks have not played yet; every piece that was begun is answered with
   *  `playerDone`, `stopped`. */
  | { readonly type: 'stopPlayer'; readonly endpointId: EndpointId }
  | { readonly type: 'closePlayer'; readonly endpointId: EndpointId }
  /** A conference room. It stands still while nobody is in it. */
  | { readonly type: 'openMixer'; readonly endpointId: EndpointId }
  /** The member hears all others and not itself, at `sampleRateHz`, one of the rates of a stream: of a phone that of
   *  its codec. Makes both routes as far as `mode` says; a player may be a member that speaks. A member that another
   *  source is routed to hears that one, until it is unrouted. Of an endpoint that is not there it does nothing. */
  | {
      readonly type: 'joinMixer';
      readonly mixer: EndpointId;
      readonly member: EndpointId;
      readonly sampleRateHz: number;
      readonly mode: MixerMode;
    }
  /** With `hears` the member is fed by the room again, whatever was routed to it meanwhile. */
  | {
      readonly type: 'setMixerMember';
      readonly mixer: EndpointId;
      readonly member: EndpointId;
      readonly mode: MixerMode;
    }
  /** An endpoint that closes leaves by itself. */
  | { readonly type: 'leaveMixer'; readonly mixer: EndpointId; readonly member: EndpointId }
  | { readonly type: 'closeMixer'; readonly endpointId: EndpointId }
  /** Begins at once. As long as the time between this and `closeRecorder`, to the sample, whatever comes or is lost;
   *  both sides lie where they were spoken. */
  | ({
      readonly type: 'openRecorder';
      readonly endpointId: EndpointId;
      readonly layout: 'stereo' | 'mixed';
      readonly sampleRateHz: number;
    } & CallSides)
  /** The time of a pause is not in the recording. What was said before comes as `recorded` at once. */
  | { readonly type: 'pauseRecorder' | 'resumeRecorder'; readonly endpointId: EndpointId }
  /** The rest comes as `recorded` before `recorderClosed`; not where its group is released before that. */
  | { readonly type: 'closeRecorder'; readonly endpointId: EndpointId }
  /** Lets a stream, or any other sink, listen to a call: one side of it, or both as interleaved stereo, of which the
   *  sink must have `sampleRateHz` and then gets twice the samples. */
  | ({
      readonly type: 'openTap';
      readonly endpointId: EndpointId;
      readonly sink: EndpointId;
      readonly hears: 'left' | 'right' | 'stereo';
      readonly sampleRateHz: number;
    } & CallSides)
  | { readonly type: 'closeTap'; readonly endpointId: EndpointId };

export type UnitEvent =
  /** Less than two seconds wait and `last` has not come: send more. Once for each `playAudio`. */
  | { readonly type: 'playerLow'; readonly endpointId: EndpointId; readonly queuedMs: number }
  /** A piece is over: its last sample was handed on and is due where it is played out, within 20 ms. `playedMs` of it
   *  were handed on. */
  | {
      readonly type: 'playerDone';
      readonly endpointId: EndpointId;
      readonly playedMs: number;
      readonly stopped: boolean;
    }
  | { readonly type: 'playerClosed'; readonly endpointId: EndpointId }
  | { readonly type: 'mixerClosed'; readonly endpointId: EndpointId }
  /** About once a second, in order and without a gap: silence is in it. Interleaved, left first, where the layout is
   *  stereo. `atMs`: its place in the recording. */
  | {
      readonly type: 'recorded';
      readonly endpointId: EndpointId;
      readonly samples: Int16Array;
      readonly atMs: number;
    }
  /** `durationMs` is 0 where the worker died: then what came is all there is. */
  | { readonly type: 'recorderClosed'; readonly endpointId: EndpointId; readonly durationMs: number }
  | { readonly type: 'tapClosed'; readonly endpointId: EndpointId };

/** To the other thread. Audio goes over without a copy, and so it must have a buffer of its own. */
export function postMedia<Message extends { readonly type: string }>(
  to: { postMessage(message: Message, transfer: ArrayBuffer[]): void },
  message: Message,
): void {
  if (!('samples' in message) || !(message.samples instanceof Int16Array)) return to.postMessage(message, []);
  const { samples } = message;
  const alone = samples.byteLength === samples.buffer.byteLength ? samples : samples.slice();
  to.postMessage({ ...message, samples: alone }, [alone.buffer as ArrayBuffer]);
}
