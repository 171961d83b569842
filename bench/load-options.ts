import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CodecName } from '../codecs/codec.ts';
import type { Impairment, StreamMode } from './load-messages.ts';

/** What one run of the harness is to do. */
export interface LoadOptions {
  /** SIP URI that is dialled; undefined with `spawn`. */
  readonly target: string | undefined;
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly durationSeconds: number;
  readonly warmUpSeconds: number;
  readonly codec: CodecName;
  readonly sampleRateHz: number;
  readonly mode: StreamMode;
  readonly churnPerSecond: number;
  readonly holdSeconds: number;
  readonly tls: boolean;
  readonly impairment: Impairment;
  readonly seed: number;
  readonly spawn: boolean;
  /** Media workers of the spawned gateway. */
  readonly workers: number | undefined;
  /** An application server of the harness is asked about every call and answers after so long; undefined: the
   *  gateway's own route decides. */
  readonly callbackDelayMs: number | undefined;
  /** HOST:PORT of stream servers for a gateway that was started otherwise. */
  readonly streamListen: string | undefined;
  readonly pid: number | undefined;
  readonly json: string | undefined;
  readonly html: string | undefined;
  readonly maxLossPercent: number | undefined;
  readonly maxP99Ms: number | undefined;
  readonly maxSpacingMs: number | undefined;
  readonly maxFailedPercent: number;
}

export const defaultOptions: LoadOptions = {
  target: undefined,
  calls: 10,
  callsPerSecond: 20,
  durationSeconds: 10,
  warmUpSeconds: 2,
  codec: 'pcmu',
  sampleRateHz: 8000,
  mode: 'echo',
  churnPerSecond: 0,
  holdSeconds: 1,
  tls: false,
  impairment: { lossPercent: 0, jitterMs: 0 },
  seed: 1,
  spawn: false,
  workers: undefined,
  callbackDelayMs: undefined,
  streamListen: undefined,
  pid: undefined,
  json: undefined,
  html: undefined,
  maxLossPercent: undefined,
  maxP99Ms: undefined,
  maxSpacingMs: undefined,
  maxFailedPercent: 0,
};

export const codecNames: readonly CodecName[] = ['pcmu', 'pcma', 'g722', 'opus', 'l16'];
/** A gateway waits a minute at most. */
const CALLBACK_DELAY_MS_MAX = 50_000;
const streamRatesHz = [8000, 16_000, 24_000, 44_100, 48_000, 96_000];

const examples = `
Examples:
  callwire bench --spawn --calls 100 --rate 50 --duration 30 --sample-rate 16000
      starts a gateway and stream servers of its own and loads them
  callwire bench --target sip:echo@192.0.2.7:5060 --calls 50 --rate 10 --duration 60 --max-loss 0.1 --max-p99 150
      loads a gateway elsewhere; exit status 1 where more than 0.1 % is lost or the round trip is longer
  callwire bench --spawn --calls 0 --churn 150 --duration 30
      150 short calls a second
  callwire bench --spawn --calls 300 --burst --html report.html
      every server sends two seconds of audio at once
  callwire bench --spawn --calls 50 --churn 16.7 --callbacks 2000 --duration 60 --max-spacing 4
      1,000 calls a minute, each decided by an application that takes two seconds; the audio must not notice

Delays are of audio, from the packet or message with a marker's first sample to its first sample at the other
end; the 20 ms that a phone needs to fill a packet come on top. Exit status: 0 all went well, 1 a call failed or
a limit was passed, 64 the command line was wrong. \`npm run bench\` runs a standard set of such loads.`;

export type ParsedOptions =
  | { readonly kind: 'options'; readonly options: LoadOptions }
  /** Help was asked for. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'error'; readonly message: string };

/** Understands the arguments behind `callwire bench`. */
export function parseLoadOptions(argv: readonly string[]): ParsedOptions {
  let text = '';
  const command = createCommand((written) => {
    text += written;
  });
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { kind: 'text', text } : { kind: 'error', message: text.trim() };
  }
  const options = toOptions(command.opts());
  const contradiction = findContradiction(options);
  if (contradiction !== undefined) return { kind: 'error', message: `error: ${contradiction}` };
  return { kind: 'options', options };
}

