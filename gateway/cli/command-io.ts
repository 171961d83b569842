import type { Output } from './admin-client.ts';

/** Where a command prints: results to `out`, all else to `err`. */
export interface CommandIo {
  readonly out: Output;
  readonly err: Output;
}
