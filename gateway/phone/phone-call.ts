import type { Codec, CodecName } from '../../codecs/codec.ts';
import type { SrtpSuite } from '../../protocol/rtp/srtp-keys.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import {
  headerValue,
  type SipHeader,
  type SipMessage,
  type SipResponse,
} from '../../protocol/sip/message.ts';
import type { Clock, Timer } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { sipListenerText } from '../listen-address.ts';
import type { AudioDirection } from '../media/media-messages.ts';
import type { InviteSession, InviteSessionHandlers, SessionEnd } from '../signaling/session.ts';
import { type AudioSource, createPlayer, createTonePlayer, silence } from './phone-audio.ts';
import { codecsOf, PhoneNegotiation } from './phone-negotiation.ts';
import type { PhoneRtp, PhoneRtpEvent, PhoneRtpResult, RtpTrouble } from './phone-rtp.ts';
import { convertRate } from './rate-conversion.ts';

/** What the phone says, offers and does during a call, whoever placed it. */
export interface TalkOptions {
  /** In order of preference. Default: all that this build has. */
  readonly codecs?: readonly CodecName[];
  readonly ptimeMs?: number;
  readonly rtcpMux?: boolean;
  /** Default off. */
  readonly srtp?: SrtpPolicy;
  /** Offered in this order. Default: all. */
  readonly srtpSuites?: readonly SrtpSuite[];
  /** Spoken once from the answer on; silence before and after. */
  readonly play?: { readonly pcm: Int16Array; readonly sampleRateHz: number };
  /** Spoken instead, all along; 0 dBFS is a sine of full scale. */
  readonly playTone?: { readonly frequencyHz: number; readonly levelDbfs: number };
  /** RFC 4733 digits, `w` for 500 ms; begin half a second after the answer. */
  readonly dtmf?: string;
  /** Hangs up so long after the answer. Default: never. */
  readonly durationMs?: number;
  /** Longest recording. Default 300. */
  readonly recordSeconds?: number;
  readonly trouble?: RtpTrouble;
  /** Each entry of the timeline as it happens. */
  readonly noted?: (entry: TimelineEntry) => void;
}

export interface CallResult extends PhoneRtpResult {
  /** `failed`: answered, but with a session description that the phone could not use. */
  readonly outcome: 'completed' | 'refused' | 'cancelled' | 'unreachable' | 'failed';
  /** The final response to the INVITE. */
  readonly status: number | undefined;
  readonly reasonPhrase: string | undefined;
  /** Reason header of the refusal or of the BYE that came. */
  readonly reasonHeader: string | undefined;
  /** Of the final response to the INVITE. */
  readonly responseHeaders: readonly SipHeader[];
  /** Undefined where nobody was reached. */
  readonly endedBy: 'phone' | 'farSide' | undefined;
  /** In words, where it was unreachable or failed. */
  readonly message: string | undefined;
  readonly sipCallId: string;
  /** From the INVITE to the first 180 or 183, and to the 200. */
  readonly ringingMs: number | undefined;
  readonly setupMs: number | undefined;
  /** From the 200 to the end. */
  readonly durationMs: number;
  readonly codec: CodecName | undefined;
  /** Undefined where audio was not encrypted. */
  readonly srtpSuite: SrtpSuite | undefined;
  readonly timeline: readonly TimelineEntry[];
}

export interface CallProgress {
  readonly state: 'calling' | 'ringing' | 'talking';
  /** Since the INVITE. */
  readonly elapsedMs: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
}

/** Something that happened, `atMs` after the call began. */
export interface TimelineEntry {
  readonly atMs: number;
  readonly direction: 'sent' | 'received' | 'noted';
  readonly what: string;
}

const dtmfDelayMs = 500;
const timelineEntriesMax = 500;
/** How long a BYE or CANCEL may wait for its answer before the call counts as over: two repeats of it. */
const farewellMs = 2_000;