interface Flags {
  readonly target?: string;
  readonly calls: number;
  readonly rate: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly codec: CodecName;
  readonly sampleRate: number;
  readonly burst?: true;
  readonly clear?: true;
  readonly tone?: true;
  readonly churn: number;
  readonly hold: number;
  readonly tls?: true;
  readonly impair: Impairment;
  readonly seed: number;
  readonly spawn?: true;
  readonly workers?: number;
  readonly callbacks?: number;
  readonly streamListen?: string;
  readonly pid?: number;
  readonly json?: string;
  readonly html?: string;
  readonly maxLoss?: number;
  readonly maxP99?: number;
  readonly maxSpacing?: number;
  readonly maxFailed: number;
}

function createCommand(write: (text: string) => void): Command {
  const defaults = defaultOptions;
  const oneOf = ['burst', 'clear', 'tone'];
  return new Command('callwire bench')
    .description('Loads a gateway with real SIP and RTP calls and reports what came of them.')
    .usage('(--target SIP_URI | --spawn) [options]')
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write })
    .allowExcessArguments(false)
    .optionsGroup('What is loaded:')
    .option('--target <uri>', 'what is dialled: sip:USER@HOST:PORT')
    .option('--spawn', 'start the gateway and the stream servers too, and measure that gateway')
    .option('--workers <n>', 'its media workers (with --spawn)', wholeNumber(1, 256))
    .option('--tls', 'its streams are wss:// (with --spawn)')
    .option(
      '--callbacks <ms>',
      'an application decides about every call and takes so long to answer (with --spawn)',
      wholeNumber(0, CALLBACK_DELAY_MS_MAX),
    )
    .option(
      '--stream-listen <host:port>',
      'run stream servers there for a gateway started otherwise (with --target)',
      hostPort,
    )
    .option(
      '--pid <pid>',
      'process of a gateway on this machine, to measure it (with --target)',
      wholeNumber(1, 2 ** 31),
    )
    .optionsGroup('Calls:')
    .option('--calls <n>', 'calls that stay up', wholeNumber(0, 20_000), defaults.calls)
    .option('--rate <cps>', 'how many of them are placed a second', aboveZero, defaults.callsPerSecond)
    .option('--churn <cps>', 'short calls a second beside the standing ones', zeroOrMore, 0)
    .option('--hold <s>', 'how long a short call stays up', aboveZero, defaults.holdSeconds)
    .option('--warm-up <s>', 'after the last answer, not measured', zeroOrMore, defaults.warmUpSeconds)
    .option(
      '--duration <s>',
      'what is measured, from then to the first hang-up',
      aboveZero,
      defaults.durationSeconds,
    )
    .optionsGroup('Audio:')
    .addOption(
      new Option('--codec <name>', 'what the phones speak').choices(codecNames).default(defaults.codec),
    )
    .option(
      '--sample-rate <hz>',
      `of the stream: ${streamRatesHz.join(', ')}`,
      streamRate,
      defaults.sampleRateHz,
    )
    .addOption(
      new Option('--burst', 'the servers send 2 s at once, all at the same moment').conflicts(oneOf.slice(1)),
    )
    .addOption(
      new Option('--clear', 'the servers send audio and cut it off by volleys of clear').conflicts(['tone']),
    )
    .option('--tone', 'the servers send paced audio of their own instead of an echo')
    .addOption(
      new Option('--impair <what>', 'spoil what the phones send: loss=PERCENT,jitter=MS')
        .argParser(impairment)
        .default(defaults.impairment, 'none'),
    )
    .option('--seed <n>', 'of the impairment', wholeNumber(0, 2 ** 31), defaults.seed)
    .optionsGroup('Report:')
    .option('--json <file>', 'write the report as JSON; - for standard output')
    .option('--html <file>', 'write the report as a page with charts')
    .optionsGroup('Limits, beyond which the exit status is 1:')
    .option('--max-loss <percent>', 'RTP lost, either way', zeroOrMore)
    .option('--max-p99 <ms>', 'p99 of the round trip; of the downlink without an echo', aboveZero)
    .option('--max-spacing <ms>', 'p99 of how far successive packets are from 20 ms apart', aboveZero)
    .option('--max-failed <percent>', 'calls that fail', zeroOrMore, defaults.maxFailedPercent)
    .optionsGroup('Other:')
    .helpOption('-h, --help', 'display help for command')
    .addHelpText('after', examples);
}

