import { isIP } from 'node:net';
import { type Static, Type } from 'typebox';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { DeepReadonly, Formats } from '../protocol/schema-check.ts';
import { parseUri } from '../protocol/sip/uri.ts';
import { connectStreamSchema } from '../protocol/svaml/connect-stream.ts';
import { svamlFormats } from '../protocol/svaml/formats.ts';
import { audioFormats, audioSettings, recordingSettings, speechSettings } from './config-audio.ts';
import { certificate, flag, formatted, number, text, whole } from './config-fields.ts';
import { rtpSettings, sipSettings } from './config-sip.ts';
import { parseHttpListener, parseSipListener } from './listen-address.ts';
import { logLevels } from './log.ts';
import { parseEndpointPattern } from './routing/endpoint-pattern.ts';
import { parseOutboundPattern } from './routing/outbound-pattern.ts';
import { isAddressRange } from './signaling/address-ranges.ts';

/** What the texts in the configuration must look like. */
export const configFormats: Formats = {
  ...svamlFormats,
  ...audioFormats,
  'node-id': {
    expected: 'at most 32 letters, digits, `-` and `_`',
    accepts: (text) => /^[A-Za-z0-9_-]{1,32}$/.test(text),
  },
  'sip-listener': {
    expected: 'PROTOCOL:ADDRESS:PORT such as udp:0.0.0.0:5060, tcp:127.0.0.1:5060 or "udp:[::1]:5060"',
    accepts: (text) => parseSipListener(text) !== undefined,
  },
  'http-listener': {
    expected: 'ADDRESS:PORT such as 127.0.0.1:8080 or "[::1]:8080"',
    accepts: (text) => parseHttpListener(text) !== undefined,
  },
  'ip-address': { expected: 'an IPv4 or IPv6 address', accepts: (text) => isIP(text) !== 0 },
  'ip-range': {
    expected: 'an address or a range such as 10.0.0.0/8',
    accepts: (text) => isAddressRange(text),
  },
  'http-url': {
    expected: 'an http:// or https:// URL',
    accepts: (text) => /^https?:\/\//i.test(text) && URL.canParse(text),
  },
  realm: {
    expected: 'text of 1 to 128 visible characters and spaces',
    accepts: (text) => /^[^\p{C}]{1,128}$/u.test(text),
  },
  'sip-uri': { expected: 'a sip: or sips: URI', accepts: isSipUri },
  'application-key': {
    expected: '1 to 256 visible ASCII characters other than :',
    accepts: (text) => /^[\x21-\x39\x3b-\x7e]{1,256}$/.test(text),
  },
  base64: {
    expected: 'base64 of at least 8 bytes (make one with `openssl rand -base64 32`)',
    accepts: (text) =>
      /^(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) &&
      Buffer.from(text, 'base64').length >= 8,
  },
  'endpoint-pattern': {
    expected: 'a pattern such as wss://*.example.com or ws://127.0.0.1:*',
    accepts: (text) => parseEndpointPattern(text) !== undefined,
  },
  'outbound-pattern': {
    expected: 'a SIP host such as *.example.com or 10.0.0.9, or a number prefix such as +46*',
    accepts: (text) => parseOutboundPattern(text) !== undefined,
  },
  glob: {
    expected: 'a pattern of visible characters in which * and ? stand for anything',
    accepts: (text) => /^[\x21-\x7e]{1,256}$/.test(text),
  },
};

