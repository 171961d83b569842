import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { SipFramer } from '../../../protocol/sip/framer.ts';
import { splitList } from '../../../protocol/sip/header-scanner.ts';
import {
  isCallId,
  parseAuthValue,
  parseCSeq,
  parseExpires,
  parseMediaType,
  parseRAck,
  parseReason,
  parseReplaces,
  parseRetryAfter,
  parseSessionExpires,
} from '../../../protocol/sip/header-values.ts';
import type { SipMessage, SipRequest } from '../../../protocol/sip/message.ts';
import { parseNameAddr } from '../../../protocol/sip/name-addr.ts';
import { defaultLimits, parseMessage } from '../../../protocol/sip/parse.ts';
import { checkRequest, isSoundResponse } from '../../../protocol/sip/request-check.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { checkAnyUri, parseHostPort, parseUri } from '../../../protocol/sip/uri.ts';
import { parseVia } from '../../../protocol/sip/via.ts';
import { createRandom } from '../../support/random.ts';
import { inviteText } from './message-text.ts';

const unlimited = {
  messageBytesMax: 1e9,
  startLineCharsMax: 1e9,
  headerLineCharsMax: 1e9,
  headerLinesMax: 1e9,
  headerValuesMax: 1e9,
};

const capabilities = {
  methodsAllowed: ['INVITE', 'OPTIONS'],
  extensions: [],
  contentTypes: ['application/sdp'],
};

/** Everything that is done to a message before transactions see it. */
function receive(bytes: Uint8Array, limits = defaultLimits): void {
  let message: SipMessage;
  try {
    message = parseMessage(bytes, limits);
  } catch (error) {
    const partial = (error as { partial?: SipRequest }).partial;
    if (partial !== undefined) serializeMessage(createResponse(partial, 400, { toTag: 'x' }));
    throw error;
  }
  if (message.kind === 'response') isSoundResponse(message);
  else {
    checkRequest(message, capabilities);
    serializeMessage(createResponse(message, 200, { toTag: 'x' }));
  }
  serializeMessage(message);
}

const valueParsers: Readonly<Record<string, (text: string) => unknown>> = {
  parseUri,
  checkAnyUri,
  parseHostPort,
  parseNameAddr,
  parseVia,
  parseCSeq,
  parseExpires,
  parseRetryAfter,
  parseReason,
  parseMediaType,
  parseRAck,
  parseReplaces,
  parseSessionExpires,
  parseAuthValue,
  splitList,
  isCallId,
};

const values: readonly string[] = [
  'sip:a%20b:c@[2001:db8::1]:5060;transport=udp;lr?Subject=x&To=y',
  'tel:+46-8-123;phone-context=example.com',
  '"A \\" B" <sip:a@b;lr>;tag=x;y="z"',
  'SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;rport=1;received=192.0.2.1;ttl=1',
  '314159 INVITE',
  '120 (in a (big) meeting);duration=60',
  'Q.850;cause=16;text="x"',
  'multipart/mixed;boundary="a b"',
  '1 2 INVITE',
  'a@b;to-tag=1;from-tag=2;early-only',
  '90;refresher=uac',
  'Digest realm="a, b", nonce="x", qop="auth", stale=true',
];

const oddChars = '\0\t\r\n "%\'(),/:;<=>?@[\\]^`{|}~*+-.09azAZ\x7fé日\ud800\udc80';

/** One to three edits: a character changed, removed or put in, a piece doubled or cut out. */
function mutate(text: string, random: () => number): string {
  const at = () => Math.floor(random() * (text.length + 1));
  const odd = () => oddChars[Math.floor(random() * oddChars.length)]!;
  let mutated = text;
  for (let edits = 1 + Math.floor(random() * 3); edits > 0; edits--) {
    const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
    const kind = random();
    if (kind < 0.3) mutated = mutated.slice(0, from) + odd() + mutated.slice(from + 1);
    else if (kind < 0.5) mutated = mutated.slice(0, from) + mutated.slice(from + 1);
    else if (kind < 0.7)
      mutated = mutated.slice(0, from) + odd().repeat(1 + Math.floor(random() * 5)) + mutated.slice(from);
    else if (kind < 0.85) mutated = mutated.slice(0, to) + mutated.slice(from);
    else mutated = mutated.slice(0, from) + mutated.slice(Math.min(to, from + 20));
  }
  return mutated;
}

