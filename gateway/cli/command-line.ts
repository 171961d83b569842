import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { errorMessage } from '../errors.ts';
import { addAdminCommands } from './admin-commands.ts';
import type { CommandIo } from './command-io.ts';
import { exitStatus, UsageError } from './exit-status.ts';
import { addMainCommands } from './main-commands.ts';

/** Runs one command line, `['serve', '--http', …]`, and resolves with the exit status. Never rejects. */
export async function runCommand(
  argv: readonly string[],
  io: CommandIo = { out: process.stdout, err: process.stderr },
): Promise<number> {
  let status: number = exitStatus.ok;
  const program = createProgram(io, (given) => {
    status = given;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    // Help and version come as errors as well; commander has printed what there was to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
    io.err.write(`callwire ${argv[0] ?? ''}: ${errorMessage(error)}\n`);
    return error instanceof UsageError ? exitStatus.usage : exitStatus.failed;
  }
  return status;
}

const examples = `
Examples:
  callwire demo                                   one call on this machine, from end to end
  callwire serve                                  a gateway; dial sip:echo@HOST with any softphone
  callwire call sip:echo@127.0.0.1 --duration 5   a phone for it, without a softphone
  callwire serve --help                           options and examples of a command`;

function createProgram(io: CommandIo, exit: (status: number) => void): Command {
  const program = new Command('callwire')
    .description('A self-hosted gateway that bridges SIP calls to WebSocket servers as linear PCM.')
    .version(readVersion(), '--version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
    })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', examples);
  addMainCommands(program, io, exit);
  addAdminCommands(program, io, exit);
  return program;
}

/** Of the package that this file is in, as `gateway/cli/` or as `dist/gateway/cli/`. */
function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      return String(version);
    } catch {}
  }
  return 'unknown';
}