function isSipUri(text: string): boolean {
  try {
    return parseUri(text).scheme !== 'tel';
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

const later = { later: true };

const applications = Type.Array(
  Type.Object({
    key: formatted('application-key', 'Name of the application.'),
    secret: formatted('base64', 'Its secret, base64.', { secret: true }),
    callbackUrl: Type.Optional(
      formatted('http-url', 'Asked about incoming calls, and told of what happens.'),
    ),
    fallbackUrl: Type.Optional(formatted('http-url', 'Asked and told where the callbackUrl fails.')),
    transfers: flag(
      'Phones that the application called may have others called in their place (REFER).',
      false,
    ),
    callbackTimeoutMs: whole('Longest wait for the whole answer of a callback URL.', 100, 60_000, 5_000),
    outbound: Type.Object(
      {
        allow: Type.Array(formatted('outbound-pattern', 'A pattern.'), {
          maxItems: 1_000,
          expected: 'a list of at most 1000 patterns',
          default: [],
          description:
            'SIP hosts and number prefixes that the application may call, besides registered phones, the hosts of the trunks, loopback and `sip.allow`. Numbers go out through the trunks only where a prefix names them; `+*` is all of them.',
        }),
        maxConcurrent: whole('Calls of the application that go out at a time.', 0, 100_000, 500),
        perMinute: whole('Calls of the application that begin to go out within a minute.', 0, 100_000, 1_000),
      },
      { default: {} },
    ),
  }),
  { default: [], description: 'Who may use the HTTP API.' },
);

const trunk = Type.Object({
  name: text('Name of the trunk.'),
  uri: formatted('sip-uri', 'Where its calls go, and where to register: sip:HOST:PORT;transport=udp.'),
  username: Type.Optional(text('User of the digest, and of the address that is registered.')),
  password: Type.Optional(text('Password of the digest.', { secret: true })),
  register: flag('Register there, so that its calls come to us.', false),
});

const route = Type.Object({
  to: formatted('glob', 'Pattern for the user part of the called URI.', { default: '*' }),
  from: formatted('glob', "Pattern for the user part of the caller's URI.", { default: '*' }),
  action: Type.Optional(connectStreamSchema),
  earlyMedia: Type.Optional(
    Type.Boolean({
      description:
        'While the stream server decides, 183 with SDP and RTP of silence in place of 180: for carriers that want media before the answer. Audio of the server is heard from its answer on.',
    }),
  ),
  application: Type.Optional(text('In place of `action`: key of the application whose callbackUrl decides.')),
  transfers: Type.Optional(
    Type.Boolean({
      description:
        'A phone on the call may have somebody else called in its place (REFER). Without it only who runs the gateway inside a program decides about that.',
    }),
  ),
});

const callbacks = Type.Object(
  {
    connections: whole('Connections to the servers of one application at a time.', 1, 1_000, 100),
    waiting: whole(
      'Questions of one application that wait for a connection; beyond it they fail at once.',
      0,
      100_000,
      1_000,
    ),
    queue: whole(
      'DICE and notify of one application that wait to be taken; beyond it the oldest is dropped.',
      1,
      1_000_000,
      10_000,
    ),
    retryFor: number('Seconds for which DICE and notify are tried again.', 0, 86_400, 600),
  },
  { default: {} },
);

const stream = Type.Object(
  {
    answerTimeoutMs: number('From `connect` sent to answer, busy or reject.', 10, 600_000, 10_000),
    connectTimeoutMs: number('TCP, TLS and upgrade together.', 10, 600_000, 5_000),
    idleTimeout: number('Seconds without anything from the server that end the call.', 0.05, 86_400, 60),
    pingTimeout: number(
      'Seconds without anything from a WebSocket server, an answer to our pings either, after which its connection counts as lost; it is sent a ping after 40 % and 80 % of them. 0 = never.',
      0,
      86_400,
      25,
    ),
    messagesPerSecond: whole(
      'Text messages other than audio, and pings, of a stream server; twice as many may come at once. One more closes with 1008.',
      10,
      1_000_000,
      1_000,
    ),
    bufferBytes: whole(
      'Audio of a call waiting to be played; the oldest is dropped beyond it.',
      32_000,
      1_000_000_000,
      5_000_000,
    ),
    endpoints: Type.Object(
      {
        allow: Type.Array(formatted('endpoint-pattern', 'A pattern.'), {
          maxItems: 1_000,
          expected: 'a list of at most 1000 patterns',
          default: [],
          description:
            'Endpoints that may be named over the API; with an empty list all but private ones. A private address needs a pattern that names its host.',
        }),
        denyPrivate: flag('Refuse private addresses that `allow` does not name.', true),
      },
      { default: {} },
    ),
    tls: Type.Array(
      Type.Object({
        endpoints: formatted(
          'endpoint-pattern',
          'Endpoints that this is for, such as `wss://*.example.com`.',
        ),
        cert: Type.Optional(text('File with our certificate chain, PEM, for servers that ask who connects.')),
        key: Type.Optional(text('File with its private key, PEM.')),
        ca: Type.Optional(
          text("File with the authorities that are believed, PEM, in place of the system's."),
        ),
      }),
      {
        maxItems: 100,
        expected: 'a list of at most 100 {endpoints, cert, key, ca}',
        default: [],
        description: 'Certificates towards stream servers; the first entry that fits an endpoint counts.',
      },
    ),
  },
  { default: {} },
);

/** The whole of callwire.yaml. */
export const configSchema = Type.Object({
  node: Type.Object(
    { id: formatted('node-id', 'Name of this gateway, part of every callId. Default: random.') },
    { default: {} },
  ),
  sip: sipSettings,
  rtp: rtpSettings,
  media: Type.Object(
    {
      workers: Type.Integer({
        minimum: 1,
        maximum: 256,
        description: 'Media worker threads. Default: cores - 1, at least 1.',
      }),
      accelerator: Type.Enum(['auto', 'off'], {
        default: 'auto',
        description:
          'Plain system calls for RTP and ws://, which take less CPU. auto: where the optional package koffi is installed (64-bit Linux, IPv4).',
      }),
    },
    { default: {} },
  ),
  http: Type.Object(
    {
      listen: formatted('http-listener', 'Where the HTTP API is served.', { default: '127.0.0.1:8080' }),
      tls: Type.Optional(Type.Object(certificate)),
      limits: Type.Object(
        {
          requestsPerSecond: number(
            'Requests a second of one application, and of one address that shows no right credentials; beyond it 429. 0: no limit.',
            0,
            1_000_000,
            200,
          ),
          burst: whole('So many at once, before that counts.', 1, 1_000_000, 400),
          connectionsPerSource: whole(
            'Connections that one address may have open, of 1000 in all. A proxy in front is one address.',
            1,
            1_000,
            250,
          ),
          eventClients: whole('Readers of /events at a time.', 0, 10_000, 50),
          eventQueue: whole(
            'Events that may wait for one slow reader; beyond it they are dropped, and it is told how many.',
            1,
            100_000,
            1_000,
          ),
          eventHistory: whole(
            'Latest events that a reader who comes back gets, by Last-Event-ID.',
            0,
            100_000,
            1_000,
          ),
        },
        { default: {} },
      ),
    },
    { default: {} },
  ),
  applications,
  callbacks,
  trunks: Type.Array(trunk, {
    default: [],
    maxItems: 1_000,
    expected: 'a list of at most 1000 trunks',
    description: 'Carriers and PBXs. List the addresses of theirs in `sip.allow` where `sip.auth` is set.',
  }),
  routes: Type.Optional(
    Type.Array(route, {
      maxItems: 10_000,
      description:
        'Where incoming calls go; the first match wins. Default: echo, tone, and all else to the echo bot.',
    }),
  ),
  stream,
  audio: audioSettings,
  speech: speechSettings,
  recording: recordingSettings,
  cluster: Type.Optional(
    Type.Object(
      { nats: text('URL of the NATS server.') },
      { ...later, description: 'Several gateways as one.' },
    ),
  ),
  log: Type.Object(
    { level: Type.Enum([...logLevels], { default: 'info', description: 'The least that is logged.' }) },
    { default: {} },
  ),
});

/** The configuration as it is used: every default filled in, what is optional undefined. Listeners stay texts;
 *  `parseSipListener` and `parseHttpListener` read them. */
export type Config = DeepReadonly<Static<typeof configSchema>>;

export type Route = DeepReadonly<Static<typeof route>>;
