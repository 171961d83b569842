import type { ConnectPstn, ConnectSip } from '../../protocol/svaml/actions.ts';
import type {
  Callout,
  CalloutDestination,
  ConferenceCallout,
  CustomCallout,
  TtsCallout,
} from '../../protocol/svaml/callout.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { Endpoint } from '../callbacks/callback-messages.ts';
import type { Wanted } from '../routing/destinations.ts';
import type { Call } from './call.ts';
import type { CallOwner } from './call-context.ts';
import {
  type CallControl,
  CallControlError,
  type CallDescription,
  type CallSide,
  type ConferenceCommand,
  type ConferenceDescription,
  type ConferenceMember,
  type ControlEvent,
} from './call-control.ts';
import { iceMessage } from './call-messages.ts';
import type { Conferences } from './conferences.ts';
import { endReasons } from './end-reason.ts';
import { placePhoneCall, placeStreamCall } from './outbound-call.ts';
import type { CallRegistry } from './registry.ts';

/** Where a callout's phone must answer. */
const ringLimitMs = 60_000;
const nothing: Svaml = { instructions: [], action: undefined };

export interface LiveCallControlOptions {
  readonly registry: CallRegistry;
  readonly conferences: Conferences;
  /** Whether the application has a callbackUrl. */
  hasCallbacks(applicationKey: string): boolean;
  followsTransfers(applicationKey: string): boolean;
  watch(listener: (event: ControlEvent) => void): () => void;
}

export class LiveCallControl implements CallControl {
  readonly #options: LiveCallControlOptions;
  readonly watch: CallControl['watch'];

  constructor(options: LiveCallControlOptions) {
    this.#options = options;
    this.watch = options.watch;
  }

  async callout(applicationKey: string, callout: Callout): Promise<{ readonly callId: string }> {
    const { refusal } = this.#options.registry;
    if (refusal !== undefined) throw new CallControlError('unavailable', endReasons[refusal].text);
    switch (callout.method) {
      case 'customCallout':
        return this.#custom(applicationKey, callout);
      case 'conferenceCallout':
        return this.#conference(applicationKey, callout);
      case 'ttsCallout':
        return this.#speech(applicationKey, callout);
    }
  }

  describe(callId: string): CallDescription | undefined {
    return this.#options.registry.describe(callId);
  }

  async modify(callId: string, svaml: Svaml, side?: CallSide): Promise<void> {
    const call = this.#live(callId);
    if (!call.answered) {
      // Nobody is there yet to hear what comes before.
      if (svaml.action?.name === 'hangup') return call.end('hungUp');
      const message = `call ${callId} is ${call.state}: it can be modified once it is answered`;
      throw new CallControlError('conflict', message);
    }
    // From here on what it does came over the API, whoever routed it.
    call.owner = { ...call.owner, trusted: false };
    if (side === undefined) return call.run(svaml);
    const action = svaml.action?.name;
    if (action === 'hangup') return call.end('hungUp');
    if (action !== undefined && action !== 'continue')
      throw new CallControlError(
        'invalid',
        `action.name must be continue or hangup for one leg, got ${action}`,
        'action.name',
      );
    const { leg } = call;
    const { partner } = call.course;
    if (partner === undefined && side !== 'caller')
      throw new CallControlError('conflict', `call ${callId} has no called party now`);
    const legs = side === 'both' ? [leg, partner] : [side === 'callee' ? partner : leg];
    call.course.speak(
      svaml.instructions,
      legs.filter((found) => found !== undefined),
    );
  }

  hangup(callId: string): boolean {
    const call = this.#options.registry.find(callId);
    if (call === undefined || !call.live) return false;
    call.end('managerHangup');
    return true;
  }

  conference(applicationKey: string, conferenceId: string): ConferenceDescription | undefined {
    const room = this.#options.conferences.find(applicationKey, conferenceId);
    if (room === undefined) return undefined;
    return {
      participants: [...room.members.values()].map((member) => ({
        cli: member.call.party.from,
        id: member.call.callId,
        duration: member.seconds,
        muted: member.muted,
        onhold: member.onHold,
      })),
    };
  }

  commandMember(
    { applicationKey, conferenceId, callId }: ConferenceMember,
    command: ConferenceCommand,
    moh?: string,
  ): void {
    const member = this.#options.conferences.find(applicationKey, conferenceId)?.members.get(callId);
    if (member === undefined)
      throw new CallControlError('not-found', `call ${callId} is not in conference ${conferenceId}`);
    if (command === 'mute' || command === 'unmute') member.mute(command === 'mute');
    else member.hold(command === 'onhold', moh);
  }

  kick(applicationKey: string, conferenceId: string, callId?: string): number {
    const members = this.#options.conferences.find(applicationKey, conferenceId)?.members;
    const out = [...(members?.values() ?? [])].filter(
      ({ call }) => callId === undefined || call.callId === callId,
    );
    for (const { call } of out) call.end('kicked');
    return out.length;
  }

