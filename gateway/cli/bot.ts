import type { StreamDialectName } from '../../protocol/stream/messages.ts';
import { type BotEvent, startBot } from '../bots/bot.ts';
import type { BotKind } from '../bots/bot-kinds.ts';
import type { CommandIo } from './command-io.ts';
import { type ExitStatus, exitStatus, UsageError } from './exit-status.ts';
import { onStopSignal } from './signals.ts';

export interface BotFlags {
  readonly listen: string;
  readonly sampleRate?: number;
  readonly file?: string;
  readonly toneHz?: number;
  readonly reply: 'answer' | 'busy' | 'reject';
  readonly dialect: StreamDialectName;
  readonly json?: true;
}

/** Runs a sample stream server until a signal ends it. */
export async function runBot(kind: BotKind, flags: BotFlags, { out }: CommandIo): Promise<ExitStatus> {
  if ((kind === 'play' || kind === 'record') && flags.file === undefined)
    throw new UsageError(`bot ${kind} needs --file F.wav`);
  const describe = flags.json ? JSON.stringify : describeEvent;
  const print = (event: PrintedEvent) => out.write(`${describe(event)}\n`);
  const bot = await startBot({
    kind,
    listen: flags.listen,
    reply: flags.reply,
    dialect: flags.dialect,
    ...(flags.sampleRate === undefined ? {} : { sampleRateHz: flags.sampleRate }),
    ...(flags.file === undefined ? {} : { file: flags.file }),
    ...(flags.toneHz === undefined ? {} : { toneHz: flags.toneHz }),
    report: print,
  });
  print({ type: 'ready', url: bot.url });
  await new Promise<void>((resolve) => {
    const done = onStopSignal(() => {
      done();
      resolve();
    });
  });
  await bot.close();
  return exitStatus.ok;
}

type PrintedEvent = BotEvent | { readonly type: 'ready'; readonly url: string };

function describeEvent(event: PrintedEvent): string {
  switch (event.type) {
    case 'ready':
      return `ready ${event.url}`;
    case 'called': {
      const { callId, from, to, sampleRateHz } = event.call;
      // Not every dialect names them.
      return `${event.reply}  ${from || '?'} → ${to || '?'}  ${sampleRateHz} Hz  ${callId}`;
    }
    case 'ended': {
      const seconds = (event.receivedMs / 1_000).toFixed(1);
      return `ended   ${event.call.callId}  ${event.code} ${event.reason}  heard ${seconds} s`;
    }
    case 'refused':
      return `refused ${event.message}`;
  }
}