/** One call of the test phone, from either side. */
export class PhoneCall {
  /** When it is over and our BYE or CANCEL was answered, or 2 s later. Never rejects. */
  readonly ended: Promise<CallResult>;
  /** On the phone's clock: zero of the timeline. */
  readonly startedMs: number;
  /** Settles with the first final response: true where it was a 200. */
  readonly answered: Promise<boolean>;
  readonly #clock: Clock;
  readonly #rtp: PhoneRtp;
  readonly #options: TalkOptions;
  readonly #negotiation: PhoneNegotiation;
  /** What is played, by rate: converted before the call, as that takes longer than a frame. */
  readonly #recordings: ReadonlyMap<number, Int16Array>;
  readonly #timeline: TimelineEntry[] = [];
  readonly #timers: Timer[] = [];
  #session: InviteSession | undefined;
  #response: SipResponse | undefined;
  #ringingMs: number | undefined;
  #answeredMs: number | undefined;
  #failure: string | undefined;
  #hungUp = false;
  #gaveUp = false;
  #responded = false;
  readonly #goodbye: Promise<void>;
  #saidGoodbye: () => void = () => {};
  #resolveEnded: (result: CallResult) => void = () => {};
  #resolveAnswered: (answered: boolean) => void = () => {};

  constructor(options: {
    readonly clock: Clock;
    readonly rtp: PhoneRtp;
    readonly talk: TalkOptions;
    readonly random: () => number;
  }) {
    this.#clock = options.clock;
    this.#rtp = options.rtp;
    this.#options = options.talk;
    const { ptimeMs, rtcpMux, play } = options.talk;
    const codecs = codecsOf(options.talk.codecs);
    this.#recordings = convertForAll(codecs, play);
    this.#negotiation = new PhoneNegotiation({
      codecs,
      port: options.rtp.port,
      sessionId: String(Math.floor(options.random() * 0xffff_ffff)),
      ...(ptimeMs === undefined ? {} : { ptimeMs }),
      ...(rtcpMux === undefined ? {} : { rtcpMux }),
      srtp: options.talk.srtp ?? 'off',
      ...(options.talk.srtpSuites === undefined ? {} : { srtpSuites: options.talk.srtpSuites }),
    });
    options.rtp.report = (event) => this.#noteAudio(event);
    this.startedMs = options.clock.nowMs();
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#goodbye = new Promise((resolve) => {
      this.#saidGoodbye = resolve;
    });
    this.answered = new Promise((resolve) => {
      this.#resolveAnswered = resolve;
    });
  }

  get session(): InviteSession | undefined {
    return this.#session;
  }

  /** How it is going, for whoever watches. */
  get progress(): CallProgress {
    const { packetsSent, packetsReceived } = this.#rtp;
    const ringing = this.#ringingMs === undefined ? 'calling' : 'ringing';
    const state = this.#answeredMs === undefined ? ringing : 'talking';
    return { state, elapsedMs: this.#elapsedMs(), packetsSent, packetsReceived };
  }

  attach(session: InviteSession): void {
    this.#session = session;
  }

  /** Cancels, or hangs up. */
  hangUp(headers: readonly SipHeader[] = []): void {
    if (this.#hungUp) return;
    this.#hungUp = true;
    this.#session?.end({ status: 603, headers });
  }

  /** Cancels what was not answered in time. */
  giveUp(): void {
    this.#gaveUp = true;
    this.hangUp();
  }

  /** Runs `action` so long from now, unless the call ends first. */
  after(delayMs: number | undefined, action: () => void): void {
    if (delayMs !== undefined) this.#timers.push(this.#clock.after(delayMs, action));
  }

  /** Queues RFC 4733 digits; false where telephone-event was not agreed. */
  sendDigits(digits: string): boolean {
    return this.#rtp.sendDigits(digits);
  }

  /** re-INVITE with another direction, as hold and resume do. Resolves with the status of the answer. */
  async changeDirection(direction: AudioDirection): Promise<number> {
    if (this.#session === undefined || this.#negotiation.codec === undefined) return 481;
    const result = await this.#session.reinvite(this.#negotiation.writeReoffer(direction));
    if ('status' in result) return result.status;
    this.#negotiation.takeAnswer(result.answer);
    this.#rtp.changeSession(this.#negotiation.rtpSession);
    return 200;
  }

  /** SDP of our INVITE. */
  writeOffer(localAddress: string): string {
    return this.#negotiation.writeOffer(localAddress);
  }

  /** SDP of our 200. Throws `ProtocolError` where nothing fits. */
  writeAnswer(offer: string, localAddress: string): string {
    return this.#negotiation.writeAnswer(offer, localAddress);
  }

  /** For the session of an outbound call. */
  get outboundHandlers(): InviteSessionHandlers {
    return {
      ...this.#commonHandlers(),
      progressed: () => {
        this.#ringingMs ??= this.#elapsedMs();
      },
      accepted: (response, answer) => {
        this.#response = response;
        this.#answeredMs = this.#clock.nowMs();
        this.#resolveAnswered(true);
        this.#takeAnswer(answer);
      },
    };
  }

  /** For the session of an inbound call, whose 200 carried the answer. */
  get inboundHandlers(): InviteSessionHandlers {
    return this.#commonHandlers();
  }

  /** Inbound: the 200 was sent. */
  talk(): void {
    this.#answeredMs ??= this.#clock.nowMs();
    this.#resolveAnswered(true);
    this.#startAudio();
  }

  noteMessage(direction: 'in' | 'out', message: SipMessage): void {
    if (direction === 'in' && message.kind === 'response') this.#noteResponse(message);
    this.#note(
      direction === 'in' ? 'received' : 'sent',
      message.kind === 'request' ? message.method : `${message.status} ${message.reasonPhrase}`,
    );
  }

  #noteAudio(event: PhoneRtpEvent): void {
    if (event.type === 'firstPacket') this.#note('noted', 'first RTP packet');
    else if (event.type === 'firstSound') this.#note('noted', 'first sound');
    else this.#note('noted', 'digit');
  }

  /** Waits for the one that a BYE or CANCEL of ours brings. */
  #noteResponse(response: SipResponse): void {
    this.#responded = true;
    const method = headerValue(response, 'CSeq')?.split(/\s+/)[1];
    const answersBye = method === 'BYE' && response.status >= 200;
    const answersCancel = method === 'INVITE' && response.status >= 300 && this.#hungUp;
    if (answersCancel) this.#response = response;
    if (answersBye || answersCancel) this.#saidGoodbye();
  }

  #commonHandlers(): InviteSessionHandlers {
    return {
      offered: (offer) => this.#takeReoffer(offer),
      refreshed: (answer) => {
        if (this.#negotiation.takeRefresh(answer)) this.#rtp.changeSession(this.#negotiation.rtpSession);
      },
      ended: (end) => this.#finish(end),
    };
  }

  #takeAnswer(answer: string | undefined): void {
    try {
      if (answer === undefined) throw new Error('the 200 carried no session description');
      this.#negotiation.takeAnswer(answer);
    } catch (error) {
      this.#failure = errorMessage(error);
      this.hangUp();
      return;
    }
    this.#startAudio();
  }

  #takeReoffer(offer: string | undefined): { readonly answer: string } | { readonly status: number } {
    if (offer === undefined || this.#negotiation.codec === undefined) return { status: 488 };
    try {
      const answer = this.#negotiation.writeAnswer(offer);
      this.#rtp.changeSession(this.#negotiation.rtpSession);
      return { answer };
    } catch {
      return { status: 488 };
    }
  }

  #startAudio(): void {
    const { rtpSession, codec } = this.#negotiation;
    const { dtmf, durationMs } = this.#options;
    this.#rtp.start(rtpSession, codec!, (sampleRateHz) => this.#createSource(sampleRateHz));
    if (dtmf !== undefined) this.after(dtmfDelayMs, () => this.sendDigits(dtmf));
    this.after(durationMs, () => this.hangUp());
  }

  #createSource(sampleRateHz: number): AudioSource {
    const { playTone } = this.#options;
    const recording = this.#recordings.get(sampleRateHz);
    if (recording !== undefined) return createPlayer(recording);
    return playTone === undefined ? silence : createTonePlayer({ ...playTone, sampleRateHz });
  }

  #finish(end: SessionEnd): void {
    const endedMs = this.#clock.nowMs();
    const audio = this.#rtp.close();
    for (const timer of this.#timers) timer.cancel();
    this.#resolveAnswered(false);
    // Without any response there is nobody to say goodbye to: an INVITE then cannot be cancelled either.
    if (end.cause !== 'local' || (this.#session?.direction === 'outbound' && !this.#responded)) {
      this.#resolveEnded(this.#resultOf(end, endedMs, audio));
      return;
    }
    const limit = this.#clock.after(farewellMs, () => this.#saidGoodbye());
    this.#goodbye.then(() => {
      limit.cancel();
      this.#resolveEnded(this.#resultOf(end, endedMs, audio));
    });
  }

  #resultOf(end: SessionEnd, endedMs: number, audio: PhoneRtpResult): CallResult {
    const answeredMs = this.#answeredMs;
    const final = end.cause === 'refused' ? end.response : this.#response;
    return {
      ...audio,
      outcome: this.#outcomeOf(end),
      status: final?.status,
      reasonPhrase: final?.reasonPhrase,
      reasonHeader: reasonOf(end) ?? (final && headerValue(final, 'Reason')),
      responseHeaders: final?.headers ?? [],
      endedBy: this.#unheard ? undefined : endedByOf(end),
      message: this.#failure ?? this.#messageOf(end),
      sipCallId: this.#session?.sipCallId ?? '',
      ringingMs: this.#ringingMs,
      setupMs: answeredMs === undefined ? undefined : answeredMs - this.startedMs,
      durationMs: answeredMs === undefined ? 0 : endedMs - answeredMs,
      codec: this.#negotiation.codec?.name,
      srtpSuite: this.#negotiation.srtpSuite,
      timeline: this.#timeline,
    };
  }

  #outcomeOf(end: SessionEnd): CallResult['outcome'] {
    if (this.#failure !== undefined) return 'failed';
    if (this.#answeredMs !== undefined) return 'completed';
    if (end.cause === 'unreachable' || this.#unheard) return 'unreachable';
    return this.#hungUp || end.cause === 'cancel' || end.cause === 'local' ? 'cancelled' : 'refused';
  }

  /** Not even a 100 came: that is no phone that rings and nobody takes it. */
  get #unheard(): boolean {
    return this.#gaveUp && !this.#responded;
  }

  #messageOf(end: SessionEnd): string | undefined {
    if (end.cause === 'unreachable') return end.message;
    const remote = this.#unheard && this.#session?.remote;
    return remote ? `no answer at all from ${sipListenerText(remote)}` : undefined;
  }

  #note(direction: TimelineEntry['direction'], what: string): void {
    if (this.#timeline.length >= timelineEntriesMax) return;
    const entry: TimelineEntry = { atMs: this.#elapsedMs(), direction, what };
    this.#timeline.push(entry);
    this.#options.noted?.(entry);
  }

  #elapsedMs(): number {
    return this.#clock.nowMs() - this.startedMs;
  }
}

function convertForAll(codecs: readonly Codec[], play: TalkOptions['play']): ReadonlyMap<number, Int16Array> {
  const recordings = new Map<number, Int16Array>();
  if (play === undefined) return recordings;
  for (const { sampleRateHz } of codecs) {
    if (!recordings.has(sampleRateHz))
      recordings.set(sampleRateHz, convertRate(play.pcm, play.sampleRateHz, sampleRateHz));
  }
  return recordings;
}

function reasonOf(end: SessionEnd): string | undefined {
  if (end.cause === 'refused') return headerValue(end.response, 'Reason');
  return end.cause === 'bye' || end.cause === 'cancel' ? headerValue(end.request, 'Reason') : undefined;
}

function endedByOf(end: SessionEnd): CallResult['endedBy'] {
  if (end.cause === 'local' || end.cause === 'closed') return 'phone';
  return end.cause === 'unreachable' ? undefined : 'farSide';
}
