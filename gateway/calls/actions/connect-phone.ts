import type { ConnectPstn, ConnectSip } from '../../../protocol/svaml/actions.ts';
import type { AudioSource } from '../../audio/audio-source.ts';
import type { Wanted } from '../../routing/destinations.ts';
import { askAce } from '../ace-question.ts';
import type { Activity } from '../activity.ts';
import type { Call } from '../call.ts';
import { CalleeStates } from '../callee-states.ts';
import { DurationLimit } from '../duration-limit.ts';
import type { EndReason } from '../end-reason.ts';
import { hearEarly, perform } from '../instructions.ts';
import type { Leg } from '../leg.ts';
import { OutboundPhone } from '../outbound-phone.ts';
import { playPrompts, promptSources } from '../player.ts';
import type { SipLeg } from '../sip-leg.ts';

/** `connectSip` and `connectPstn`: calls somebody, lets the caller hear how that goes, and joins the two. Whoever hangs
 *  up ends it for both. */
export class PhoneConnection implements Activity {
  readonly #call: Call;
  readonly #action: ConnectSip | ConnectPstn;
  #callee: OutboundPhone;
  readonly #states: CalleeStates;
  readonly #limit: DurationLimit;
  /** What the caller hears until the called party answers. */
  #waiting: AbortController | undefined;
  /** Music for the side that is on hold. */
  readonly #music = new Map<Leg, AbortController>();
  readonly #stopped = new AbortController();
  #joined = false;

  constructor(call: Call, action: ConnectSip | ConnectPstn) {
    this.#call = call;
    this.#action = action;
    this.#limit = new DurationLimit(call);
    this.#states = new CalleeStates(call, action);
    this.#callee = new OutboundPhone(call, {
      wanted: wantedOf(action, call),
      cli: action.cli ?? call.party.from,
      callHeaders: action.callHeaders,
      codecs: action.name === 'connectSip' ? action.codecs : undefined,
      sessionExpiresSeconds: action.name === 'connectSip' ? action.sessionTimeout : undefined,
      ringLimitMs: (action.name === 'connectSip' ? action.timeout : action.dialTimeout) * 1_000,
      handlers: {
        ringing: (media) => this.#ringing(media),
        answered: () => call.background(this.#answered()),
        ended: (reason, detail) => {
          // It has asked for somebody else in its place, and waits no longer for how that goes.
          const { leg } = this.#callee;
          if (leg !== undefined && call.transfers.waitsFor(leg)) return leg.end(reason, detail);
          this.#states.ended(reason);
          if (this.#joined && action.keepCaller && reason === 'calleeHangup') this.#keepCaller();
          else call.end(reason, detail);
        },
        held: (held) => this.#hold(call.leg, held),
        referred: (leg, referral) => call.transfers.follow(leg, referral, 'callee'),
      },
    });
  }

  get partner(): SipLeg | undefined {
    const { leg } = this.#callee;
    return leg?.over ? undefined : leg;
  }

