import { access, constants, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codecs as catalogue, codecNamed } from '../../codecs/catalogue.ts';
import type { CodecName } from '../../codecs/codec.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { parseNameAddr } from '../../protocol/sip/name-addr.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import { errorCode, errorMessage } from '../errors.ts';
import { levelDbfs, measureEcho } from '../phone/audio-measures.ts';
import { placeCall } from '../phone/phone.ts';
import type { CallProgress, CallResult, PhoneCall } from '../phone/phone-call.ts';
import { loadWav, type Recording, saveWav } from '../phone/wav-file.ts';
import type { SipTls } from '../signaling/sip-tls.ts';
import { callReport, callReportLines } from './call-report.ts';
import type { CommandIo } from './command-io.ts';
import { type ExitStatus, exitStatus, UsageError } from './exit-status.ts';
import type { HeaderOption } from './option-values.ts';
import { onStopSignal } from './signals.ts';

export interface CallFlags {
  readonly from?: string;
  readonly codec?: string;
  readonly srtp?: SrtpPolicy;
  readonly play?: string;
  readonly tone?: number;
  readonly record?: string;
  readonly duration?: number;
  readonly ringTimeout: number;
  readonly dtmf?: string;
  readonly header?: readonly HeaderOption[];
  readonly user?: string;
  readonly password?: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly json?: true;
}

const toneLevelDbfs = -12;
const durationMsDefault = 10_000;
/** Left for the last of what was played to come back. */
const tailMs = 1_000;

/** Places one call and prints what became of it. */
export async function runCall(target: string, flags: CallFlags, { out }: CommandIo): Promise<ExitStatus> {
  checkUsage(target, flags);
  const codecs = flags.codec === undefined ? undefined : readCodecs(flags.codec);
  const play = flags.play === undefined ? undefined : await loadWav(flags.play);
  if (flags.record !== undefined) await checkRecord(flags.record);
  const call = await placeCall({
    target,
    answerTimeoutMs: flags.ringTimeout * 1_000,
    durationMs: durationMsOf(flags, play),
    ...(flags.from && { from: flags.from }),
    ...(codecs && { codecs }),
    ...(flags.srtp && { srtp: flags.srtp }),
    ...(play && { play }),
    ...(flags.tone && { playTone: { frequencyHz: flags.tone, levelDbfs: toneLevelDbfs } }),
    ...(flags.dtmf && { dtmf: flags.dtmf }),
    ...(flags.header && { headers: flags.header }),
    ...((flags.ca || flags.insecure) && { tls: await tlsOf(flags) }),
    ...(flags.user && { user: flags.user, password: flags.password ?? '' }),
  });
  const result = await watch(call);
  if (flags.record !== undefined && result.codec !== undefined)
    await saveWav(flags.record, { pcm: result.heard, sampleRateHz: result.heardRateHz });
  out.write(describeResult(target, result, play, flags));
  return statusOf(result);
}

/** Before the call, which would otherwise be over before anybody hears of it. */
async function checkRecord(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw new UsageError(
      `--record: found ${file} (${errorCode(error)}), expected a file that can be written`,
    );
  }
}

async function tlsOf({ ca: file, insecure }: CallFlags): Promise<SipTls> {
  if (file === undefined) return { insecure };
  try {
    return { insecure, ca: await readFile(file) };
  } catch (error) {
    throw new UsageError(`--ca: found ${file} (${errorCode(error)}), expected a file that can be read`);
  }
}

function describeResult(
  target: string,
  result: CallResult,
  play: Recording | undefined,
  flags: CallFlags,
): string {
  const report = callReport(target, result, {
    heardDbfs: levelDbfs(result.heard),
    echo: play === undefined ? undefined : measureEcho(result, play),
    recorded: flags.record,
  });
  const lines = flags.json ? [JSON.stringify(report)] : callReportLines(report);
  return lines.map((line) => `${line}\n`).join('');
}

function checkUsage(target: string, flags: CallFlags): void {
  try {
    const { scheme } = parseUri(target);
    if (scheme === 'tel') throw new Error(`a ${scheme}: URI`);
  } catch (error) {
    throw new UsageError(
      `'${target}' is no SIP URI, expected one such as sip:echo@127.0.0.1:5060 (${errorMessage(error)})`,
    );
  }
  if (flags.from !== undefined) checkFrom(flags.from);
  if (flags.play !== undefined && flags.tone !== undefined)
    throw new UsageError('--play and --tone exclude each other: choose one');
  if (flags.password !== undefined && flags.user === undefined)
    throw new UsageError('--password needs --user');
}

function checkFrom(from: string): void {
  try {
    parseUri(from.includes('<') ? parseNameAddr(from).uri : from);
  } catch (error) {
    throw new UsageError(
      `--from: found '${from}', expected a URI such as sip:alice@example.com (${errorMessage(error)})`,
    );
  }
}

function readCodecs(list: string): CodecName[] {
  return list.split(',').map((text) => {
    const name = text.trim().toLowerCase();
    const codec = codecNamed(name as CodecName);
    if (codec === undefined)
      throw new UsageError(`--codec: found '${name}', expected one of ${codecNames().join(', ')}`);
    return codec.name;
  });
}

function codecNames(): string[] {
  return [...catalogue.map(({ name }) => name), 'l16', 'l16-8000'];
}

function durationMsOf({ duration, dtmf = '' }: CallFlags, play: Recording | undefined): number {
  if (duration !== undefined) return duration * 1_000;
  const playMs = play === undefined ? 0 : (play.pcm.length * 1_000) / play.sampleRateHz + tailMs;
  // A digit takes a tone, its end and a gap: well under 400 ms; a pause 500.
  const dtmfMs = dtmf.length * 500 + tailMs;
  return Math.max(play === undefined ? durationMsDefault : playMs, dtmf === '' ? 0 : dtmfMs);
}

function statusOf({ outcome }: CallResult): ExitStatus {
  switch (outcome) {
    case 'completed':
      return exitStatus.ok;
    case 'refused':
      return exitStatus.refused;
    case 'failed':
      return exitStatus.failed;
    default:
      return exitStatus.unreachable;
  }
}

/** Waits for the end, with a progress line on a terminal; the first signal hangs up, the second leaves. */
async function watch(call: PhoneCall): Promise<CallResult> {
  const undo = onStopSignal((count) => {
    if (count > 1) process.exit(130);
    call.hangUp();
  });
  const { stderr } = process;
  const progress = stderr.isTTY
    ? setInterval(() => stderr.write(`\r\x1b[K${progressText(call.progress)}`), 1_000)
    : undefined;
  const result = await call.ended;
  clearInterval(progress);
  if (progress !== undefined) stderr.write('\r\x1b[K');
  undo();
  return result;
}

function progressText({ state, elapsedMs, packetsSent, packetsReceived }: CallProgress): string {
  const seconds = Math.round(elapsedMs / 1_000);
  return state === 'talking'
    ? `${seconds} s  sent ${packetsSent}, received ${packetsReceived} packets`
    : `${seconds} s  ${state} …`;
}
