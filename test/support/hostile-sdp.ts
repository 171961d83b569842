import { createRandom } from './random.ts';

/** Bodies of INVITEs as no good phone sends them, each with the answers that are right. */
export interface HostileSdp {
  readonly name: string;
  readonly body: string | Uint8Array;
  readonly right: readonly (200 | 400 | 488)[];
}

const origin = 'o=- 2890844526 2890842807 IN IP4 127.0.0.1';

interface Parts {
  readonly first?: string;
  readonly origin?: string;
  readonly session?: readonly string[];
  readonly media?: string;
  readonly lines?: readonly string[];
  readonly end?: string;
}

/** A good offer of PCMU at 127.0.0.1:4000 but for the parts that are given. */
export function sdpWith(parts: Parts = {}): string {
  const lines = [
    parts.first ?? 'v=0',
    parts.origin ?? origin,
    's=-',
    ...(parts.session ?? ['c=IN IP4 127.0.0.1', 't=0 0']),
    parts.media ?? 'm=audio 4000 RTP/AVP 0 101',
    ...(parts.lines ?? ['a=rtpmap:101 telephone-event/8000']),
    '',
  ];
  return lines.join(parts.end ?? '\r\n');
}

const connection = (value: string): string => sdpWith({ session: [value, 't=0 0'] });
const media = (value: string): string => sdpWith({ media: value, lines: [] });
const attribute = (...values: readonly string[]): string => sdpWith({ lines: values });
const many = (count: number, line: string): string[] => Array.from({ length: count }, () => line);

const answered: HostileSdp['right'] = [200];
const broken: HostileSdp['right'] = [400];
const unserved: HostileSdp['right'] = [488];

