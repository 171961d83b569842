import type {
  AceMessage,
  CallDomain,
  CallHeader,
  DiceMessage,
  Endpoint,
  IceMessage,
  MenuResult,
  PieMessage,
} from '../callbacks/callback-messages.ts';
import type { Call } from './call.ts';
import type { CallParty } from './call-context.ts';
import type { CallDescription } from './call-control.ts';
import { diceOf } from './end-reason.ts';

/** What applications are asked and told about a call. */

export function iceMessage(call: Call): IceMessage {
  const { party } = call;
  const to = call.owner.to;
  return {
    event: 'ice',
    ...common(call),
    cli: party.from,
    to,
    domain: domainOf(to),
    originationType: /^\+?\d{5,}$/.test(party.from) ? 'pstn' : 'sip',
    duration: 0,
    rdnis: userOf(party.facts.diversions[0]?.uri),
    callHeaders: headersOf(party),
  };
}

export function aceMessage(call: Call): AceMessage {
  return { event: 'ace', ...common(call) };
}

export function pieMessage(call: Call, menuResult: MenuResult): PieMessage {
  return { event: 'pie', ...common(call), menuResult };
}

/** Once its end is known. */
export function diceMessage(call: Call): DiceMessage {
  const { result, reason } = outcomeOf(call);
  return {
    event: 'dice',
    ...common(call),
    result,
    reason,
    duration: Math.round(call.durationSeconds),
    to: call.owner.to,
    from: call.party.from,
    callHeaders: headersOf(call.party),
  };
}

export function describeCall(call: Call): CallDescription {
  const final = !call.live;
  const { result, reason } = final ? outcomeOf(call) : { result: 'N/A', reason: 'N/A' };
  const { to, applicationKey, custom } = call.owner;
  return {
    callId: call.callId,
    applicationKey,
    from: call.party.from,
    to: to.type === 'conference' ? { type: 'sip', endpoint: to.endpoint } : { ...to, type: to.type },
    domain: domainOf(to),
    duration: Math.round(call.durationSeconds),
    status: final ? 'FINAL' : 'ONGOING',
    result,
    reason,
    timestamp: new Date(call.startedWallMs).toISOString(),
    custom,
  };
}

function outcomeOf(call: Call): Pick<DiceMessage, 'result' | 'reason'> {
  return diceOf(call.endReason ?? 'internalError', call.answeredMs !== undefined);
}

function common(call: Call) {
  const { applicationKey, custom } = call.owner;
  return {
    callid: call.callId,
    timestamp: new Date(call.context.clock.wallMs()).toISOString(),
    version: 1 as const,
    custom,
    applicationKey,
    ...(call.cookies.size > 0 && { cookies: Object.fromEntries(call.cookies) }),
  };
}

/** Whom an incoming call is for, as callbacks name it. */
export function calledEndpoint(to: string): Endpoint {
  return /^\+?\d{3,}$/.test(to) ? { type: 'did', endpoint: to } : { type: 'sip', endpoint: to };
}

function domainOf({ type }: Endpoint): CallDomain {
  if (type === 'number' || type === 'did') return 'pstn';
  return type === 'username' ? 'mxp' : 'sip';
}

function headersOf({ sipHeaders }: CallParty): readonly CallHeader[] | undefined {
  const headers = Object.entries(sipHeaders).map(([key, value]) => ({ key, value }));
  return headers.length === 0 ? undefined : headers;
}

function userOf(uri: string | undefined): string | undefined {
  return uri === undefined ? undefined : /^(?:sips?|tel):([^@;]+)/i.exec(uri)?.[1];
}