/** Runs it and lets nothing through but ProtocolError. */
function survives(run: () => unknown, input: unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw new Error(`on ${JSON.stringify(input)}`, { cause: error });
  }
}

describe('random and mutated input', () => {
  it('makes the message parser throw nothing but ProtocolError', () => {
    const random = createRandom(4_475);
    for (let run = 0; run < 8_000; run++) {
      const text = mutate(inviteText, random);
      survives(() => receive(Buffer.from(text)), text);
    }
    for (let run = 0; run < 3_000; run++) {
      const bytes = Buffer.from(
        Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)),
      );
      survives(() => receive(bytes), bytes.toString('hex'));
    }
  });

  it('makes the framer throw nothing, and what it cuts parses or throws ProtocolError', () => {
    const random = createRandom(5_626);
    for (let run = 0; run < 1_000; run++) {
      const stream = Buffer.from(mutate(inviteText, random) + mutate(inviteText, random) + inviteText);
      const framer = new SipFramer();
      for (let offset = 0; offset < stream.length; offset += 500) {
        for (const frame of framer.push(stream.subarray(offset, offset + 500), 0)) {
          if (frame.kind === 'message') survives(() => receive(frame.bytes), stream.toString());
        }
      }
    }
  });

  it('makes no parser of values throw anything but ProtocolError', () => {
    const random = createRandom(3_261);
    for (const [name, parse] of Object.entries(valueParsers)) {
      for (let run = 0; run < 1_000; run++) {
        const text =
          run % 5 === 0
            ? Array.from(
                { length: Math.floor(random() * 20) },
                () => oddChars[Math.floor(random() * oddChars.length)],
              ).join('')
            : mutate(values[run % values.length]!, random);
        survives(() => parse(text), [name, text]);
      }
    }
  });
});

const size = 60_000;
const fill = (piece: string) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
let count = 0;
const numbered = (piece: string) => {
  let text = '';
  while (text.length < size) text += piece.replace('N', `${count++}`);
  return text;
};

const fillings: Readonly<Record<string, string>> = {
  commas: fill(','),
  'commas and spaces': fill(' , '),
  quotes: fill('"'),
  'an open quote': `"${fill('a')}`,
  'escapes in an open quote': `"${fill('\\"')}`,
  backslashes: fill('\\'),
  'quotes and commas': fill('",'),
  parentheses: `1 ${fill('(')}`,
  'closed parentheses': `1 ${fill('()')}`,
  semicolons: fill(';'),
  'semicolons and spaces': fill('; '),
  spaces: `a${fill(' ')}b`,
  tabs: fill('\t'),
  colons: fill(':'),
  'colons and spaces': fill(' : '),
  brackets: fill('<'),
  'closed brackets': fill('<>'),
  'square brackets': fill('['),
  'equals signs': fill('='),
  'at signs': fill('@'),
  dots: fill('a.'),
  slashes: fill('/'),
  digits: fill('9'),
  letters: fill('a'),
  percents: `sip:${fill('%')}@h`,
  'escaped letters': `sip:${fill('%41')}@h`,
  'escapes that are no UTF-8': `sip:${fill('%ff')}@h`,
  'overlong escapes': `sip:${fill('%E0%80%80')}@h`,
  'user of colons': `sip:${fill(':')}@h`,
  'parameters of a URI': `<sip:h${numbered(';pN=1')}>`,
  'headers of a URI': `sip:h?${numbered('hN=1&')}a=b`,
  'the same parameter': `<sip:h>${fill(';a=b')}`,
  parameters: `<sip:h>${numbered(';pN=1')}`,
  'parameters of Via': `SIP/2.0/UDP h${numbered(';pN=1')}`,
  'spaces in Via': `SIP/2.0/UDP h${fill(' ')}:${fill(' ')}x`,
  'colons in Via': `SIP/2.0/UDP ${fill(':')}`,
  'an IPv6 address without end': `sip:[${fill('1:')}]`,
  credentials: `Digest ${numbered('pN="x",')}`,
  'a token68': `Basic ${fill('a=')}`,
  'a Call-ID': fill('a@'),
  'a tag without name': `<sip:h>;${fill(' ')}tag`,
};