const rows: readonly (readonly [string, string | Uint8Array, HostileSdp['right']])[] = [
  ['XML', '<?xml version="1.0"?><sdp/>', broken],
  ['JSON', '{"v":0}', broken],
  ['blanks alone', ' \r\n \r\n', broken],
  ['zero bytes', new Uint8Array(64), broken],
  ['bytes that are no UTF-8', Uint8Array.from({ length: 300 }, (_, at) => 128 + (at % 128)), broken],
  ['a byte order mark before v=', `\ufeff${sdpWith()}`, broken],
  ['version 1', sdpWith({ first: 'v=1' }), broken],
  ['version 2^64', sdpWith({ first: 'v=18446744073709551616' }), broken],
  ['no version', sdpWith({ first: 's=-' }), broken],
  ['v=0 twice', sdpWith({ first: 'v=0\r\nv=0' }), answered],
  ['no origin', sdpWith({ origin: 's=x' }), broken],
  ['an origin of letters', sdpWith({ origin: 'o=- x y IN IP4 127.0.0.1' }), broken],
  ['an origin with a negative version', sdpWith({ origin: 'o=- 1 -1 IN IP4 127.0.0.1' }), broken],
  ['an origin of 300 digits', sdpWith({ origin: `o=- ${'9'.repeat(300)} 1 IN IP4 127.0.0.1` }), broken],
  ['a prototype as origin', sdpWith({ origin: 'o=__proto__ 1 1 IN IP4 127.0.0.1' }), answered],
  ['no c= line', sdpWith({ session: ['t=0 0'] }), broken],
  ['c= of another network', connection('c=ATM NSAP 47.0091'), broken],
  ['c= without an address', connection('c=IN IP4'), broken],
  ['c= with an octet of 256', connection('c=IN IP4 127.0.0.256'), broken],
  ['c= in octal', connection('c=IN IP4 0177.0.0.1'), broken],
  ['c= in decimal', connection('c=IN IP4 2130706433'), broken],
  ['c= in hexadecimal', connection('c=IN IP4 0x7f.0.0.1'), [400, 488]],
  ['c= of an IPv6 zone', connection('c=IN IP6 fe80::1%eth0'), broken],
  ['c= of the wrong family', connection('c=IN IP4 ::1'), broken],
  ['c= of a host name', connection('c=IN IP4 phone.example.com'), unserved],
  ['c= of multicast', connection('c=IN IP4 224.2.36.42/127'), unserved],
  ['c= of broadcast', connection('c=IN IP4 255.255.255.255'), unserved],
  ['c= of 0.0.0.0', connection('c=IN IP4 0.0.0.0'), answered],
  ['c= of 2,000 letters', connection(`c=IN IP4 ${'a'.repeat(2_000)}`), broken],
  ['c= with a line break of its own', connection('c=IN IP4 127.0.0.1\rX-Evil: 1'), broken],
  ['no m-line', sdpWith({ media: 'a=x', lines: [] }), unserved],
  ['video alone', media('m=video 4000 RTP/AVP 31'), unserved],
  ['audio at port 0', media('m=audio 0 RTP/AVP 0'), unserved],
  ['audio over TCP', media('m=audio 4000 TCP/MRCPv2 1'), unserved],
  ['audio over DTLS', media('m=audio 4000 UDP/TLS/RTP/SAVP 0'), unserved],
  ['audio with SRTP and no key', media('m=audio 4000 RTP/SAVP 0'), unserved],
  ['a port of 65536', media('m=audio 65536 RTP/AVP 0'), broken],
  ['a negative port', media('m=audio -4000 RTP/AVP 0'), broken],
  ['a port of 2^64', media('m=audio 18446744073709551616 RTP/AVP 0'), broken],
  ['a port that is NaN', media('m=audio NaN RTP/AVP 0'), broken],
  ['a port of 1e3', media('m=audio 1e3 RTP/AVP 0'), broken],
  ['a port of 0x1000', media('m=audio 0x1000 RTP/AVP 0'), broken],
  ['an m-line without formats', media('m=audio 4000 RTP/AVP'), broken],
  ['an m-line that is empty', media('m='), broken],
  ['a NUL in the m-line', media('m=audio 4000 RTP/AVP\u0000 0'), broken],
  ['a payload type of 128', media('m=audio 4000 RTP/AVP 128'), broken],
  ['a payload type of -1', media('m=audio 4000 RTP/AVP -1'), broken],
  ['a payload type of 1e1', media('m=audio 4000 RTP/AVP 1e1'), broken],
  ['no codec that we have', media('m=audio 4000 RTP/AVP 3 4 18'), unserved],
  ['telephone-event alone', attribute('a=rtpmap:101 telephone-event/8000').replace('0 101', '101'), unserved],
  ['comfort noise alone', media('m=audio 4000 RTP/AVP 13'), unserved],
  ['PCMU at a clock of 0', attribute('a=rtpmap:0 PCMU/0'), answered],
  ['PCMU at a clock of 2^64', attribute('a=rtpmap:0 PCMU/18446744073709551616'), answered],
  ['PCMU with 255 channels', attribute('a=rtpmap:0 PCMU/8000/255'), unserved],
  ['an rtpmap of __proto__', attribute('a=rtpmap:__proto__ constructor/8000'), answered],
  ['an fmtp of __proto__', attribute('a=fmtp:0 __proto__=1;constructor=2'), answered],
  [
    'opus with absurd parameters',
    [
      sdpWith({
        media: 'm=audio 4000 RTP/AVP 111 0',
        lines: [
          'a=rtpmap:111 opus/48000/2',
          'a=fmtp:111 maxplaybackrate=-1;sprop-maxcapturerate=1e99;maxaveragebitrate=0;useinbandfec=7;cbr=x;minptime=0',
        ],
      }),
    ].join(''),
    answered,
  ],
  ['ptime of 0', attribute('a=ptime:0'), broken],
  ['ptime of -20', attribute('a=ptime:-20'), broken],
  ['ptime of 1e9', attribute('a=ptime:1e9'), broken],
  ['ptime of 1000', attribute('a=ptime:1000'), answered],
  ['maxptime of 2^64', attribute('a=maxptime:18446744073709551616'), broken],
  ['maxptime of 1', attribute('a=maxptime:1'), [200, 488]],
  ['ptime without a number', attribute('a=ptime:'), [200, 400]],
  ['rtcp at port 0', attribute('a=rtcp:0'), broken],
  ['rtcp at port 65536', attribute('a=rtcp:65536'), broken],
  ['rtcp at no address', attribute('a=rtcp:4001 IN IP4 1.2.3.4.5'), broken],
  ['a line without =', attribute('hello'), broken],
  ['a line of one letter', attribute('a'), broken],
  ['lines of unknown letters', attribute('x=1', 'A=2', '?=3'), answered],
  ['every direction at once', attribute('a=sendonly', 'a=recvonly', 'a=inactive', 'a=sendrecv'), answered],
  ['crypto that is noise', attribute('a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:@@@@|2^99|1:1'), answered],
  ['crypto of 900 lines', attribute(...many(900, `a=crypto:1 X inline:${'x'.repeat(40)}`)), answered],
  ['65 m-lines', media(many(65, 'm=audio 4000 RTP/AVP 0').join('\r\n')), unserved],
  ['64 m-lines', media(many(64, 'm=audio 4000 RTP/AVP 0').join('\r\n')), answered],
  ['129 formats', media(`m=audio 4000 RTP/AVP ${many(129, '0').join(' ')}`), unserved],
  ['1,001 lines', attribute(...many(1_001, 'a=x')), unserved],
  ['60 KB of one attribute', attribute(`a=${'x'.repeat(60_000)}`), answered],
  ['60 KB of an rtpmap', attribute(`a=rtpmap:${'9'.repeat(60_000)}`), answered],
  ['60 KB of an fmtp', attribute(`a=fmtp:0 ${'|; '.repeat(20_000)}`), answered],
  ['60 KB of blanks in an m-line', media(`m=audio${' '.repeat(60_000)}4000 RTP/AVP 0`), [200, 400]],
  ['60 KB of colons in c=', connection(`c=IN IP6 ${'1:'.repeat(30_000)}`), broken],
  ['60 KB of an origin', sdpWith({ origin: `o=${'9 '.repeat(30_000)}` }), broken],
  ['60 KB of line ends', `${'\r\n'.repeat(30_000)}${sdpWith()}`, [400, 488]],
  ['CR for line ends', sdpWith({ end: '\r' }), answered],
  ['blanks behind every line', sdpWith({ end: ' \t\r\n' }), answered],
];

