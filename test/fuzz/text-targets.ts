import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../gateway/config.ts';
import { ConfigError } from '../../gateway/config-error.ts';
import { checkSignature, parseAuthorization } from '../../protocol/signing.ts';
import { dialectNamed } from '../../protocol/stream/dialects.ts';
import { type StreamDialectName, streamDialectNames } from '../../protocol/stream/messages.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { checkSvaml } from '../../protocol/svaml/svaml.ts';
import { streamConnect } from '../support/stream-connect.ts';
import { bytesOf, type FuzzTarget } from './target.ts';

const json = (...values: readonly object[]): Uint8Array[] =>
  bytesOf(...values.map((value) => JSON.stringify(value)));
const jsonWords = bytesOf(
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  'null',
  'true',
  '-1',
  '1e999',
  '"__proto__":{}',
  '"constructor":1',
  '\\u0000',
  '\\ud800',
  '"name":',
);

const media = { payload: 'fn5+fn5+', track: 'inbound', chunk: '1', timestamp: '5' };
/** What servers of each kind say. */
const messages: Readonly<Record<StreamDialectName, readonly Uint8Array[]>> = {
  sinch: json(
    { command: 'answer', extensions: ['mark', 'dtmf', 'control'] },
    { command: 'mark', name: 'a' },
    { command: 'dtmf', digits: '1w2#' },
    { command: 'transfer', to: 'sip:b@example.com', headers: [{ key: 'k', value: 'v' }] },
  ),
  twilio: json(
    { event: 'media', streamSid: 'MZ1', media },
    { event: 'mark', mark: { name: 'a' } },
    { event: 'clear' },
  ),
  vonage: json({ action: 'clear' }, { action: 'notify', payload: { a: 1 } }),
  telnyx: json({ event: 'media', media }, { event: 'mark', mark: { name: 'a' } }, { event: 'clear' }),
  asterisk: bytesOf('ANSWER', 'MARK_MEDIA a', 'FLUSH_MEDIA', '{"command":"ANSWER"}', 'START_MEDIA_BUFFERING'),
  jambonz: json(
    { type: 'playAudio', data: { audioContent: 'AAAA', audioContentType: 'raw', sampleRate: 8000 } },
    { type: 'killAudio' },
    { type: 'mark', data: { name: 'a' } },
    { type: 'disconnect' },
  ),
  audiosocket: [Uint8Array.from([0x10, 0, 4, 1, 2, 3, 4, 0x00, 0, 0, 0xff, 0, 1, 2])],
};

function streamTarget(name: StreamDialectName): FuzzTarget {
  return {
    name: `stream-${name}`,
    seeds: messages[name],
    words: jsonWords,
    run(input) {
      const session = dialectNamed(name).createSession(streamConnect);
      session.opening();
      const read = (take: () => unknown): void => {
        try {
          take();
        } catch (error) {
          if ((error as Error).name !== 'ProtocolError') throw error;
        }
      };
      read(() => session.receiveText(Buffer.from(input).toString('utf8')));
      for (let at = 0; at < input.length; at += 11) {
        const sizeBytes = Math.min(11, input.length - at);
        read(() => session.receiveBinary?.(input, at, sizeBytes, at + sizeBytes === input.length));
      }
    },
  };
}

const svaml = [
  {
    instructions: [
      { name: 'answer' },
      { name: 'say', text: 'hi', locale: 'en-US' },
      { name: 'startRecording', options: { notificationEvents: true } },
    ],
    action: {
      name: 'connectStream',
      destination: { type: 'Websocket', endpoint: 'wss://bot.example/' },
      streamingOptions: { version: 1, sampleRate: 16_000 },
      maxDuration: 60,
      callHeaders: [{ key: 'k', value: 'v' }],
    },
  },
  {
    action: {
      name: 'connectPstn',
      number: '+46700000000',
      cli: '+46700000001',
      maxDuration: 10,
      dtmf: '1w2',
    },
  },
  {
    action: {
      name: 'runMenu',
      mainMenu: 'main',
      menus: [{ id: 'main', mainPrompt: '#tts[x]', options: [{ dtmf: '1', action: 'return(x)' }] }],
    },
  },
];

