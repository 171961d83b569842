import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type AskedGateway, startAskedGateway } from '../support/peers/asked-gateway.ts';
import { freePort } from '../support/peers/free-port.ts';
import { threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { type RawStreamServer, startRawServer } from '../support/peers/raw-stream-server.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 6: whatever a stream server does in place of an upgrade, the phone hears of it at once, or at the limit. */

const connectTimeoutMs = 2_000;
const refusalMsMax = 1_000;
const silenceMsMax = 500;

const processes = new Processes();
const servers: { close(): void }[] = [];
let asked: AskedGateway;
let phone: Phone;

beforeAll(async () => {
  asked = await startAskedGateway(processes, { stream: { connectTimeoutMs } });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await asked?.callbacks.close();
  for (const server of servers) server.close();
});

const http = (status: string, ...headers: string[]) =>
  [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n');
const refusal = (status: string, ...headers: string[]) => ({
  act: (socket: Socket) => socket.write(http(status, 'Content-Length: 0', ...headers)),
  sip: 603,
  q850: 21,
  dice: ['FAILED', 'CALLEEHANGUP'],
  cause: `HTTP ${status.slice(0, 3)}`,
});
const junk = (text: string, cause: string) => ({
  act: (socket: Socket) => socket.write(text),
  sip: 502,
  q850: 111,
  dice: ['FAILED', 'GENERALERROR'],
  cause,
});
const lost = (act: (socket: Socket) => unknown, cause: string) => ({
  act,
  sip: 480,
  q850: 27,
  dice: ['FAILED', 'GENERALERROR'],
  cause,
});
const silent = (act: (socket: Socket) => unknown) => ({
  act,
  sip: 480,
  q850: 102,
  dice: ['NOANSWER', 'TIMEOUT'],
  cause: 'did not complete the upgrade in time',
  logged: '"reason":"connectTimeout"',
  silent: true,
});

function trickle(socket: Socket, text: string): void {
  let sent = 0;
  const drip = setInterval(() => socket.write(text[sent++] ?? 'x'), 20);
  socket.on('close', () => clearInterval(drip));
}

const upgraded = (...headers: string[]) => http('101 Switching Protocols', ...headers);

interface Manner {
  /** What the server does once the request came; undefined: `endpoint` is where nobody is. */
  readonly act?: (socket: Socket) => unknown;
  /** It does that on connection already. */
  readonly atOnce?: boolean;
  readonly scheme?: 'wss';
  readonly sip: number;
  readonly q850: number;
  readonly dice: readonly string[];
  /** In the log and in the Reason header. */
  readonly cause: string;
  /** In the log, where that is another text. */
  readonly logged?: string;
  readonly silent?: boolean;
}

const manners: Readonly<Record<string, Manner>> = {
  http200: refusal('200 OK'),
  http204: refusal('204 No Content'),
  http301: refusal('301 Moved Permanently', 'Location: ws://127.0.0.1:9/'),
  http307: refusal('307 Temporary Redirect', 'Location: wss://example.invalid/'),
  http400: refusal('400 Bad Request'),
  http401: refusal('401 Unauthorized', 'WWW-Authenticate: Basic realm=x'),
  http403: refusal('403 Forbidden'),
  http404: refusal('404 Not Found'),
  http426: refusal('426 Upgrade Required'),
  http429: refusal('429 Too Many Requests', 'Retry-After: 1'),
  http500: refusal('500 Internal Server Error'),
  http503: refusal('503 Service Unavailable'),
  bodywithoutend: {
    ...refusal('502 Bad Gateway'),
    act: (socket) => socket.write(http('502 Bad Gateway', 'Content-Length: 999999999')),
  },
  telnet: junk(upgraded('Connection: Upgrade', 'Upgrade: telnet'), 'Upgrade header'),
  wrongkey: junk(
    upgraded('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Accept: bm90IGl0'),
    'Sec-WebSocket-Accept',
  ),
  nokey: junk(upgraded('Connection: Upgrade', 'Upgrade: websocket'), 'Sec-WebSocket-Accept'),
  nothttp: junk('SSH-2.0-OpenSSH_9.6\r\n', 'HTTP/1.1'),
  binary: junk('\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008', 'HTTP/1.1'),
  longheader: junk(http('101 Switching Protocols', `X-Long: ${'x'.repeat(20_000)}`), 'at most 16384 bytes'),
  closed: lost((socket) => socket.end(), 'ECONNRESET'),
  reset: lost((socket) => socket.resetAndDestroy(), 'ECONNRESET'),
  halfheader: lost((socket) => socket.end('HTTP/1.1 101 Switching'), 'ECONNRESET'),
  nobody: { sip: 480, q850: 27, dice: ['FAILED', 'GENERALERROR'], cause: 'ECONNREFUSED' },
  nottls: {
    ...lost((socket) => socket.write(http('400 Bad Request')), 'EPROTO'),
    scheme: 'wss',
  },
  unknownauthority: {
    sip: 480,
    q850: 27,
    dice: ['FAILED', 'GENERALERROR'],
    scheme: 'wss',
    cause: 'SELF_SIGNED',
  },
  silence: silent(() => {}),
  tlssilence: { ...silent(() => {}), scheme: 'wss' },
  trickle: silent((socket) => trickle(socket, upgraded(`X-Long: ${'x'.repeat(10_000)}`))),
  interim: silent((socket) => {
    const drip = setInterval(() => socket.write(http('100 Continue')), 50);
    socket.on('close', () => clearInterval(drip));
  }),
};

/** `refused` is called when the server has done it. */
async function endpointOf(name: string, manner: Manner, refused: () => void): Promise<string> {
  const scheme = manner.scheme ?? 'ws';
  if (name === 'unknownauthority') {
    const server = createTlsServer(createCertificate(Date.now()));
    server.on('connection', () => refused());
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    servers.push(server);
    return `wss://127.0.0.1:${(server.address() as { port: number }).port}/`;
  }
  const { act } = manner;
  if (act === undefined) {
    refused();
    return `${scheme}://127.0.0.1:${await freePort()}/`;
  }
  const server: RawStreamServer = await startRawServer((socket) =>
    socket.once('data', () => {
      act(socket);
      refused();
      socket.resume();
    }),
  );
  servers.push(server);
  return `${scheme}://${server.address}/`;
}

describe.skipIf(process.platform !== 'linux')('a stream server that does not upgrade', () => {
  const tookMs = { refusal: [] as number[], silence: [] as number[] };

  it.each(Object.entries(manners))('%s', async (name, manner) => {
    let refusedMs = 0;
    asked.endpoints.set(
      name,
      await endpointOf(name, manner, () => {
        refusedMs = performance.now();
      }),
    );
    const waited = () => threadTimes(asked.gateway.pid).waitedMs + threadTimes(process.pid).waitedMs;
    const before = waited();
    const startedMs = performance.now();
    const placed = await phone.placeCall({
      target: `sip:${name}@${asked.gateway.udp}`,
      codecs: ['pcmu'],
      recordSeconds: 1,
    });
    const result = await placed.ended;
    const endedMs = performance.now();
    const mayWaitMs = waited() - before;
    expect(result).toMatchObject({ outcome: 'refused', status: manner.sip });
    expect(result.reasonHeader).toContain(`cause=${manner.q850};`);
    expect(result.reasonHeader).toContain(manner.cause);
    await until('dice', () => asked.dice(name) !== undefined);
    const dice = asked.dice(name)!;
    expect([dice.result, dice.reason]).toEqual(manner.dice);
    const line = (): string | undefined =>
      asked.gateway.log
        .split('\n')
        .find((text) => text.includes('call ending') && text.includes(String(dice.callid)));
    await until('the log', () => line() !== undefined);
    expect(line()).toContain(manner.logged ?? manner.cause);
    if (manner.silent === true) {
      const overMs = endedMs - startedMs - connectTimeoutMs;
      tookMs.silence.push(overMs);
      expect(overMs).toBeGreaterThan(0);
      expect(overMs).toBeLessThan(silenceMsMax + mayWaitMs);
    } else {
      const ms = name === 'nobody' ? endedMs - startedMs : endedMs - refusedMs;
      tookMs.refusal.push(ms);
      expect(ms).toBeLessThan(refusalMsMax + mayWaitMs);
    }
  });

  it('leaves nothing behind', async () => {
    console.log(
      `figure row 6: ${Object.keys(manners).length} manners: SIP final at most ` +
        `${Math.max(...tookMs.refusal).toFixed(0)} ms after the refusal, ` +
        `${Math.max(...tookMs.silence).toFixed(0)} ms after the limit where the server is silent or trickles`,
    );
    await asked.gateway.whenEmpty();
  });
});
