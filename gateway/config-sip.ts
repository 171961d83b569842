import { Type } from 'typebox';
import type { CodecName } from '../codecs/codec.ts';
import { opusBitrateDefault, opusComplexityDefault } from '../codecs/opus-fmtp.ts';
import { servedAlgorithms } from '../protocol/sip/digest-server.ts';
import { certificate, flag, formatted, number, text, whole } from './config-fields.ts';

/** Settings of the phones' side: signalling and audio. */

/** What `rtp.codecs` may name. */
const codecs = ['opus', 'g722', 'pcmu', 'pcma', 'l16'] as const satisfies readonly CodecName[];
const codecsDefault: (typeof codecs)[number][] = ['opus', 'g722', 'pcmu', 'pcma'];

export const sipSettings = Type.Object(
  {
    listen: Type.Array(formatted('sip-listener', 'A SIP listener. Port 0 lets the system choose.'), {
      minItems: 1,
      maxItems: 32,
      expected: 'a list of 1 to 32 listeners',
      description: 'Where SIP is received.',
      default: ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'],
    }),
    tls: Type.Optional(
      Type.Object(
        {
          ...certificate,
          ca: Type.Optional(
            text(
              "File with authorities, PEM: trusted besides the system's where we connect, and the only ones for certificates of those who connect to us.",
            ),
          ),
          requireClientCertificate: flag('Whoever connects must show a certificate of `ca`.', false),
        },
        { description: 'Certificate of the tls listeners.' },
      ),
    ),
    externalAddress: Type.Optional(
      formatted(
        'ip-address',
        'Put into Via, Contact and SDP instead of the local address, behind NAT: for peers with public addresses, where ours that faces them is private.',
      ),
    ),
    maxCalls: whole('Calls at a time; beyond it 503 with Retry-After.', 1, 100_000, 2_000),
    auth: Type.Optional(
      Type.Object(
        {
          realm: formatted('realm', 'Realm of the digest challenge.', { default: 'callwire' }),
          users: Type.Array(
            Type.Object({
              username: text('Name. It is also the address under which the phone registers.'),
              password: text('Password.', { secret: true }),
            }),
            {
              minItems: 1,
              maxItems: 10_000,
              expected: 'a list of 1 to 10000 users',
              description: 'Who may call, and register a phone.',
            },
          ),
          required: flag('Every call needs digest, also from `sip.allow`.', false),
          algorithms: Type.Array(Type.Enum([...servedAlgorithms], { description: 'An algorithm.' }), {
            minItems: 1,
            maxItems: 2,
            expected: 'a list of SHA-256, MD5 or both',
            description:
              'Asked for in this order. Phones and PBXs that read only the first challenge (Asterisk 18, FreeSWITCH 1.10, PJSIP 2.10, sipp) need MD5 in its place.',
            default: [...servedAlgorithms],
          }),
        },
        { description: 'Digest authentication of callers.' },
      ),
    ),
    sessionTimer: Type.Object(
      {
        expires: whole(
          'Seconds after which a call that neither side has refreshed is over; 0 does without session timers.',
          0,
          604_800,
          1_800,
        ),
        minSe: whole('The least that a caller may ask for.', 90, 86_400, 90),
        refresher: Type.Enum(['peer', 'us'], {
          default: 'peer',
          description: 'Who refreshes where the choice is ours. A peer that cannot leaves it to us.',
        }),
      },
      { default: {} },
    ),
    allow: Type.Optional(
      Type.Array(formatted('ip-range', 'A range.'), {
        minItems: 1,
        maxItems: 1_000,
        expected: 'a list of 1 to 1000 ranges',
        description:
          'Sources that may call without digest. Others need digest where `sip.auth` is set, and hear nothing at all where it is not.',
      }),
    ),
    trace: Type.Object(
      {
        calls: whole(
          'Newest calls, live or ended, whose SIP messages are kept for `callwire trace`; 0 keeps none.',
          0,
          10_000,
          100,
        ),
        messages: whole('Messages kept of one call: its first and its last.', 2, 1_000, 60),
      },
      { default: {} },
    ),
    limits: Type.Object(
      {
        requestsPerSecond: number(
          'Requests a second that one source may begin; those beyond it are dropped. 0: no limit. Not for loopback, nor for `sip.allow`.',
          0,
          1_000_000,
          100,
        ),
        burst: whole('So many at once, before that counts.', 1, 1_000_000, 200),
        connectionsPerSource: whole(
          'TCP and TLS connections that one source may have open. Phones behind one NAT are one source.',
          1,
          4_000,
          250,
        ),
      },
      { default: {} },
    ),
  },
  { default: {} },
);

export const rtpSettings = Type.Object(
  {
    address: formatted(
      'ip-address',
      'Address that RTP ports are bound to. With 0.0.0.0 the SDP carries the local address that faces the peer.',
      { default: '0.0.0.0' },
    ),
    ports: Type.Tuple(
      [
        Type.Integer({ minimum: 0, maximum: 65_535, description: 'First port.' }),
        Type.Integer({ minimum: 0, maximum: 65_535, description: 'Last port.' }),
      ],
      {
        expected: 'a list of two ports, [first, last]',
        description:
          'RTP ports, first and last. Each call takes an even one and the odd one above it. [0, 0] lets the system choose.',
        default: [10_000, 19_999],
      },
    ),
    symmetric: Type.Enum(['off', 'auto', 'on'], {
      default: 'auto',
      description:
        'Where audio is sent: off: where the SDP says; auto: where the first packets come from, if the SDP address cannot be right; on: always where the first packets come from.',
    }),
    timeout: number('No RTP for so many seconds ends the call; 0 never does.', 0, 86_400, 30),
    srtp: Type.Enum(['off', 'optional', 'required'], {
      default: 'off',
      description:
        'Encrypted RTP with keys in SDP (SDES): off: refused; optional: where the caller offers it; required: calls without it are refused with 488.',
    }),
    codecs: Type.Array(Type.Enum([...codecs], { description: 'A codec.' }), {
      minItems: 1,
      expected: 'a list of at least one codec',
      description:
        "Codecs that are accepted. The offerer's order decides; this order is ours when we offer. Opus is left out, with a warning, where its native module is not there.",
      default: codecsDefault,
    }),
    opus: Type.Object(
      {
        complexity: whole(
          'How much the Opus encoder thinks: 0 is the cheapest, 10 the best. What each step costs and gains is in the table of `node dist/bench/quality.js`.',
          0,
          10,
          opusComplexityDefault,
        ),
        bitrate: whole(
          'Bits per second that we send in Opus; a phone that asks for less (maxaveragebitrate) gets less.',
          6_000,
          510_000,
          opusBitrateDefault,
        ),
        dtx: flag('In silence nothing is sent to phones that ask for that (usedtx).', true),
      },
      { default: {} },
    ),
  },
  { default: {} },
);
