#!/usr/bin/env node
import { runCommand } from './command-line.ts';

// `callwire calls | head` closes our output: nothing is left to be said.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCommand(process.argv.slice(2));
