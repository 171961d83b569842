import { ProtocolError } from '../protocol-error.ts';
import { uuidBytes } from './dialect-ids.ts';
import { excerpt } from './json-message.ts';
import type {
  DialectSession,
  StreamCommand,
  StreamConnect,
  StreamDialect,
  StreamEvent,
  StreamEventName,
} from './messages.ts';

/** AudioSocket, Asterisk's plain TCP protocol: packets of one byte for the kind, two for the length (big-endian) and
 *  the payload. Audio is signed linear, little-endian, with a kind for each rate. */
export const audiosocket: StreamDialect = {
  name: 'audiosocket',
  transport: 'tcp',
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new AudioSocketSession(connect),
};

const kind = { hangup: 0x00, uuid: 0x01, digit: 0x03, error: 0xff } as const;
const kindOfRate: ReadonlyMap<number, number> = new Map([
  [8000, 0x10],
  [16000, 0x12],
  [24000, 0x13],
  [44100, 0x15],
  [48000, 0x16],
  [96000, 0x17],
]);
const rateOfKind: ReadonlyMap<number, number> = new Map([...kindOfRate].map(([rate, code]) => [code, rate]));
const headerBytes = 3;
/** The call header that says which stream this is, where the server expects a UUID that it knows. */
const uuidHeader = 'uuid';

class AudioSocketSession implements DialectSession {
  readonly encoding = 'pcm16';
  readonly sampleRateHz: number;
  readonly #uuid: Uint8Array;
  readonly #audioKind: number;
  readonly #header = new Uint8Array(headerBytes);
  /** Of the header of the packet that is being read; then what is still to come of its payload. */
  #headerFilled = 0;
  #missing = 0;

  constructor(connect: StreamConnect) {
    const given = connect.callHeaders.findLast(({ key }) => key.toLowerCase() === uuidHeader)?.value;
    this.#uuid = given === undefined ? uuidBytes('call', connect.callId) : parseUuid(given);
    this.sampleRateHz = connect.sampleRateHz;
    this.#audioKind = kindOfRate.get(connect.sampleRateHz) ?? kindOfRate.get(8000)!;
  }

  opening(): readonly Uint8Array[] {
    return [packet(kind.uuid, this.#uuid)];
  }

  receiveText(): readonly StreamCommand[] {
    throw new ProtocolError('bad-message', 'AudioSocket has no text messages');
  }

  /** Audio goes on piece by piece as it comes, half samples included. */
  receiveBinary(bytes: Uint8Array, offset: number, sizeBytes: number): readonly StreamCommand[] {
    const commands: StreamCommand[] = [];
    const end = offset + sizeBytes;
    for (let at = offset; at < end; ) {
      if (this.#headerFilled < headerBytes) {
        this.#header[this.#headerFilled++] = bytes[at++]!;
        if (this.#headerFilled < headerBytes) continue;
        this.#missing = (this.#header[1]! << 8) | this.#header[2]!;
        this.#begin(commands);
      } else {
        const size = Math.min(this.#missing, end - at);
        this.#takePayload(bytes.subarray(at, at + size), commands);
        this.#missing -= size;
        at += size;
      }
      if (this.#headerFilled === headerBytes && this.#missing === 0) this.#headerFilled = 0;
    }
    return commands;
  }

  encodeAudio(payload: Uint8Array): Uint8Array {
    return packet(this.#audioKind, payload);
  }

  wants(event: StreamEventName): boolean {
    return event === 'dtmf';
  }

  tell(event: StreamEvent): Uint8Array | undefined {
    return event.event === 'dtmf' ? packet(kind.digit, Uint8Array.of(event.digit.charCodeAt(0))) : undefined;
  }

  closing(): readonly Uint8Array[] {
    return [packet(kind.hangup, new Uint8Array())];
  }

  /** The header is complete: what is wrong with it, and packets that need no payload. */
  #begin(commands: StreamCommand[]): void {
    const code = this.#header[0]!;
    const size = this.#missing;
    switch (code) {
      case kind.hangup:
        commands.push({ command: 'hangup' });
        return;
      case kind.error:
        if (size === 0) commands.push({ command: 'hangup', reason: 'error' });
        return;
      case kind.uuid:
        return;
      case kind.digit:
        if (size === 1) return;
        throw new ProtocolError('bad-message', `a digit must have 1 byte, got ${size}`);
      default:
        if (rateOfKind.has(code)) return;
        throw new ProtocolError(
          'unknown-command',
          `no packet is of kind 0x${code.toString(16).padStart(2, '0')}`,
        );
    }
  }

  #takePayload(payload: Uint8Array, commands: StreamCommand[]): void {
    const code = this.#header[0]!;
    const sampleRateHz = rateOfKind.get(code);
    if (sampleRateHz !== undefined) {
      const differs = sampleRateHz !== this.sampleRateHz;
      commands.push({ command: 'audio', bytes: payload, ...(differs && { sampleRateHz }) });
    } else if (code === kind.digit) {
      const digits = String.fromCharCode(payload[0]!).toUpperCase();
      if (!/^[0-9*#A-D]$/.test(digits)) {
        throw new ProtocolError('bad-field', `a digit must be of 0-9 * # A-D, got ${excerpt(digits)}`);
      }
      commands.push({ command: 'dtmf', digits });
    } else if (code === kind.error && payload.length === this.#missing) {
      commands.push({ command: 'hangup', reason: `error ${payload[0]}` });
    }
  }
}

function packet(code: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length);
  bytes[0] = code;
  bytes[1] = payload.length >> 8;
  bytes[2] = payload.length;
  bytes.set(payload, headerBytes);
  return bytes;
}

function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new ProtocolError(
      'bad-connect',
      `call header ${uuidHeader} must be a UUID with dialect audiosocket, got ${excerpt(text)}`,
    );
  }
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}