  start(): void {
    if (this.#action.suppressCallbacks) this.#call.owner = { ...this.#call.owner, tellsDice: false };
    if (!this.#callee.start()) return;
    this.#states.told('created', this.#callee.to);
    const tone = this.#tone();
    if (tone.length > 0) this.#wait(tone);
  }

  stop(reason: EndReason): void {
    this.#stopped.abort();
    this.#waiting?.abort();
    for (const music of this.#music.values()) music.abort();
    this.#limit.cancel();
    this.#states.ended(reason);
    this.#callee.end(reason);
  }

  rejoin(): void {
    const { leg, media } = this.#call;
    const callee = this.#callee.leg;
    if (!this.#joined || leg === undefined || callee === undefined) return;
    media.send({ type: 'bridge', a: leg.endpointId, b: callee.endpointId });
  }

  adoptPartner(phone: OutboundPhone): boolean {
    if (!this.#joined) return false;
    const before = this.#callee;
    this.#callee = phone;
    this.rejoin();
    before.end('transferred');
    return true;
  }

  /** The caller has put us on hold: the called party gets the music. */
  held(held: boolean): void {
    this.#hold(this.#callee.leg, held);
  }

  /** Said by the action; a caller who has been answered needs a tone of ours where none is said. */
  #tone(): readonly AudioSource[] {
    const call = this.#call;
    const action = this.#action;
    if (action.name === 'connectPstn') {
      const { indications: country } = action;
      if (country !== undefined || call.answered) return [{ kind: 'tone', name: 'ringback', country }];
      return [];
    }
    const { ringback, moh } = action;
    if (ringback === 'silence') return [];
    if (ringback !== undefined && /^[a-z]{2}$/i.test(ringback))
      return [{ kind: 'tone', name: 'ringback', country: ringback.toLowerCase() }];
    if (ringback !== undefined) return promptSources(call, ringback);
    if (!call.answered) return [];
    return moh === undefined ? [{ kind: 'tone', name: 'ringback' }] : promptSources(call, moh);
  }

  #wait(sources: readonly AudioSource[]): void {
    const call = this.#call;
    const to = call.leg;
    if (to === undefined) return;
    hearEarly(call);
    const waiting = new AbortController();
    this.#waiting = waiting;
    const playing = playPrompts(call, sources, { signal: waiting.signal, loops: true, to });
    call.background(playing.then(() => {}));
  }

  #ringing(media: boolean): void {
    const call = this.#call;
    const { leg } = call;
    const callee = this.#callee.leg;
    this.#states.told('ringing', this.#callee.to);
    if (this.#action.name === 'connectSip' && this.#action.ringback !== undefined) {
      // The caller hears what its owner chose.
      if (!call.answered && this.#waiting === undefined) call.rings();
      return;
    }
    if (media && leg !== undefined && callee !== undefined) {
      this.#waiting?.abort();
      call.media.send({ type: 'route', source: callee.endpointId, sink: leg.endpointId });
    }
    if (!call.answered && call.direction === 'inbound') call.rings(media);
  }

  async #answered(): Promise<void> {
    const call = this.#call;
    const { signal } = this.#stopped;
    const callee = this.#callee.leg;
    this.#states.told('answered', this.#callee.to);
    if (this.#action.name === 'connectPstn' && this.#action.dtmf !== undefined)
      callee?.sendDigits(this.#action.dtmf);
    if (call.owner.asksAce && call.owner.ace === undefined && !this.#action.suppressCallbacks) {
      const svaml = await askAce(call);
      if (svaml === undefined || signal.aborted) return;
      for (const instruction of svaml.instructions) {
        await perform(call, instruction, signal, callee);
        if (signal.aborted) return;
      }
      const action = svaml.action?.name ?? 'continue';
      if (action === 'hangup') return call.end('hungUp');
      if (action !== 'continue')
        return call.end(
          'invalidAction',
          `action.name: a called party can get continue or hangup, got ${action}`,
        );
    }
    this.#waiting?.abort();
    this.#joined = true;
    call.answer();
    this.rejoin();
    this.#limit.begin(this.#action.maxDuration);
    call.log.info({ to: this.#callee.to?.endpoint, codec: callee?.codec }, 'joined with the called party');
  }

  /** Alone from now on. */
  #keepCaller(): void {
    this.#joined = false;
    this.#limit.cancel();
    this.#callee.end('calleeHangup');
    this.#call.log.info({}, 'called party hung up, the caller stays');
  }

  #hold(leg: Leg | undefined, held: boolean): void {
    const call = this.#call;
    const moh = this.#action.name === 'connectSip' ? this.#action.moh : undefined;
    if (leg === undefined || moh === undefined) return;
    this.#music.get(leg)?.abort();
    this.#music.delete(leg);
    if (!held || !this.#joined) return this.rejoin();
    const music = new AbortController();
    this.#music.set(leg, music);
    const sources = promptSources(call, moh);
    const playing = playPrompts(call, sources, { signal: music.signal, loops: true, to: leg });
    // After the player has let go of the leg, so that it hears the other again.
    call.background(playing.then(() => (this.#music.has(leg) ? undefined : this.rejoin())));
  }
}

function wantedOf(action: ConnectSip | ConnectPstn, call: Call): Wanted {
  if (action.name === 'connectSip')
    return { kind: 'sip', uri: action.destination.endpoint, transport: action.transport };
  return { kind: 'number', number: action.number ?? call.party.to, trunk: action.trunk };
}
