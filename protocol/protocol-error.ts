/** Bad bytes or a broken rule from the other side of a protocol. The edge answers it and counts it by `code`.
 *  `code` is a short stable kebab-case word (`bad-request-line`, `missing-header`); the message names what was
 *  expected and what came. Nothing else may be thrown by a parser. */
export class ProtocolError extends Error {
  readonly code: string;
  /** The SIP status, HTTP status or WebSocket close code that answers it, where the protocol has one. */
  readonly status: number | undefined;

  constructor(
    code: string,
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProtocolError';
    this.code = code;
    this.status = options.status;
  }
}
