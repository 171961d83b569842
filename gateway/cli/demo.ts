import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Bot, type BotEvent, startBot } from '../bots/bot.ts';
import { systemClock } from '../clock.ts';
import { defaultConfig } from '../config.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { silentLog } from '../log.ts';
import { type Echo, levelDbfs, measureEcho } from '../phone/audio-measures.ts';
import { placeCall } from '../phone/phone.ts';
import type { CallResult, TimelineEntry } from '../phone/phone-call.ts';
import { convertRate } from '../phone/rate-conversion.ts';
import { loadWav, type Recording, saveWav } from '../phone/wav-file.ts';
import type { CommandIo } from './command-io.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';
import { drawLoudness, Ladder } from './ladder.ts';
import { onStopSignal } from './signals.ts';

export interface DemoFlags {
  readonly play?: string;
  readonly record: string;
  readonly sampleRate: number;
}

const warmUpMs = 500;
const tailMs = 500;
const quietMsMax = 1_000;
const loudnessWidth = 60;
/** What came back must be what was said. */
const correlationMin = 0.9;

/** One call from a phone to a bot and back, drawn as it happens. */
export async function runDemo(flags: DemoFlags, { out }: CommandIo): Promise<ExitStatus> {
  const write = (line: string) => out.write(`${line}\n`);
  const file = flags.play ?? fileURLToPath(new URL('../assets/speech.wav', import.meta.url));
  const spoken = await loadWav(file);
  const stage = await createStage(flags.sampleRate, write);
  try {
    const result = await performCall(stage, spoken, write);
    const echo = measureEcho(result, spoken);
    if (result.codec !== undefined)
      await saveWav(flags.record, { pcm: result.heard, sampleRateHz: result.heardRateHz });
    for (const line of describeResult(result, spoken, echo, flags.record)) write(line);
    return echo !== undefined && echo.correlation >= correlationMin ? exitStatus.ok : exitStatus.failed;
  } finally {
    await stage.close();
  }
}

interface Stage {
  readonly gateway: Gateway;
  readonly bot: Bot;
  readonly ladder: Ladder;
  /** From now on what the bot tells is drawn, at its time since `startedMs`. */
  begin(startedMs: number): void;
  /** The bot's side of the call is over, too. */
  whenQuiet(): Promise<void>;
  close(): Promise<void>;
}

async function createStage(sampleRate: number, write: (line: string) => void): Promise<Stage> {
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const ladder = new Ladder({ write, colour });
  let startedMs: number | undefined;
  const bot = await startBot({
    kind: 'echo',
    report: (event) => {
      if (startedMs !== undefined) drawBotEvent(ladder, systemClock.nowMs() - startedMs, event);
    },
  });
  const action = {
    name: 'connectStream' as const,
    destination: { type: 'Websocket' as const, endpoint: bot.url },
    streamingOptions: { sampleRate },
  };
  const config = defaultConfig({
    sip: { listen: ['udp:127.0.0.1:0'] },
    rtp: { address: '127.0.0.1', ports: [0, 0] },
    http: { listen: '127.0.0.1:0' },
    media: { workers: 1 },
    routes: [{ to: '*', action }],
  });
  let gateway: Gateway;
  try {
    gateway = await startGateway(config, { log: silentLog });
  } catch (error) {
    await bot.close();
    throw error;
  }
  return {
    gateway,
    bot,
    ladder,
    begin: (nowMs) => {
      startedMs = nowMs;
    },
    async whenQuiet() {
      const deadlineMs = systemClock.nowMs() + quietMsMax;
      while (bot.calls > 0 && systemClock.nowMs() < deadlineMs) await sleep(5);
    },
    async close() {
      await gateway.close();
      await bot.close();
    },
  };
}

