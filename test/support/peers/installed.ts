import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that a test needs and that not every machine has. */
export interface Peer {
  readonly name: string;
  /** Undefined where it is not installed. */
  readonly path: string | undefined;
  readonly missing: boolean;
  /** To follow the name of a block of tests: empty, or why they are skipped. */
  readonly skipped: string;
}

/** Looks for a program in PATH, and says once what is skipped where there is none. `also` are files that it needs. */
export function findPeer(name: string, debianPackage: string, also: readonly string[] = []): Peer {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((file) => isExecutable(file));
  const missing = path === undefined || (also.length > 0 && !also.some((file) => existsSync(file)));
  const skipped = missing ? ` (skipped: ${name} is not installed; apt-get install ${debianPackage})` : '';
  if (missing) console.warn(`interop: tests with ${name} are skipped, it is not installed`);
  return { name, path, missing, skipped };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