function toOptions(flags: Flags): LoadOptions {
  return {
    target: flags.target,
    calls: flags.calls,
    callsPerSecond: flags.rate,
    durationSeconds: flags.duration,
    warmUpSeconds: flags.warmUp,
    codec: flags.codec,
    sampleRateHz: flags.sampleRate,
    mode: flags.burst ? 'burst' : flags.clear ? 'clear' : flags.tone ? 'tone' : 'echo',
    churnPerSecond: flags.churn,
    holdSeconds: flags.hold,
    tls: flags.tls ?? false,
    impairment: flags.impair,
    seed: flags.seed,
    spawn: flags.spawn ?? false,
    workers: flags.workers,
    callbackDelayMs: flags.callbacks,
    streamListen: flags.streamListen,
    pid: flags.pid,
    json: flags.json,
    html: flags.html,
    maxLossPercent: flags.maxLoss,
    maxP99Ms: flags.maxP99,
    maxSpacingMs: flags.maxSpacing,
    maxFailedPercent: flags.maxFailed,
  };
}

function findContradiction(options: LoadOptions): string | undefined {
  const { target, spawn } = options;
  if (target === undefined && !spawn)
    return "--target sip:USER@HOST:PORT is missing; or use --spawn to start a gateway. See '--help'.";
  if (target !== undefined && spawn)
    return '--target and --spawn exclude each other: --spawn dials its own gateway';
  if (target !== undefined && parseTarget(target) === undefined)
    return `--target '${target}' is no SIP URI; expected sip:USER@HOST:PORT, such as sip:echo@127.0.0.1:5060`;
  if (options.pid !== undefined && spawn)
    return '--pid and --spawn exclude each other: --spawn knows its process';
  if (options.workers !== undefined && !spawn) return '--workers needs --spawn';
  if (options.callbackDelayMs !== undefined && !spawn)
    return '--callbacks needs --spawn: the gateway must ask the harness’s application';
  if (options.streamListen !== undefined && spawn)
    return '--stream-listen and --spawn exclude each other: --spawn starts the servers itself';
  if (options.tls && !spawn) return '--tls needs --spawn: the gateway must trust the harness’s certificate';
  if (options.mode !== 'echo' && !spawn && options.streamListen === undefined)
    return '--burst, --clear and --tone need --spawn or --stream-listen: they are about the stream servers';
  if (options.calls === 0 && options.churnPerSecond === 0)
    return '--calls 0 without --churn would place no call; give one of them';
  return undefined;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Where a SIP URI sends UDP to. Undefined where it is none. */
export function parseTarget(uri: string): Target | undefined {
  const match = /^sip:(?:[^@\s<>]+@)?(\[[0-9a-fA-F:.]+\]|[^:;?\s<>@[\]]+)(?::(\d{1,5}))?(?:[;?]\S*)?$/.exec(
    uri,
  );
  if (match === null) return undefined;
  const port = match[2] === undefined ? 5060 : Number(match[2]);
  if (port < 1 || port > 65_535) return undefined;
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    return value;
  };
}

function aboveZero(text: string): number {
  const value = zeroOrMore(text);
  if (value === 0) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

function zeroOrMore(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number, 0 or above.');
  return value;
}

function streamRate(text: string): number {
  if (!streamRatesHz.includes(Number(text)))
    throw new InvalidArgumentError(`Expected one of ${streamRatesHz.join(', ')}.`);
  return Number(text);
}

function hostPort(text: string): string {
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/.test(text))
    throw new InvalidArgumentError('Expected HOST:PORT, such as 127.0.0.1:9000.');
  return text;
}

/** `loss=2,jitter=30`, either or both. */
function impairment(text: string): Impairment {
  let lossPercent = 0;
  let jitterMs = 0;
  for (const part of text.split(',')) {
    const match = /^(loss|jitter)=(\d+(?:\.\d+)?)$/.exec(part.trim());
    if (match === null)
      throw new InvalidArgumentError(`'${part}' is not understood; expected loss=PERCENT,jitter=MS.`);
    if (match[1] === 'loss') lossPercent = Number(match[2]);
    else jitterMs = Number(match[2]);
  }
  if (lossPercent > 100) throw new InvalidArgumentError('Expected a loss of 0 to 100 percent.');
  return { lossPercent, jitterMs };
}
