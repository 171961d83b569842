import type { Formats } from '../schema-check.ts';

/** What the texts in actions and instructions must look like. */
export const svamlFormats: Formats = {
  'stream-url': { expected: 'a ws:// or wss:// URL', accepts: (text) => streamUrl(text) !== undefined },
  'header-value': {
    expected: 'a header value of visible ASCII characters and spaces',
    accepts: (text) => /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(text),
  },
};

/** The URL of a stream server, undefined where it is none: another scheme, no host, a fragment (RFC 6455 §3), or
 *  characters that the URL parser would drop silently. */
export function streamUrl(text: string): URL | undefined {
  if (text.length > 2_048 || !/^wss?:\/\/[^/?#\s]/i.test(text) || /[^\x21-\x7e]|[\\#]/.test(text))
    return undefined;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.hostname === '' || url.port === '0' ? undefined : url;
}
