import type { CalloutSvaml } from '../../protocol/svaml/callout.ts';
import type { ConnectStream } from '../../protocol/svaml/connect-stream.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';
import { askAce } from './ace-question.ts';
import type { Call } from './call.ts';
import { besideRoom } from './conferences.ts';
import { findCallee, legSettings, type OutboundPhoneOptions, placeInvite } from './outbound-phone.ts';
import { StreamDial } from './stream-dial.ts';

/** What is done with a call of ours once the called party has answered. */
export interface AnsweredProgramme {
  /** Where no application is asked, or what it says is to go on. */
  readonly otherwise: Svaml;
  /** Digits sent at once. */
  readonly dtmf?: string | undefined;
}

/** A phone is called for an application: RTP port → INVITE → answered → ACE → programme. */
export function placePhoneCall(
  call: Call,
  options: Pick<
    OutboundPhoneOptions,
    'wanted' | 'cli' | 'callHeaders' | 'codecs' | 'ringLimitMs' | 'sessionExpiresSeconds'
  >,
  programme: AnsweredProgramme,
): void {
  call.begin({});
  const found = findCallee(call, options);
  if (!found.found) return call.end(found.reason, found.detail);
  if (!call.routed()) return;
  const leg = call.line.create(
    { targetHost: found.host, settings: legSettings(call.context.sip, options.codecs) },
    {
      opened: () => void placeInvite(call, leg, found, options),
      answered: () => {
        call.wasAnswered();
        if (programme.dtmf !== undefined) leg.sendDigits(programme.dtmf);
        call.background(goOn(call, programme.otherwise));
      },
    },
  );
  call.line.open(besideRoom(call, programme.otherwise.action));
}

/** A stream server is called for an application, without any phone: it is the call's own leg. */
export function placeStreamCall(call: Call, action: ConnectStream, programme: AnsweredProgramme): void {
  call.begin({ endpoint: action.destination.endpoint });
  if (!call.routed()) return;
  const { ace } = call.owner;
  call.media.group(besideRoom(call, ace?.kind === 'svaml' ? ace.svaml.action : programme.otherwise.action));
  const dial = new StreamDial(call, action, {
    opened: (leg) => {
      call.streamLeg = leg;
    },
    connected: () => call.rings(),
    answered: () => {
      call.wasAnswered();
      call.background(goOn(call, programme.otherwise));
    },
    ended: (reason, detail) => call.end(reason, detail),
  });
  dial.start();
}

async function goOn(call: Call, otherwise: Svaml): Promise<void> {
  const svaml = await answeredSvaml(call, call.owner.ace, otherwise);
  if (svaml === undefined) return;
  const goesOn = svaml.action === undefined || svaml.action.name === 'continue';
  // Its own instructions come first, what it was called for comes then.
  if (!goesOn || svaml === otherwise) return call.run(svaml);
  call.run({ instructions: [...svaml.instructions, ...otherwise.instructions], action: otherwise.action });
}

/** Undefined where the call has ended instead. */
async function answeredSvaml(
  call: Call,
  ace: CalloutSvaml | undefined,
  otherwise: Svaml,
): Promise<Svaml | undefined> {
  if (ace?.kind === 'svaml') return ace.svaml;
  if (ace === undefined && !call.owner.asksAce) return otherwise;
  return askAce(call, ace?.url);
}