const config = `
node: { id: gw-1 }
sip:
  listen: [udp:127.0.0.1:5060, "tls:[::1]:5061"]
  auth: { realm: callwire, users: [{ username: alice, password: secret }], required: true }
  allow: [10.0.0.0/8, 127.0.0.1]
rtp: { address: 127.0.0.1, ports: [20000, 29999], symmetric: auto, codecs: [opus, pcmu] }
http: { listen: 127.0.0.1:8080 }
applications:
  - { key: a, secret: c2VjcmV0, callbackUrl: "http://127.0.0.1:9100/cb" }
trunks:
  - { name: carrier, uri: "sip:10.0.0.9:5060;transport=udp" }
routes:
  - { to: "+46*", application: a }
  - { to: echo, action: { name: connectStream, destination: { type: Websocket, endpoint: "ws://127.0.0.1:9000/" } } }
`;

const configDirectory = mkdtempSync(join(tmpdir(), 'callwire-fuzz-'));
const configFile = join(configDirectory, 'callwire.yaml');
process.once('exit', () => rmSync(configDirectory, { recursive: true, force: true }));

const request = {
  method: 'POST',
  path: '/calling/v1/callouts',
  contentType: 'application/json',
  body: Buffer.from('{}'),
  timestamp: '2026-01-01T00:00:00Z',
};

export const textTargets: readonly FuzzTarget[] = [
  ...streamDialectNames.map(streamTarget),
  {
    name: 'svaml',
    seeds: json(...svaml, {
      method: 'customCallout',
      customCallout: {
        cli: '+46',
        destination: { type: 'number', endpoint: '+4670' },
        ice: JSON.stringify(svaml[0]),
      },
    }),
    words: jsonWords,
    refuses: (error) => error instanceof SyntaxError,
    run(input) {
      const value: unknown = JSON.parse(Buffer.from(input).toString('utf8'));
      for (const check of [checkSvaml, checkCallout]) {
        try {
          check(value);
        } catch (error) {
          if ((error as Error).name !== 'ProtocolError') throw error;
        }
      }
      if (Object.hasOwn(Object.prototype, 'polluted'))
        throw new Error('the prototype of all objects was changed');
    },
  },
  {
    name: 'configuration',
    seeds: bytesOf(
      config,
      'routes: []\n',
      JSON.stringify({ rtp: { ports: [1, 2] }, stream: { endpoints: { allow: ['wss://*'] } } }),
    ),
    words: bytesOf(
      '\n',
      '  ',
      '- ',
      ': ',
      '&a ',
      '*a',
      '!!binary ',
      '<<: ',
      '|',
      '>',
      '#',
      '---',
      '{',
      '}',
      '[',
      ']',
      '"',
      '0x',
      '__proto__: ',
      '.inf',
      '~',
    ),
    refuses: (error) => error instanceof ConfigError,
    async run(input) {
      writeFileSync(configFile, input);
      await loadConfig({ file: configFile, env: {}, directory: configDirectory });
    },
  },
  {
    name: 'signing',
    seeds: bytesOf(
      `Application key:${'A'.repeat(43)}=\n2026-01-01T00:00:00Z`,
      'application a-b_c:not base64\nThu, 01 Jan 2026 00:00:00 GMT',
      'Basic a2V5OnNlY3JldA==\n0',
    ),
    words: bytesOf('Application ', ':', '=', '\n', 'Z', '+99:99', '-000001', '1e300'),
    run(input) {
      const [authorization = '', timestamp = ''] = Buffer.from(input).toString('latin1').split('\n');
      const shown = parseAuthorization(authorization);
      if (shown === undefined) return;
      checkSignature({ ...request, timestamp }, shown.signature, 'c2VjcmV0', Date.parse(request.timestamp));
      throw new Error('a signature was made up');
    },
  },
];