  #live(callId: string): Call {
    const call = this.#options.registry.find(callId);
    if (call?.live) return call;
    if (call === undefined && this.describe(callId) === undefined)
      throw new CallControlError('not-found', `there is no call ${callId}`);
    throw new CallControlError('conflict', `call ${callId} is over`);
  }

  // ---- Callouts ------------------------------------------------------------------------------------------------

  #conference(applicationKey: string, callout: ConferenceCallout): { readonly callId: string } {
    const { conferenceId, conferenceDtmfOptions, mohClass, greeting, locale } = callout;
    const spoken = greeting === undefined || greeting.trim() === '' ? undefined : greeting;
    return this.#place(applicationKey, callout, callout.destination, {
      instructions: spoken === undefined ? [] : [{ name: 'say', text: spoken, locale }],
      action: {
        name: 'connectConf',
        conferenceId,
        conferenceDtmfOptions,
        ...(mohClass !== undefined && { moh: mohClass }),
      },
    });
  }

  #speech(applicationKey: string, callout: TtsCallout): { readonly callId: string } {
    const { text, prompts, locale } = callout;
    return this.#place(applicationKey, callout, callout.destination, {
      instructions: [
        prompts !== undefined
          ? { name: 'playFiles', ids: [prompts], locale }
          : { name: 'say', text: text ?? '', locale },
      ],
      action: undefined,
    });
  }

  #custom(applicationKey: string, callout: CustomCallout): { readonly callId: string } {
    if (callout.destination !== undefined)
      return this.#place(applicationKey, callout, callout.destination, nothing);
    const { ice } = callout;
    if (ice?.kind === 'svaml') {
      const to = calledBy(ice.svaml);
      const call = this.#create(applicationKey, callout, to);
      this.#begin(call, ice.svaml, callout);
      return call;
    }
    const call = this.#create(applicationKey, callout, { type: 'sip', endpoint: '' });
    call.background(this.#askIce(call, callout));
    return call;
  }

  async #askIce(call: Call, callout: CustomCallout): Promise<void> {
    const url = callout.ice?.kind === 'url' ? callout.ice.url : undefined;
    const { callbacks } = call.context;
    const answer = await callbacks.ask(call.owner.applicationKey, iceMessage(call), url);
    if (!call.live) return;
    if (answer.kind === 'failed') {
      call.begin({});
      return call.end('callbackFailed', answer.detail);
    }
    try {
      call.owner = { ...call.owner, to: calledBy(answer.svaml) };
    } catch (error) {
      if (!(error instanceof CallControlError)) throw error;
      call.begin({});
      return call.end('invalidAction', error.message);
    }
    this.#begin(call, answer.svaml, callout);
  }

  /** What an `ice` calls is the call itself. */
  #begin(call: Call, { instructions, action }: Svaml, callout: CustomCallout): void {
    const otherwise: Svaml = { instructions, action: undefined };
    if (action?.name === 'connectStream') return placeStreamCall(call, action, { otherwise });
    if (action?.name !== 'connectSip' && action?.name !== 'connectPstn') return;
    const dtmf = callout.dtmf ?? (action.name === 'connectPstn' ? action.dtmf : undefined);
    placePhoneCall(
      call,
      {
        wanted: wantedBy(action),
        cli: action.cli ?? callout.cli ?? '',
        callHeaders: action.callHeaders,
        codecs: action.name === 'connectSip' ? action.codecs : undefined,
        sessionExpiresSeconds: action.name === 'connectSip' ? action.sessionTimeout : undefined,
        ringLimitMs: (action.name === 'connectSip' ? action.timeout : action.dialTimeout) * 1_000,
      },
      { otherwise, dtmf },
    );
  }

  #place(
    applicationKey: string,
    callout: Callout,
    destination: CalloutDestination,
    otherwise: Svaml,
  ): { readonly callId: string } {
    const call = this.#create(applicationKey, callout, destination);
    const options = { wanted: wantedAt(destination), cli: callout.cli ?? '', callHeaders: [], ringLimitMs };
    placePhoneCall(call, options, { otherwise, dtmf: callout.dtmf });
    return call;
  }

  #create(applicationKey: string, callout: Callout, to: Endpoint): Call {
    const asks = this.#options.hasCallbacks(applicationKey);
    const custom = callout.method === 'customCallout' ? callout : undefined;
    const owner: CallOwner = {
      applicationKey,
      trusted: false,
      asksAce: asks && callout.enableAce,
      asksPie: custom?.pie !== undefined || (asks && callout.enablePie),
      tellsDice: asks && callout.enableDice,
      followsTransfers: this.#options.followsTransfers(applicationKey),
      custom: callout.custom,
      ace: custom?.ace,
      pie: custom?.pie,
      to,
      maxDuration: callout.maxDuration,
    };
    const party = {
      from: callout.cli ?? '',
      to: to.endpoint,
      sipHeaders: {},
      facts: { assertedIdentities: [], diversions: [], userToUser: [], private: callout.cli === 'private' },
    };
    return this.#options.registry.create({ party, owner, direction: 'outbound' });
  }
}

function wantedAt({ type, endpoint }: CalloutDestination): Wanted {
  if (type === 'number') return { kind: 'number', number: endpoint };
  return type === 'username' ? { kind: 'user', username: endpoint } : { kind: 'sip', uri: endpoint };
}

function wantedBy(action: ConnectSip | ConnectPstn): Wanted {
  if (action.name === 'connectSip')
    return { kind: 'sip', uri: action.destination.endpoint, transport: action.transport };
  return { kind: 'number', number: action.number ?? '', trunk: action.trunk };
}

/** Whom a callout's `ice` calls. Throws `CallControlError` where it calls nobody. */
function calledBy({ action }: Svaml): Endpoint {
  switch (action?.name) {
    case 'connectStream':
      return { type: 'websocket', endpoint: action.destination.endpoint };
    case 'connectSip':
      return { type: 'sip', endpoint: action.destination.endpoint.replace(/^sips?:/i, '') };
    case 'connectPstn':
      if (action.number !== undefined) return { type: 'number', endpoint: action.number };
      throw new CallControlError(
        'invalid',
        'customCallout.ice.action.number must name whom to call',
        'customCallout.ice',
      );
    default:
      throw new CallControlError(
        'invalid',
        `customCallout.ice.action.name must be connectStream, connectSip or connectPstn, got ${action?.name ?? 'no action'}`,
        'customCallout.ice',
      );
  }
}
