import { GatewayError } from '../errors.ts';

/** A callback URL did not do its part. `code` is a metric label, `callback-…`. */
export class CallbackError extends GatewayError {
  /** HTTP, where there was an answer. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number) {
    super(code, message);
    this.status = status;
  }
}
