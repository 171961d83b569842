import { GatewayError } from '../errors.ts';

/** A recording that cannot begin. The message names the setting or the field that is wrong. */
export class RecordingError extends GatewayError {
  constructor(code: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = 'RecordingError';
  }
}
