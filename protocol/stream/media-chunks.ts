import { base64Field, type Fields, objectField, textField } from './json-message.ts';
import { markNameLengthMax, type StreamCommand } from './messages.ts';

/** What dialects have in common that carry audio as base64 in JSON: `media`, `mark` and `clear`. */
export const mediaCommands: Readonly<Record<string, (fields: Fields) => StreamCommand>> = {
  media: (fields) => ({ command: 'audio', bytes: base64Field(objectField(fields, 'media'), 'payload') }),
  mark: (fields) => ({
    command: 'mark',
    name: textField(objectField(fields, 'mark'), 'name', markNameLengthMax),
  }),
  clear: () => ({ command: 'clear' }),
};

/** The audio to a server, numbered and timed in ms of the stream. */
export class MediaChunks {
  readonly track: 'inbound' | 'outbound';
  readonly #bytesPerMs: number;
  #chunk = 0;
  #sentMs = 0;

  constructor(track: 'inbound' | 'outbound', bytesPerMs: number) {
    this.track = track;
    this.#bytesPerMs = bytesPerMs;
  }

  next(payload: Uint8Array) {
    const media = {
      track: this.track,
      chunk: `${++this.#chunk}`,
      timestamp: `${Math.round(this.#sentMs)}`,
      payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('base64'),
    };
    this.#sentMs += payload.length / this.#bytesPerMs;
    return media;
  }
}