const wholes: Readonly<Record<string, string>> = {
  'line breaks': fill('\r\n'),
  'line breaks of LF': fill('\n'),
  'line breaks of CR': fill('\r'),
  'line breaks in disorder': fill('\n\r'),
  folding: `OPTIONS sip:a SIP/2.0\r\nSubject: ${fill('\r\n ')}`,
  'empty folding': `OPTIONS sip:a SIP/2.0\r\nVia:${fill('\r\n\t,')}`,
  'lines of LF': `OPTIONS sip:a SIP/2.0\r\n${fill('a:b\n')}`,
  'short headers': `OPTIONS sip:a SIP/2.0${fill('\r\na:b')}`,
  'Content-Lengths': `OPTIONS sip:a SIP/2.0${fill('\r\nl:0')}`,
  'lines without colon': `OPTIONS sip:a SIP/2.0${fill('\r\na')}`,
  'colons alone': `OPTIONS sip:a SIP/2.0${fill('\r\n:')}`,
  'a start line of spaces': fill(' '),
  'a method without end': fill('A'),
  'spaces in the start line': `OPTIONS${fill(' ')}SIP/2.0`,
};

/** Of 60 KB. What takes quadratic time takes seconds. */
const linearMsMax = 20;

/** The fastest of several runs: a busy machine slows single runs, a wrong algorithm all of them. */
function fastestMs(run: () => void): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 20 && fastest > 10; attempt++) {
    const startedMs = performance.now();
    run();
    fastest = Math.min(fastest, performance.now() - startedMs);
  }
  return fastest;
}

describe('60 KB of one thing take linear time', () => {
  it.each(Object.entries(fillings))('as a value: %s', (_name, text) => {
    for (const [parser, parse] of Object.entries(valueParsers)) {
      expect(
        fastestMs(() => survives(() => parse(text), '')),
        parser,
      ).toBeLessThan(linearMsMax);
    }
  });

  it.each(Object.entries(fillings))('as every header of a message: %s', (_name, text) => {
    for (const name of [
      'Via',
      'From',
      'Contact',
      'Require',
      'Accept',
      'Content-Disposition',
      'Call-ID',
      'X-Other',
    ]) {
      const without = inviteText.replace(new RegExp(`\r\n${name}: [^\r]*`), '');
      for (const value of [text, text.slice(0, 8_000)]) {
        const bytes = Buffer.from(
          without.replace('\r\nMax-Forwards', () => `\r\n${name}: ${value}\r\nMax-Forwards`),
        );
        expect(
          fastestMs(() => survives(() => receive(bytes), '')),
          name,
        ).toBeLessThan(linearMsMax);
      }
    }
  });

  it.each(Object.entries(wholes))('as a whole message: %s', (_name, text) => {
    for (const bytes of [Buffer.from(text), Buffer.from(`${text}\r\n\r\n`)]) {
      expect(fastestMs(() => survives(() => receive(bytes, unlimited), ''))).toBeLessThan(linearMsMax);
      expect(fastestMs(() => survives(() => receive(bytes), ''))).toBeLessThan(linearMsMax);
      expect(fastestMs(() => new SipFramer().push(bytes, 0))).toBeLessThan(linearMsMax);
    }
  });
});
