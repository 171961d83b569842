/** What the executable says to a shell; the numbers above 63 are those of sysexits.h. */
export const exitStatus = {
  ok: 0,
  /** Something failed that none of the others names. */
  failed: 1,
  /** The far side refused the call. */
  refused: 2,
  /** The far side could not be reached. */
  unreachable: 3,
  usage: 64,
  config: 78,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** A command line that cannot be obeyed. The message says which option, what was found and what was expected. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
