import { Buffer } from 'node:buffer';
import { rejectValue, trimSpace } from './header-scanner.ts';
import { parseMediaType } from './header-values.ts';

export interface BodyPart {
  /** `application/sdp`, in lower case and without parameters; `text/plain` where the part does not say. */
  readonly type: string;
  /** Content-Disposition, `''` without one. */
  readonly disposition: string;
  /** A view on the whole body. */
  readonly body: Uint8Array;
}

const partsMax = 16;
const headBytesMax = 4_096;

/** The parts of a body of type multipart/…, in their order; those within a part are not looked into. What stands before
 *  the first boundary and behind the last is ignored. Throws `ProtocolError` (400) for a body without its boundaries.
 *  RFC 2046 §5.1, RFC 5621 §3. */
export function parseMultipart(contentType: string, body: Uint8Array): readonly BodyPart[] {
  const boundary = parseMediaType(contentType).parameters.get('boundary');
  if (boundary === undefined || boundary === '' || boundary.length > 70) {
    rejectValue('bad-multipart', 'expected a boundary of 1 to 70 characters', contentType);
  }
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = `--${boundary}`;
  const parts: BodyPart[] = [];
  let mark = findDelimiter(bytes, delimiter, 0);
  for (;;) {
    if (mark < 0) rejectValue('bad-multipart', 'expected the closing boundary', contentType);
    const end = mark + delimiter.length;
    if (bytes.toString('latin1', end, end + 2) === '--') return parts;
    const lineEnd = bytes.indexOf('\r\n', end, 'latin1');
    if (lineEnd < 0 || parts.length === partsMax) {
      rejectValue(
        'bad-multipart',
        `expected at most ${partsMax} parts, each behind its boundary`,
        contentType,
      );
    }
    mark = findDelimiter(bytes, delimiter, lineEnd);
    // The line break before a boundary belongs to the boundary.
    if (mark >= 0) parts.push(readPart(bytes.subarray(lineEnd + 2, Math.max(lineEnd + 2, mark - 2))));
  }
}

/** Where the next delimiter begins that stands alone at the start of a line, -1 for none. A longer boundary that begins
 *  like this one is another. */
function findDelimiter(bytes: Buffer, delimiter: string, from: number): number {
  const atStart = from === 0 && bytes.toString('latin1', 0, delimiter.length) === delimiter;
  let mark = atStart ? 0 : nextLine(bytes, delimiter, from);
  while (mark >= 0 && !/^(?:--|[ \t]*\r\n)/.test(behind(bytes, mark + delimiter.length))) {
    mark = nextLine(bytes, delimiter, mark + 1);
  }
  return mark;
}

function nextLine(bytes: Buffer, delimiter: string, from: number): number {
  const found = bytes.indexOf(`\r\n${delimiter}`, from, 'latin1');
  return found < 0 ? -1 : found + 2;
}

function behind(bytes: Buffer, from: number): string {
  return bytes.toString('latin1', from, from + 16);
}

function readPart(part: Buffer): BodyPart {
  // Without headers the part begins with the empty line: as if there were two line breaks before it.
  const bare = part.toString('latin1', 0, 2) === '\r\n';
  const headEnd = bare ? -2 : part.indexOf('\r\n\r\n', 0, 'latin1');
  if (headEnd > headBytesMax || (headEnd < 0 && !bare)) {
    rejectValue(
      'bad-multipart',
      'expected headers and an empty line in every part',
      part.toString('latin1', 0, 40),
    );
  }
  const head = bare ? '' : part.toString('latin1', 0, headEnd).replace(/\r\n[ \t]+/g, ' ');
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) {
      headers.set(trimSpace(line, 0, colon).toLowerCase(), trimSpace(line, colon + 1, line.length));
    }
  }
  const type = headers.get('content-type') ?? headers.get('c') ?? 'text/plain';
  return {
    type: parseMediaType(type).type,
    disposition: headers.get('content-disposition') ?? '',
    body: part.subarray(headEnd + 4),
  };
}
