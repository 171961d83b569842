/** Something that the world did not give us: a timeout, a refused connection, a used port, a bad file. The caller
 *  decides whether to try again or to end the call. `code` is the system's (`ECONNREFUSED`) or ours, stable and
 *  short; a program may switch on it. What a peer sent wrongly is a `ProtocolError` instead. */
export class GatewayError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
  }
}

/** The code of anything that was thrown: ours, the system's, else `UNKNOWN`. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'UNKNOWN';
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
