import { ProtocolError } from '../protocol-error.ts';

const isTokenChar = charSet("-.!%*_+`'~", true);
// A host in brackets, base64 with `=` and paths are met in parameter values that ought to be quoted.
const isPlainValueChar = charSet("-.!%*_+`'~[]:=/@$&?#()|{}^", true);

export type Parameters = ReadonlyMap<string, string>;
export const noParameters: Parameters = new Map();

/** Throws the answer 400 that a bad header value deserves. `found` is quoted, shortened, in the message. */
export function rejectValue(code: string, expected: string, found: string): never {
  throw new ProtocolError(code, `${expected}, got ${excerpt(found)}`, { status: 400 });
}

/** What came, for an error message: at most 60 characters, in quotes. */
export function excerpt(found: string): string {
  return JSON.stringify(found.length > 60 ? `${found.slice(0, 60)}…` : found);
}

/** `token` of RFC 3261 §25.1. */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (char > 127 || isTokenChar[char] !== 1) return false;
  }
  return true;
}

/** Reads one unfolded header value from left to right, every character once. RFC 3261 §25.1. */
export class HeaderScanner {
  readonly text: string;
  position: number;
  readonly #code: string;

  /** `code` names the errors, as `bad-via`. */
  constructor(text: string, code: string, position = 0) {
    this.text = text;
    this.#code = code;
    this.position = position;
  }

  get atEnd(): boolean {
    return this.position >= this.text.length;
  }

  skipSpace(): void {
    while (isSpace(this.text.charCodeAt(this.position))) this.position++;
  }

  /** True, and one step further, if `char` comes next after optional space. */
  take(char: string): boolean {
    this.skipSpace();
    if (this.text.charCodeAt(this.position) !== char.charCodeAt(0)) return false;
    this.position++;
    return true;
  }

  expect(char: string, where: string): void {
    if (!this.take(char)) this.reject(`expected "${char}" ${where}`);
  }

  expectEnd(): void {
    this.skipSpace();
    if (!this.atEnd) this.reject('expected nothing more');
  }

  /** A token after optional space. */
  token(what: string): string {
    this.skipSpace();
    const start = this.position;
    while (isTokenChar[this.text.charCodeAt(this.position)] === 1) this.position++;
    if (this.position === start) this.reject(`expected ${what}`);
    return this.text.slice(start, this.position);
  }

  /** A quoted-string, without its quotes and escapes. The position is on the opening quote. */
  quotedString(): string {
    const start = this.position;
    let value = '';
    let from = start + 1;
    for (let index = from; index < this.text.length; index++) {
      const char = this.text.charCodeAt(index);
      if (char === 0x22) {
        this.position = index + 1;
        return value + this.text.slice(from, index);
      }
      if (char === 0x5c) {
        value += this.text.slice(from, index);
        index++;
        from = index;
      }
    }
    return this.reject('expected a closing quote');
  }

  /** `;name`, `;name=value`, `;name="value"` up to the end of the value. Names come out in lower case, a name without
   *  value gives an empty string, of a repeated name the first counts. */
  parameters(): Parameters {
    this.skipSpace();
    if (this.atEnd) return noParameters;
    const parameters = new Map<string, string>();
    while (!this.atEnd) {
      this.expect(';', 'before a parameter');
      const name = this.token('a parameter name').toLowerCase();
      const value = this.take('=') ? this.parameterValue() : '';
      if (!parameters.has(name)) parameters.set(name, value);
      this.skipSpace();
    }
    return parameters;
  }

  /** A token, host or quoted-string after optional space. */
  parameterValue(): string {
    this.skipSpace();
    if (this.text.charCodeAt(this.position) === 0x22) return this.quotedString();
    const start = this.position;
    while (!this.atEnd) {
      const char = this.text.charCodeAt(this.position);
      if (char < 128 && isPlainValueChar[char] !== 1) break;
      this.position++;
    }
    if (this.position === start) this.reject('expected a parameter value');
    return this.text.slice(start, this.position);
  }

  reject(expected: string): never {
    rejectValue(this.#code, `${expected} at character ${this.position}`, this.text);
  }
}

/** `;name=value` for each, quoted where the value needs it. */
export function serializeParameters(parameters: Parameters): string {
  let text = '';
  for (const [name, value] of parameters)
    text += value === '' ? `;${name}` : `;${name}=${plainOrQuoted(value)}`;
  return text;
}

/** A quoted-string. Line breaks cannot be escaped in it and become spaces. */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\r\n]/g, ' ')}"`;
}

/** The values of a comma-separated list; commas in quotes or angle brackets do not separate. Empty ones are kept. */
export function splitList(text: string): string[] {
  const values: string[] = [];
  let start = 0;
  let inQuotes = false;
  let inBrackets = false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (inQuotes) {
      if (char === 0x5c) index++;
      else if (char === 0x22) inQuotes = false;
    } else if (inBrackets) {
      if (char === 0x3e) inBrackets = false;
    } else if (char === 0x22) inQuotes = true;
    else if (char === 0x3c) inBrackets = true;
    else if (char === 0x2c) {
      values.push(trimSpace(text, start, index));
      start = index + 1;
    }
  }
  values.push(trimSpace(text, start, text.length));
  return values;
}

/** `text[start … end]` without the spaces and tabs around it. */
export function trimSpace(text: string, start: number, end: number): string {
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

export function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x09;
}

function plainOrQuoted(value: string): string {
  for (let index = 0; index < value.length; index++) {
    const char = value.charCodeAt(index);
    if (char > 127 || isPlainValueChar[char] !== 1) return quote(value);
  }
  return value;
}

function charSet(marks: string, alphanumeric: boolean): Uint8Array {
  const set = new Uint8Array(128);
  for (const mark of marks) set[mark.charCodeAt(0)] = 1;
  if (alphanumeric)
    for (let char = 0; char < 128; char++) if (/[0-9A-Za-z]/.test(String.fromCharCode(char))) set[char] = 1;
  return set;
}