async function performCall(
  stage: Stage,
  spoken: Recording,
  write: (line: string) => void,
): Promise<CallResult> {
  const { gateway, bot, ladder } = stage;
  const listener = gateway.listening.sip[0]!;
  const spokenMs = (spoken.pcm.length * 1_000) / spoken.sampleRateHz;
  const called = {
    target: `sip:echo@${listener.replace(/^udp:/, '')}`,
    from: 'sip:demo@127.0.0.1',
    address: '127.0.0.1',
  };
  // The first call of a process pays for compiling the code; a gateway that runs for days does not.
  const first = await placeCall({ ...called, durationMs: warmUpMs });
  await first.ended;
  await stage.whenQuiet();

  write(`gateway ${listener}   bot ${bot.url}\n`);
  ladder.heading();
  stage.begin(systemClock.nowMs());
  const call = await placeCall({
    ...called,
    play: spoken,
    durationMs: spokenMs + tailMs,
    noted: (entry) => drawPhoneEvent(ladder, entry),
  });
  stage.begin(call.startedMs);
  const undo = onStopSignal(() => call.hangUp());
  const result = await call.ended;
  undo();
  await stage.whenQuiet();
  return result;
}

function drawPhoneEvent(ladder: Ladder, { atMs, direction, what }: TimelineEntry): void {
  if (direction === 'sent') ladder.message(atMs, 'phoneToGateway', what);
  else if (direction === 'received') ladder.message(atMs, 'gatewayToPhone', what);
  else if (what === 'first RTP packet') ladder.message(atMs, 'gatewayToPhone', what);
  else ladder.note(atMs, what === 'first sound' ? 'hears itself, talks on …' : what);
}

function drawBotEvent(ladder: Ladder, atMs: number, event: BotEvent): void {
  if (event.type === 'called') {
    ladder.message(atMs, 'gatewayToBot', `connect, ${event.call.sampleRateHz} Hz`);
    ladder.message(atMs, 'botToGateway', event.reply);
  } else if (event.type === 'ended') {
    ladder.message(atMs, 'gatewayToBot', `${event.code} ${event.reason}`);
  } else ladder.note(atMs, event.message);
}

function describeResult(
  result: CallResult,
  spoken: Recording,
  echo: Echo | undefined,
  file: string,
): string[] {
  if (result.setupMs === undefined)
    return ['', `The call was not answered: ${result.status ?? ''} ${result.message ?? result.reasonPhrase}`];
  const { heard, heardRateHz } = result;
  const said = convertRate(spoken.pcm, spoken.sampleRateHz, heardRateHz);
  // Both rows span the same time, so that the delay can be seen.
  const padded = new Int16Array(Math.max(said.length, heard.length));
  padded.set(said);
  const lines = [
    '',
    row('said', drawLoudness(padded, loudnessWidth)),
    row('heard', drawLoudness(heard, loudnessWidth)),
    '',
    row('set-up', `${result.setupMs.toFixed(1)} ms from INVITE to 200`),
  ];
  if (echo === undefined || echo.correlation < correlationMin) {
    lines.push(row('round trip', 'none: what came back is not what was said'));
  } else {
    const likeness = `${(echo.correlation * 100).toFixed(1)} % alike`;
    lines.push(row('round trip', `${echo.roundTripMs.toFixed(1)} ms from mouth to bot to ear, ${likeness}`));
  }
  lines.push(
    row('packets', `${result.packetsSent} sent, ${result.packetsReceived} received`),
    row(
      'lost',
      `${result.packetsLost} (jitter ${result.jitterMs.toFixed(1)} ms, longest gap ${result.gapMsMax.toFixed(0)} ms)`,
    ),
    row(
      'level',
      `${levelDbfs(said).toFixed(1)} dBFS said, ${levelDbfs(trim(heard, said.length)).toFixed(1)} dBFS heard`,
    ),
    row('written', `${file}, ${(heard.length / heardRateHz).toFixed(1)} s`),
  );
  return lines;
}

/** The loudest that is comparable: as long as what was said, from where it begins. */
function trim(heard: Int16Array, samples: number): Int16Array {
  const start = heard.findIndex((sample) => Math.abs(sample) > 100);
  return heard.subarray(Math.max(0, start), Math.max(0, start) + samples);
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(12)}${text}`;
}
