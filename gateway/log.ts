import { Writable } from 'node:stream';
import { type Logger, type LoggerOptions, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A constant sentence and fields. `info` tells the story of a call in about ten lines, `warn` needs an operator,
 *  `debug` is free. `err` is the field for an error. */
export interface Log {
  trace(fields: object, sentence: string): void;
  debug(fields: object, sentence: string): void;
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
  fatal(fields: object, sentence: string): void;
  child(fields: Readonly<Record<string, unknown>>): Log;
  /** Lines thrown away so far because whoever reads the log did not keep up. */
  readonly linesDropped?: number;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for people instead of JSON. Default: standard error is a terminal. */
  readonly pretty?: boolean;
  /** Takes the finished lines; default standard error. */
  readonly destination?: { write(line: string): void };
  /** Where JSON goes without a destination. Default 2, standard error. */
  readonly fd?: number;
  /** What may wait for its reader there; lines beyond it are dropped and counted. Default 8 MiB. */
  readonly waitingBytesMax?: number;
}

const waitingBytesMaxDefault = 8 * 1024 * 1024;

/** A log in which credentials, digits and audio cannot appear, whatever is handed to it. Never throws. */
export function createLog({
  level,
  pretty: wanted,
  destination,
  fd = 2,
  waitingBytesMax = waitingBytesMaxDefault,
}: LogOptions): Log {
  const options: LoggerOptions = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: redactFields },
    serializers: { err: (error: unknown) => redact(stdSerializers.err(error as Error), 0) },
  };
  if (!(wanted ?? process.stderr.isTTY)) {
    if (destination !== undefined) return new PinoLog(pino(options, destination));
    const output = pino.destination({ fd, sync: false, maxLength: waitingBytesMax });
    const drops = { count: 0 };
    const log = new PinoLog(pino(options, output), drops);
    let told = 0;
    output.on('drop', () => drops.count++);
    output.on('drain', () => {
      if (drops.count === told) return;
      const linesDropped = drops.count - told;
      told = drops.count;
      log.warn({ linesDropped, waitingBytesMax }, 'log lines dropped, their reader did not keep up');
    });
    return log;
  }
  // In this process: pino's own transport would start a worker thread for it.
  const lines = pretty({
    colorize: destination === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ...(destination === undefined ? { destination: 2 } : { destination: asStream(destination) }),
  });
  return new PinoLog(pino(options, lines));
}

/** pino does not format the fields of its children, so they are redacted here. */
class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #drops: { readonly count: number };

  constructor(logger: Logger, drops: { readonly count: number } = { count: 0 }) {
    this.#logger = logger;
    this.#drops = drops;
  }

  get linesDropped(): number {
    return this.#drops.count;
  }

  trace(fields: object, sentence: string): void {
    this.#logger.trace(fields, sentence);
  }

  debug(fields: object, sentence: string): void {
    this.#logger.debug(fields, sentence);
  }

  info(fields: object, sentence: string): void {
    this.#logger.info(fields, sentence);
  }

  warn(fields: object, sentence: string): void {
    this.#logger.warn(fields, sentence);
  }

  error(fields: object, sentence: string): void {
    this.#logger.error(fields, sentence);
  }

  fatal(fields: object, sentence: string): void {
    this.#logger.fatal(fields, sentence);
  }

  child(fields: Readonly<Record<string, unknown>>): Log {
    return new PinoLog(this.#logger.child(redactFields(fields)), this.#drops);
  }
}

export const silentLog: Log = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  fatal: ignore,
  child: () => silentLog,
};

const hidden = '[redacted]';

/** Names whose value is never written, whatever their case and wherever they stand. */
const secretNames = new Set(
  'password passphrase secret secretaccesskey token authorization proxyauthorization proxy-authorization authentication credentials privatekey cookie signature digit digits dtmf'.split(
    ' ',
  ),
);

const depthMax = 6;
const itemsMax = 100;
const textMax = 8_192;

function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redact(fields, 0) as Record<string, unknown>;
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  // At the top, pino's serializer for `err` follows; deeper down nobody would write an error's message.
  if (value instanceof Error)
    return depth <= 1 ? value : { name: value.name, message: redactText(value.message) };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date || value instanceof URL) return redactText(value.toJSON());
  if (depth >= depthMax) return '[deeper]';
  if (Array.isArray(value)) return value.slice(0, itemsMax).map((item) => redact(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [name, held] of Object.entries(value)) {
    const secret = secretNames.has(name.toLowerCase()) && held !== undefined && held !== null;
    copy[name] = secret ? hidden : redact(held, depth + 1);
  }
  return copy;
}

const urlCredentials = /(\b[a-z][a-z0-9+.-]{0,15}:\/\/)[^\s/@]{1,512}@/gi;
/** All of it: what a token is called is the server's to choose. */
const urlQueries = /(\b(?:wss?|https?):\/\/[^\s?#"'<>]{1,2048}\?)[^\s#"'<>]+/gi;
const urlSecrets =
  /([?&;](?:[a-z0-9_-]{0,32}(?:token|secret|password|signature|sig|key|auth))=)[^&\s"'#]{1,2048}/gi;
const headerSecrets = /^((?:proxy-)?authorization|(?:proxy-|www-)?authenticate|cookie)[ \t]*:[^\r\n]*/gim;

/** Hides what stands inside of a text: credentials and keys in URLs, header lines that authenticate. */
function redactText(text: string): string {
  const shown = text.length > textMax ? `${text.slice(0, textMax)}… (${text.length} characters)` : text;
  if (!/[=@:]/.test(shown)) return shown;
  return shown
    .replace(urlCredentials, `$1${hidden}@`)
    .replace(urlQueries, `$1${hidden}`)
    .replace(urlSecrets, `$1${hidden}`)
    .replace(headerSecrets, `$1: ${hidden}`);
}

function asStream(destination: { write(line: string): void }): NodeJS.WritableStream {
  return new Writable({
    write(chunk, _encoding, done) {
      destination.write(String(chunk));
      done();
    },
  });
}

function ignore(): void {}
