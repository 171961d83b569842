import type { ConnectConf } from '../../../protocol/svaml/actions.ts';
import type { MixerMode } from '../../media/media-messages.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { pieMessage } from '../call-messages.ts';
import type { Room } from '../conferences.ts';
import { DigitCollector } from '../digit-collector.ts';
import type { EndReason } from '../end-reason.ts';
import type { Leg } from '../leg.ts';
import { askPie } from '../pie-question.ts';
import { playPrompts, promptSources } from '../player.ts';
import { SipLeg } from '../sip-leg.ts';
import type { LegDigit } from '../sip-leg-options.ts';

/** `connectConf`: the call is in a room, hears everybody in it but itself, and may be muted, put on hold and put out. */
export class ConferenceMembership implements Activity {
  readonly call: Call;
  readonly #action: ConnectConf;
  readonly #digits: DigitCollector;
  #room: Room | undefined;
  #joinedMs = 0;
  #leg: Leg | undefined;
  #muted = false;
  #onHold = false;
  /** While alone, or on hold. */
  #music: AbortController | undefined;

  constructor(call: Call, action: ConnectConf) {
    this.call = call;
    this.#action = action;
    const { maxDigits, timeoutMills } = action.conferenceDtmfOptions;
    this.#digits = new DigitCollector(call.context.clock, {
      maxDigits,
      timeoutMs: timeoutMills,
      collected: (digits) => call.guard(() => this.#detected(digits)),
    });
  }

  get muted(): boolean {
    return this.#muted;
  }

  get onHold(): boolean {
    return this.#onHold;
  }

  get seconds(): number {
    return Math.round((this.call.context.clock.nowMs() - this.#joinedMs) / 1_000);
  }

  start(): void {
    const { call } = this;
    call.answer();
    const { conferences } = call.context;
    const room = conferences.open(call.owner.applicationKey, this.#action.conferenceId, call.media.group());
    this.#room = room;
    room.expected.add(call.callId);
    if (room.group.worker === call.media.worker) this.#enter(room);
    else call.background(this.#moveTo(room));
  }

  /** All members of a room are on one media worker. */
  async #moveTo(room: Room): Promise<void> {
    const { call } = this;
    const moved = await call.line.moveTo(room.group);
    if (this.#room !== room || !call.live) return;
    if (moved) return this.#enter(room);
    const detail = `room ${room.conferenceId} is on worker ${room.group.worker}, and the call cannot go there`;
    call.end('conferenceElsewhere', detail);
  }

  #enter(room: Room): void {
    const { call } = this;
    this.#joinedMs = call.context.clock.nowMs();
    room.expected.delete(call.callId);
    room.members.set(call.callId, this);
    this.rejoin();
    call.log.info({ conferenceId: room.conferenceId, members: room.members.size }, 'conference joined');
    call.happened('conference.joined', { conferenceId: room.conferenceId });
    for (const member of room.members.values()) member.entertain();
  }

  stop(): void {
    const room = this.#room;
    this.#room = undefined;
    this.#music?.abort();
    this.#digits.cancel();
    if (room === undefined) return;
    const { call } = this;
    const { conferences } = call.context;
    room.expected.delete(call.callId);
    if (!room.members.delete(call.callId)) return conferences.left(room);
    this.#leave(room);
    call.log.info({ conferenceId: room.conferenceId, seconds: this.seconds }, 'conference left');
    call.happened('conference.left', { conferenceId: room.conferenceId });
    for (const member of room.members.values()) member.entertain();
    conferences.left(room);
  }

  rejoin(before?: Leg): void {
    const room = this.#room;
    const { leg } = this.call;
    if (room === undefined || leg === undefined || !room.members.has(this.call.callId)) return;
    if (before !== undefined) this.#leave(room);
    if (this.#leg === leg) return this.#setMode();
    this.#leg = leg;
    const { endpointId: member, sampleRateHz } = leg;
    room.group.send({ type: 'joinMixer', mixer: room.mixer, member, sampleRateHz, mode: this.#mode });
  }

  mute(muted: boolean): void {
    this.#muted = muted;
    this.#setMode();
  }

  /** `moh`: a prompt, looped while on hold. */
  hold(onHold: boolean, moh: string | undefined): void {
    this.#onHold = onHold;
    this.#setMode();
    this.#music?.abort();
    this.#music = undefined;
    if (onHold && moh !== undefined) this.#play(moh);
    else this.entertain();
  }

  /** Music while nobody else is there; whoever comes ends it. */
  entertain(): void {
    if (this.#onHold || this.#room === undefined) return;
    const alone = this.#room.members.size === 1;
    if (!alone) {
      this.#music?.abort();
      this.#music = undefined;
    } else if (this.#music === undefined && this.#action.moh !== undefined) {
      this.#play(this.#action.moh);
    }
  }

  end(reason: EndReason): void {
    this.call.end(reason);
  }

  digit(digit: LegDigit): void {
    const { mode } = this.#action.conferenceDtmfOptions;
    if (mode === 'detect') return this.#digits.press(digit.digit);
    if (mode !== 'forward') return;
    for (const member of this.#room?.members.values() ?? []) {
      const { leg } = member.call;
      if (member !== this && leg instanceof SipLeg) leg.sendDigits(digit.digit);
    }
  }

  #detected(digits: string): void {
    const { call } = this;
    if (!call.owner.asksPie) return;
    const menuResult = {
      menuId: this.#action.conferenceId,
      type: 'sequence',
      value: digits,
      inputMethod: 'dtmf',
    } as const;
    call.background(askPie(call, pieMessage(call, menuResult)));
  }

  get #mode(): MixerMode {
    return { speaks: !this.#muted && !this.#onHold, hears: !this.#onHold };
  }

  #setMode(): void {
    const room = this.#room;
    if (room === undefined || this.#leg === undefined) return;
    const { endpointId: member } = this.#leg;
    room.group.send({ type: 'setMixerMember', mixer: room.mixer, member, mode: this.#mode });
  }

  #leave(room: Room): void {
    if (this.#leg === undefined) return;
    room.group.send({ type: 'leaveMixer', mixer: room.mixer, member: this.#leg.endpointId });
    this.#leg = undefined;
  }

  #play(prompt: string): void {
    const { call } = this;
    const to = call.leg;
    if (to === undefined) return;
    const music = new AbortController();
    this.#music = music;
    const sources = promptSources(call, prompt);
    const playing = playPrompts(call, sources, { signal: music.signal, loops: true, to });
    call.background(playing.then(() => {}));
  }
}