export const hostileSdp: readonly HostileSdp[] = rows.map(([name, body, right]) => ({ name, body, right }));

const pieces: readonly string[] = [
  '\u0000',
  '\r',
  '\n',
  '\r\n',
  ' ',
  '=',
  ':',
  '/',
  '-1',
  '0',
  '65536',
  '1e9',
  '18446744073709551616',
  'NaN',
  'IN IP6 ::1',
  '__proto__',
  'a=',
  'm=audio 1 RTP/AVP 0\r\n',
  'c=IN IP4 127.0.0.1\r\n',
  '\u00ff',
  '%n%s',
  '😀',
];

/** Offers that were good, or bad in their own way, with some of their bytes changed, moved or gone. */
export function mutatedSdp(count: number, seed = 4_566): string[] {
  const random = createRandom(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const bases = [
    sdpWith(),
    sdpWith({
      media: 'm=audio 4000 RTP/AVP 111 9 0 8 101 13',
      lines: [
        'a=rtpmap:111 opus/48000/2',
        'a=fmtp:111 useinbandfec=1',
        'a=rtpmap:101 telephone-event/8000',
        'a=fmtp:101 0-16',
        'a=ptime:20',
        'a=maxptime:40',
        'a=rtcp:4001',
        'a=rtcp-mux',
        'a=sendrecv',
      ],
    }),
    ...hostileSdp.flatMap(({ body }) => (typeof body === 'string' && body.length < 2_000 ? [body] : [])),
  ];
  return Array.from({ length: count }, () => {
    let text = pick(bases);
    for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
      const at = Math.floor(random() * text.length);
      const size = Math.floor(random() ** 3 * 40);
      const way = Math.floor(random() * 4);
      if (way === 0) text = text.slice(0, at) + text.slice(at + size);
      else if (way === 1) text = text.slice(0, at) + pick(pieces) + text.slice(at);
      else if (way === 2)
        text = text.slice(0, at) + text.slice(at, at + size).repeat(3) + text.slice(at + size);
      else
        text = text.slice(0, at) + String.fromCharCode(1 + Math.floor(random() * 255)) + text.slice(at + 1);
    }
    return text;
  });
}
