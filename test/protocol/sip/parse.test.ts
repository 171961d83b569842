import { describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../../protocol/sip/message.ts';
import { defaultLimits, parseMessage, SipParseError } from '../../../protocol/sip/parse.ts';
import { codeThrownBy, inviteText, messageBytes } from './message-text.ts';

describe('a whole message', () => {
  it('is read into start line, headers and body', () => {
    const message = parseMessage(Buffer.from(inviteText));
    expect(message).toMatchObject({ kind: 'request', method: 'INVITE', uri: 'sip:echo@192.0.2.2' });
    expect(headerValues(message, 'Allow')).toEqual(['INVITE', 'ACK', 'CANCEL', 'OPTIONS', 'BYE']);
    expect(Buffer.from(message.body).toString()).toBe(inviteText.slice(inviteText.indexOf('v=0')));
  });

  it('keeps a body that outlives the datagram it came in', () => {
    const datagram = Buffer.from(inviteText);
    const { body } = parseMessage(datagram);
    datagram.fill(0);
    expect(Buffer.from(body).toString()).toContain('m=audio 49170');
  });

  it('is read from a plain Uint8Array within a larger buffer', () => {
    const all = new Uint8Array(4_096);
    all.set(Buffer.from(inviteText), 100);
    const message = parseMessage(all.subarray(100, 100 + inviteText.length));
    expect(headerValue(message, 'cseq')).toBe('314159 INVITE');
  });

  it.each([
    { name: 'status and phrase', line: 'SIP/2.0 180 Ringing', status: 180, reasonPhrase: 'Ringing' },
    { name: 'an empty phrase', line: 'SIP/2.0 100 ', status: 100, reasonPhrase: '' },
    { name: 'no space for the phrase', line: 'SIP/2.0 200', status: 200, reasonPhrase: '' },
    { name: 'UTF-8', line: 'SIP/2.0 486 Är upptagen', status: 486, reasonPhrase: 'Är upptagen' },
    { name: 'lower case', line: 'sip/2.0 200 OK', status: 200, reasonPhrase: 'OK' },
  ])('is a response with $name', ({ line, status, reasonPhrase }) => {
    expect(parseMessage(messageBytes(line, 'l: 0'))).toMatchObject({
      kind: 'response',
      status,
      reasonPhrase,
    });
  });
});

describe('headers', () => {
  const headersOf = (...lines: string[]) =>
    parseMessage(messageBytes('OPTIONS sip:a SIP/2.0', ...lines)).headers;

  it.each([
    { name: 'compact form', lines: ['v: x'], headers: [['Via', 'x']] },
    { name: 'compact form in capitals', lines: ['I: x'], headers: [['Call-ID', 'x']] },
    {
      name: 'any case',
      lines: ['cOnTaCt: x', 'CALL-ID:y'],
      headers: [
        ['Contact', 'x'],
        ['Call-ID', 'y'],
      ],
    },
    { name: 'unknown ones as they came', lines: ['X-tIcket: 1, 2'], headers: [['X-tIcket', '1, 2']] },
    { name: 'space before the colon', lines: ['To \t : x'], headers: [['To', 'x']] },
    { name: 'space around the value', lines: ['To:\t  x y \t'], headers: [['To', 'x y']] },
    {
      name: 'no value',
      lines: ['Subject:', 's: '],
      headers: [
        ['Subject', ''],
        ['Subject', ''],
      ],
    },
    { name: 'a folded line', lines: ['Subject: a', '  b', '\tc  ', ' '], headers: [['Subject', 'a b c']] },
    { name: 'a value that begins on the next line', lines: ['To:', ' x'], headers: [['To', 'x']] },
    {
      name: 'a list',
      lines: ['Via: a, b ,c'],
      headers: [
        ['Via', 'a'],
        ['Via', 'b'],
        ['Via', 'c'],
      ],
    },
    {
      name: 'a list over two lines',
      lines: ['Route: <a>,', ' <b>'],
      headers: [
        ['Route', '<a>'],
        ['Route', '<b>'],
      ],
    },
    {
      name: 'commas in quotes',
      lines: ['m: "a, \\", b" <c>, d'],
      headers: [
        ['Contact', '"a, \\", b" <c>'],
        ['Contact', 'd'],
      ],
    },
    {
      name: 'commas in brackets',
      lines: ['m: <sip:a,b@c>, <d>'],
      headers: [
        ['Contact', '<sip:a,b@c>'],
        ['Contact', '<d>'],
      ],
    },
    {
      name: 'empty entries of a list',
      lines: ['k: a,,b'],
      headers: [
        ['Supported', 'a'],
        ['Supported', ''],
        ['Supported', 'b'],
      ],
    },
    {
      name: 'commas where no list is allowed',
      lines: ['Date: Sat, 13 Nov'],
      headers: [['Date', 'Sat, 13 Nov']],
    },
    {
      name: 'credentials',
      lines: ['Authorization: Digest a="b", c=d'],
      headers: [['Authorization', 'Digest a="b", c=d']],
    },
    { name: 'UTF-8', lines: ['Subject: Grüße 日本 🦆'], headers: [['Subject', 'Grüße 日本 🦆']] },
  ])('are read: $name', ({ lines, headers }) => {
    expect(headersOf(...lines)).toEqual(headers.map(([name, value]) => ({ name, value })));
  });

  it('with bytes that are no UTF-8 do not stop the message', () => {
    const bytes = Buffer.concat([
      Buffer.from('OPTIONS sip:a SIP/2.0\r\nSubject: '),
      Buffer.from([0xff]),
      Buffer.from('\r\n\r\n'),
    ]);
    expect(parseMessage(bytes).headers).toEqual([{ name: 'Subject', value: '\ufffd' }]);
  });
});

describe('the body', () => {
  const bodyOf = (length: string, rest: string) =>
    Buffer.from(parseMessage(Buffer.from(`OPTIONS sip:a SIP/2.0\r\n${length}\r\n${rest}`)).body).toString();

  it('is cut by Content-Length, and what follows is ignored', () => {
    expect(bodyOf('l: 3\r\n', 'abcdef')).toBe('abc');
  });

  it('reaches to the end of a datagram without Content-Length', () => {
    expect(bodyOf('', 'abcdef')).toBe('abcdef');
  });

  it('is counted in bytes, not characters', () => {
    expect(bodyOf('Subject: ü\r\nl: 2\r\n', 'éé')).toBe('é');
  });

  it('may be said twice, if both say the same', () => {
    expect(bodyOf('l: 3\r\nContent-Length: 03\r\n', 'abcdef')).toBe('abc');
  });
});

describe('line breaks before the message', () => {
  it('are skipped', () => {
    expect(parseMessage(Buffer.from(`\r\n\r\n${inviteText}`))).toMatchObject({ method: 'INVITE' });
  });

  it.each(['', '\r\n', '\r\n\r\n', '\n'])('alone are a keep-alive without an answer: %j', (text) => {
    const run = (): unknown => parseMessage(Buffer.from(text));
    expect(run).toThrow(
      expect.objectContaining({ code: 'empty-message', status: undefined, partial: undefined }),
    );
  });
});

describe('a bad message', () => {
  const request = 'OPTIONS sip:a SIP/2.0';

  it.each([
    { name: 'no SIP version', bytes: messageBytes('GET / HTTP/1.1'), code: 'bad-request-line', status: 400 },
    {
      name: 'another version',
      bytes: messageBytes('OPTIONS sip:a SIP/3.0'),
      code: 'unsupported-version',
      status: 505,
    },
    { name: 'no URI', bytes: messageBytes('OPTIONS SIP/2.0'), code: 'bad-request-uri', status: 400 },
    { name: 'one word', bytes: messageBytes('OPTIONS'), code: 'bad-request-line', status: 400 },
    { name: 'no colon', bytes: messageBytes(request, 'Via SIP'), code: 'bad-header-line', status: 400 },
    { name: 'no header name', bytes: messageBytes(request, ': x'), code: 'bad-header-line', status: 400 },
    {
      name: 'space in a header name',
      bytes: messageBytes(request, 'X Y: x'),
      code: 'bad-header-line',
      status: 400,
    },
    {
      name: 'folded start line',
      bytes: messageBytes(request, ' To: x'),
      code: 'bad-header-line',
      status: 400,
    },
    { name: 'lone LF', bytes: messageBytes(request, 'A: b\nVia: c'), code: 'bad-line-break', status: 400 },
    { name: 'lone CR', bytes: messageBytes(request, 'A: b\rVia: c'), code: 'bad-line-break', status: 400 },
    {
      name: 'no empty line',
      bytes: Buffer.from(`${request}\r\nl: 0\r\n`),
      code: 'missing-blank-line',
      status: 400,
    },
    {
      name: 'negative length',
      bytes: messageBytes(request, 'l: -1'),
      code: 'bad-content-length',
      status: 400,
    },
    {
      name: 'hexadecimal length',
      bytes: messageBytes(request, 'l: 0x1'),
      code: 'bad-content-length',
      status: 400,
    },
    {
      name: 'two lengths',
      bytes: messageBytes(request, 'l: 0', 'l: 1'),
      code: 'bad-content-length',
      status: 400,
    },
    { name: 'short body', bytes: messageBytes(request, 'l: 1'), code: 'body-too-short', status: 400 },
    {
      name: 'huge length',
      bytes: messageBytes(request, 'l: 999999999'),
      code: 'body-too-short',
      status: 400,
    },
    {
      name: 'long start line',
      bytes: messageBytes(`OPTIONS sip:${'a'.repeat(2_048)} SIP/2.0`),
      code: 'start-line-too-long',
      status: 414,
    },
    {
      name: 'long header',
      bytes: messageBytes(request, `A: ${'a'.repeat(8_192)}`),
      code: 'header-line-too-long',
      status: 513,
    },
    {
      name: 'many headers',
      bytes: messageBytes(request, ...Array(257).fill('A: b')),
      code: 'too-many-headers',
      status: 513,
    },
    {
      name: 'many values',
      bytes: messageBytes(request, `k: ${'a,'.repeat(512)}`),
      code: 'too-many-headers',
      status: 513,
    },
    {
      name: 'many bytes',
      bytes: Buffer.concat([messageBytes(request), Buffer.alloc(65_536)]),
      code: 'message-too-large',
      status: 513,
    },
  ])('$name: $code $status', ({ bytes, code, status }) => {
    expect(() => parseMessage(bytes)).toThrow(expect.objectContaining({ code, status }));
  });

  it.each([
    { name: 'status of four digits', bytes: messageBytes('SIP/2.0 1200 OK') },
    { name: 'status 700', bytes: messageBytes('SIP/2.0 700 No') },
    { name: 'another version', bytes: messageBytes('SIP/7.0 200 OK') },
    { name: 'a response with a short body', bytes: messageBytes('SIP/2.0 200 OK', 'l: 9') },
    { name: 'no method', bytes: messageBytes('"x" sip:a SIP/2.0') },
    { name: 'TLS', bytes: Buffer.from([0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3]) },
  ])('without anybody to answer has no status: $name', ({ bytes }) => {
    expect(() => parseMessage(bytes)).toThrow(
      expect.objectContaining({ status: undefined, partial: undefined }),
    );
  });

  it('leaves what was readable, from before the fault and behind it', () => {
    const bytes = messageBytes(
      'BYE <sip:a> SIP/2.0',
      'v: SIP/2.0/UDP a',
      'nonsense',
      'f: <sip:b>',
      'CSeq: 1 BYE',
    );
    try {
      parseMessage(bytes);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SipParseError);
      expect((error as SipParseError).code).toBe('bad-request-uri');
      expect((error as SipParseError).partial).toMatchObject({
        method: 'BYE',
        headers: [
          { name: 'Via', value: 'SIP/2.0/UDP a' },
          { name: 'From', value: '<sip:b>' },
          { name: 'CSeq', value: '1 BYE' },
        ],
      });
    }
  });

  it('is measured by the limits given', () => {
    const bytes = messageBytes(request, 'A: b', 'C: d');
    expect(codeThrownBy(() => parseMessage(bytes, { ...defaultLimits, headerLinesMax: 1 }))).toBe(
      'too-many-headers',
    );
    expect(codeThrownBy(() => parseMessage(bytes, { ...defaultLimits, messageBytesMax: 30 }))).toBe(
      'message-too-large',
    );
  });
});
