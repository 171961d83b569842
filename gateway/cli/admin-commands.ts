import { Argument, type Command } from 'commander';
import type { AdminOptions } from './admin-client.ts';
import type { CommandIo } from './command-io.ts';
import type { TraceOptions } from './trace.ts';

/** The commands that look at a configuration or talk to a running gateway. What a command needs is loaded when it
 *  runs, here as in `main-commands.ts`: help is there at once. */
export function addAdminCommands(program: Command, io: CommandIo, exit: (status: number) => void): void {
  program
    .command('check-config')
    .summary('say what is wrong with a configuration')
    .description(
      'Says everything that is wrong with a configuration, with file, line and what was expected. Starts nothing. Exit ' +
        'status 0 if nothing is wrong, else 78.',
    )
    .addArgument(new Argument('[file]', 'the configuration').default('callwire.yaml'))
    .addHelpText('after', '\nExamples:\n  callwire check-config\n  callwire check-config /etc/callwire.yaml')
    .action(async (file: string) => {
      const { runCheckConfig } = await import('./check-config.ts');
      exit(await runCheckConfig(file, io.out));
    });

  addAdminOptions(program.command('calls'))
    .summary('list the live calls')
    .description('Lists the live calls of a running gateway, with their ids.')
    .addHelpText(
      'after',
      '\nExamples:\n  callwire calls\n' +
        '  callwire calls --http 192.0.2.7:8080 --key my-app --secret c2VjcmV0\n' +
        '  callwire calls --config /etc/callwire.yaml --json',
    )
    .action(async (options: AdminOptions) => {
      const { runCalls } = await import('./calls.ts');
      exit(await runCalls(options, io.out, io.err));
    });

  addAdminOptions(program.command('hangup'))
    .summary('end a call')
    .description('Ends a call of a running gateway.')
    .argument('<call-id>', 'as `callwire calls` lists it')
    .addHelpText('after', '\nExample:\n  callwire hangup gw-1-7f3a')
    .action(async (callId: string, options: AdminOptions) => {
      const { runHangup } = await import('./hangup.ts');
      exit(await runHangup(callId, options, io.out, io.err));
    });

  addAdminOptions(program.command('trace'))
    .summary('show the SIP messages of a call')
    .description(
      'Draws the SIP messages of a call, live or just ended, with their times; credentials are hidden. The gateway ' +
        'keeps those of the newest calls, as many as sip.trace.calls says.',
    )
    .argument('<call-id>', 'as `callwire calls` and the log name it')
    .option('--messages', 'every message in full')
    .addHelpText('after', '\nExample:\n  callwire trace gw-1-7f3a --messages')
    .action(async (callId: string, options: TraceOptions) => {
      const { runTrace } = await import('./trace.ts');
      exit(await runTrace(callId, options, io.out, io.err));
    });

  addAdminOptions(program.command('drain'))
    .summary('let a gateway take no new calls')
    .description(
      'Lets a running gateway take no new calls: they are refused with 503. Live ones go on. Only a restart ends it.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  callwire drain && callwire calls     # stop the gateway when none is left',
    )
    .action(async (options: AdminOptions) => {
      const { runDrain } = await import('./drain.ts');
      exit(await runDrain(options, io.out, io.err));
    });
}

function addAdminOptions(command: Command): Command {
  return command
    .option(
      '--http <host:port>',
      'where the gateway serves HTTP (default: as the configuration says, else 127.0.0.1:8080)',
    )
    .option(
      '--key <key>',
      'application that asks, with --secret (default: the first of the configuration; with --http, only of one that --config names)',
    )
    .option('--secret <secret>', 'its secret; other users of the machine can see it here')
    .option('--config <file>', 'configuration (default: callwire.yaml, if there is one)')
    .option('--json', 'print JSON');
}
