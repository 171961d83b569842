import { HttpError } from './http-exchange.ts';

const depthMax = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON of a request; undefined where it is empty.
 *  @throws HttpError 400 */
export function parseBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new HttpError(400, 'the body is not valid UTF-8');
  }
  checkDepth(text);
  try {
    return JSON.parse(text, refusePrototypes);
  } catch (error) {
    if (error instanceof HttpError) throw error;
    // The parser quotes what it found, which may be a secret.
    const place = /position (\d+)/.exec(String(error))?.[1];
    throw new HttpError(
      400,
      `the body is not valid JSON${place === undefined ? '' : ` (at character ${place})`}`,
    );
  }
}

/** Before it is parsed: deep values cost memory, and nothing here is deep. */
function checkDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) {
      quoted = true;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > depthMax) throw new HttpError(400, `the body is nested deeper than ${depthMax}`);
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
}

/** No field of ours is called so, and an object that is copied with it would change what all others inherit. */
function refusePrototypes(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new HttpError(400, 'the body has a field __proto__');
  return value;
}
