import type { SvamlInstruction } from '../../protocol/svaml/instructions.ts';
import type { AudioSource } from '../audio/audio-source.ts';
import type { Call } from './call.ts';
import type { Leg } from './leg.ts';
import { playPrompts, promptSources } from './player.ts';
import { SipLeg } from './sip-leg.ts';

type Instructions = {
  readonly [Name in SvamlInstruction['name']]: (
    call: Call,
    instruction: Extract<SvamlInstruction, { readonly name: Name }>,
    signal: AbortSignal,
    to: Leg | undefined,
  ) => Promise<void> | void;
};

const instructions: Instructions = {
  answer: (call) => call.answer(),
  playFiles: (call, { ids, locale }, signal, to) =>
    play(
      call,
      ids.flatMap((id) => promptSources(call, id, locale)),
      signal,
      to,
    ),
  say: (call, { text, locale }, signal, to) => play(call, [{ kind: 'speech', text, locale }], signal, to),
  sendDtmf: (call, { value }, _signal, to) => {
    if (to instanceof SipLeg) to.sendDigits(value);
    else call.log.warn({}, 'digits can be sent to phones only');
  },
  setCookie(call, { key, value }) {
    if (call.cookies.size >= cookiesMax && !call.cookies.has(key))
      return call.log.warn({ key }, 'too many cookies');
    call.cookies.set(key, value);
  },
  startRecording: (call, { options }) => call.recordings.start(options),
  pauseRecording: (call) => call.recordings.pause(),
  resumeRecording: (call) => call.recordings.resume(),
  stopRecording: (call) => call.recordings.stop(),
};

const cookiesMax = 64;

/** Does one instruction of a programme; resolves when the next may begin, at once where the signal is given. `to`: whom it
 *  is meant for, by default the call's own leg. */
export async function perform(
  call: Call,
  instruction: SvamlInstruction,
  signal: AbortSignal,
  to: Leg | undefined = call.leg,
): Promise<void> {
  const run = instructions[instruction.name] as (
    call: Call,
    instruction: SvamlInstruction,
    signal: AbortSignal,
    to: Leg | undefined,
  ) => Promise<void> | void;
  await run(call, instruction, signal, to);
}

async function play(
  call: Call,
  sources: readonly AudioSource[],
  signal: AbortSignal,
  to: Leg | undefined,
): Promise<void> {
  if (to === undefined) return;
  if (to === call.leg) hearEarly(call);
  await playPrompts(call, sources, { signal, to });
}

/** A phone that has not been answered can hear all the same, where its INVITE said where. */
export function hearEarly(call: Call): void {
  if (call.answered || call.direction === 'outbound') return;
  if (call.line.phone?.canHearEarly) call.rings(true);
  else call.answer();
}
