import { Argument, type Command, Option } from 'commander';
import { streamDialectNames } from '../../protocol/stream/messages.ts';
import { type BotKind, botKinds } from '../bots/bot-kinds.ts';
import type { BotFlags } from './bot.ts';
import type { CallFlags } from './call.ts';
import type { CommandIo } from './command-io.ts';
import type { ConformanceFlags } from './conformance.ts';
import type { DemoFlags } from './demo.ts';
import { exitStatus } from './exit-status.ts';
import {
  collectHeader,
  collectText,
  readDigits,
  readHostPort,
  readPositiveNumber,
  readSampleRate,
  readSeconds,
} from './option-values.ts';
import type { ServeFlags } from './serve.ts';

type AddCommand = (program: Command, io: CommandIo, exit: (status: number) => void) => void;

/** The gateway itself, and what there is to try it with. */
export const addMainCommands: AddCommand = (program, io, exit) => {
  for (const add of [addServe, addCall, addBot, addConformance, addDemo, addBench]) add(program, io, exit);
};

const addServe: AddCommand = (program, io, exit) => {
  program
    .command('serve')
    .summary('run the gateway')
    .description(
      'Runs the gateway. Without a configuration: SIP on port 5060, UDP and TCP, HTTP on 127.0.0.1:8080, and an ' +
        'embedded bot that says back what it hears. Prints `ready` and its addresses on standard output once it ' +
        'listens, and logs on standard error. SIGTERM and SIGINT let live calls end; a second signal ends them at ' +
        'once; SIGHUP has certificates read anew. Exit status 78 where the configuration is wrong.',
    )
    .option('--config <file>', 'configuration (default: callwire.yaml, if there is one)')
    .option(
      '--sip <listener>',
      'SIP listener, udp:HOST:PORT, tcp: or tls:, in place of the configured ones; may be repeated',
      collectText,
    )
    .option('--http <host:port>', 'where the HTTP API and the dashboard are served')
    .option(
      '--route <pattern=url>',
      'who is called (* for any), and the stream server; comes before the configured routes; may be repeated',
      collectText,
    )
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: info)')
    .option('--json-ready', 'print the ready line as JSON')
    .option('--trace-sip', 'write every SIP message to standard error, credentials hidden')
    .option('--drain-limit <seconds>', 'how long live calls may go on after SIGTERM', readSeconds, 30)
    .addHelpText(
      'after',
      '\nExamples:\n  callwire serve\n      dial sip:echo@HOST with a softphone, or use callwire call\n' +
        "  callwire serve --sip udp:127.0.0.1:5060 --route '*=ws://127.0.0.1:9000/'\n      every call goes to your " +
        'stream server\n  callwire serve --config /etc/callwire.yaml --log-level debug',
    )
    .action(async (flags: ServeFlags) => {
      const { runServe } = await import('./serve.ts');
      exit(await runServe(flags, io));
    });
};

const addCall: AddCommand = (program, io, exit) => {
  program
    .command('call')
    .summary('place a call with a test phone')
    .description(
      'Places a call with a test phone. Exit status 0 when it was answered and ended normally, 2 when the far side ' +
        'refused it, 3 when it could not be reached or did not answer, 64 on bad usage.',
    )
    .argument(
      '<sip-uri>',
      'whom to call, such as sip:echo@127.0.0.1:5060, sip:echo@10.0.0.1;transport=tcp or sips:echo@sip.example.com',
    )
    .option('--from <uri>', 'who calls, such as sip:alice@example.com')
    .option(
      '--codec <list>',
      'codecs offered, in order, some of pcmu,pcma,g722,opus,l16,l16-8000 (default: the first four)',
    )
    .addOption(
      new Option('--srtp [mode]', 'encrypt audio, with keys in SDP')
        .choices(['off', 'optional', 'required'])
        .preset('required'),
    )
    .option('--play <wav>', 'what the phone says, once')
    .option('--tone <hz>', 'a tone instead, at -12 dBFS', readPositiveNumber)
    .option('--record <wav>', 'where what it hears goes')
    .option(
      '--duration <seconds>',
      'hang up so long after the answer (default: 1 s after the end of --play, else 10 s)',
      readSeconds,
    )
    .option('--ring-timeout <seconds>', 'give up when nobody answers', readSeconds, 60)
    .option('--dtmf <digits>', 'RFC 4733 digits to send, w for half a second', readDigits)
    .option(
      '--header <name: value>',
      'header of the INVITE, such as "X-Ticket: 4815"; may be repeated',
      collectHeader,
    )
    .option('--ca <file>', "authority trusted over TLS besides the system's, PEM")
    .option('--insecure', 'trust every certificate')
    .option('--user <name>', 'user name, where the far side asks for one')
    .option('--password <password>', 'its password')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  callwire call sip:echo@127.0.0.1 --play hello.wav --record heard.wav --codec pcma\n' +
        "  callwire call 'sip:echo@192.0.2.7;transport=tcp' --user alice --password secret --dtmf 1w2 --json",
    )
    .action(async (uri: string, flags: CallFlags) => {
      const { runCall } = await import('./call.ts');
      exit(await runCall(uri, flags, io));
    });
};

