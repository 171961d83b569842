/** What a bot asked for and cannot have, or what a gateway sent that is no stream protocol. `code` is stable. */
export class BotError extends Error {
  readonly code: BotErrorCode;

  constructor(code: BotErrorCode, message: string) {
    super(message);
    this.name = 'BotError';
    this.code = code;
  }
}

export type BotErrorCode =
  /** A command that wants an answered call, before `answer`. */
  | 'not-answered'
  /** A second `answer`, `busy` or `reject`. */
  | 'already-replied'
  /** The gateway does not offer the extension, or the answer did not ask for it. */
  | 'not-offered'
  /** The call ended before what was waited for came. */
  | 'closed'
  | 'bad-argument'
  /** The gateway broke the protocol; its connection was closed. */
  | 'bad-message';
