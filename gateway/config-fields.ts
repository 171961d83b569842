import { Type } from 'typebox';

/** What settings are made of. */

export const text = (description: string, options: object = {}) =>
  Type.String({
    minLength: 1,
    maxLength: 1_024,
    expected: 'text of at least one character',
    description,
    ...options,
  });
/** The format says what is expected. */
export const formatted = (format: string, description: string, options: object = {}) =>
  Type.String({ format, description, ...options });
export const flag = (description: string, value: boolean) => Type.Boolean({ description, default: value });
export const number = (description: string, minimum: number, maximum: number, value: number) =>
  Type.Number({ description, minimum, maximum, default: value });
export const whole = (description: string, minimum: number, maximum: number, value: number) =>
  Type.Integer({ description, minimum, maximum, default: value });
export const certificate = {
  cert: text('File with the certificate chain, PEM.'),
  key: text('File with its private key, PEM.'),
};