const addBot: AddCommand = (program, io, exit) => {
  program
    .command('bot')
    .summary('run a sample stream server')
    .description(
      'Runs a sample stream server: echo says back what it hears, tone sends 1 kHz, play plays a WAV and hangs up, ' +
        'record writes what it hears to a WAV. It runs until Ctrl-C. With --dialect it is one of those that other ' +
        'platforms talk to; only with sinch can it refuse a call before the phone was answered (--reply), with others ' +
        'it hangs up.',
    )
    .addArgument(new Argument('<kind>', 'what it does with a call').choices([...botKinds]))
    .option(
      '--listen <host:port>',
      'where to listen; port 0 takes a free one',
      readHostPort,
      '127.0.0.1:9000',
    )
    .option('--file <wav>', 'play: the WAV to play; record: the WAV to write')
    .option(
      '--sample-rate <hz>',
      'rate where the gateway names none, as audiosocket (default: 8000)',
      readSampleRate,
    )
    .option('--tone-hz <hz>', 'tone: its frequency (default: 1000)', readPositiveNumber)
    .addOption(
      new Option('--reply <reply>', 'what it says to a call')
        .choices(['answer', 'busy', 'reject'])
        .default('answer'),
    )
    .addOption(
      new Option('--dialect <dialect>', "what its gateways speak: the action's streamingOptions.dialect")
        .choices([...streamDialectNames])
        .default('sinch'),
    )
    .option('--json', 'print each event as a line of JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  callwire bot record --file heard.wav\n      for callwire serve --route '*=ws://127.0.0.1:9000/'\n" +
        '  callwire bot echo --reply busy\n' +
        '  callwire bot echo --dialect twilio\n  callwire bot tone --dialect audiosocket --listen 127.0.0.1:9092',
    )
    .action(async (kind: BotKind, flags: BotFlags) => {
      const { runBot } = await import('./bot.ts');
      exit(await runBot(kind, flags, io));
    });
};

const addConformance: AddCommand = (program, io, exit) => {
  program
    .command('conformance')
    .summary('judge a stream server, rule by rule')
    .description(
      "Plays the gateway's side against a stream server and says of each rule of the protocol whether the server keeps " +
        'it, with what was expected and what was seen. Exit status 0 where none is broken, else 1.',
    )
    .argument('<ws-url>', 'the server, such as ws://127.0.0.1:9000/')
    .option('--json', 'print the report as JSON')
    .option('--junit <file>', 'write it as JUnit XML, too')
    .option('--only <rules>', 'rules to judge, such as R1,R4 (default: all)')
    .option('--long', 'judge also what takes more than a minute: R13')
    .option('--timeout-ms <ms>', 'how long to wait for a reply (default: 10000)', readPositiveNumber)
    .addHelpText(
      'after',
      '\nExamples:\n  callwire conformance ws://127.0.0.1:9000/\n' +
        '  callwire conformance ws://127.0.0.1:9000/ --only R1,R4 --junit conformance.xml',
    )
    .action(async (url: string, flags: ConformanceFlags) => {
      const { runConformanceCommand } = await import('./conformance.ts');
      exit(await runConformanceCommand(url, flags, io));
    });
};

const addDemo: AddCommand = (program, io, exit) => {
  program
    .command('demo')
    .summary('see one call from a phone to a bot and back')
    .description(
      'Starts a gateway, an echo bot and a phone on this machine, speaks a sentence through a real call, shows what ' +
        'happened, and writes what the phone heard to a WAV.',
    )
    .option('--play <wav>', 'what the phone says (default: a sentence of ours)')
    .option('--record <wav>', 'where what it hears goes', 'demo-heard.wav')
    .option('--sample-rate <hz>', 'rate of the stream to the bot', readSampleRate, 16_000)
    .addHelpText(
      'after',
      '\nExamples:\n  callwire demo\n  callwire demo --play hello.wav --sample-rate 48000',
    )
    .action(async (flags: DemoFlags) => {
      const { runDemo } = await import('./demo.ts');
      exit(await runDemo(flags, io));
    });
};

const addBench: AddCommand = (program, io, exit) => {
  program
    .command('bench')
    .summary('load a gateway with real calls and report')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[options...]')
    .addHelpText('after', '\nOptions and examples:\n  callwire bench --help')
    .action(async (argv: string[]) => {
      // The harness lies beside the gateway and builds on it, so nothing here may import it by name.
      const location = new URL('../../bench/load-command.js', import.meta.url);
      let harness: { runBench(argv: string[]): Promise<number> };
      try {
        harness = await import(location.href);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
        io.err.write(`callwire bench: the load harness is not in this build (${location.pathname})\n`);
        exit(exitStatus.failed);
        return;
      }
      exit(await harness.runBench(argv));
    });
};
