import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { askHttp, basicHeaders, type HttpReply, signedHeaders } from '../support/http-ask.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Probe } from '../support/peers/probe.ts';
import { residentMb } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { StallMeter } from '../support/peers/stall-meter.ts';

/** Row 12: hostile HTTP against the executable, and how soon its probe is answered meanwhile. */

const seconds = 6;
const atOnce = 24;
const slowClients = 1_100;
const healthMsMax = 250;
const growthMbMax = 150;
const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };
const path = '/calling/v1/callouts';
const json = { ...basicHeaders(application), 'content-type': 'application/json' };
const signedBody = '{"method":"ttsCallout","ttsCallout":{}}';

const processes = new Processes();
const sockets = new Set<Socket>();
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess(processes, {
    applications: [application],
    http: { limits: { requestsPerSecond: 0 } },
    routes: [routeTo('echo', await startEchoProcess(processes))],
  });
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
});

afterAll(() => processes.endAll());

const post = (body: string | Buffer, headers: Record<string, string> = json): Promise<HttpReply> =>
  askHttp(`http://${gateway.http}`, 'POST', path, headers, body);

/** Sends these bytes and gives all that comes back before the connection is closed. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = open('127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
    });
    socket.on('close', () => resolve(text));
    socket.end(bytes);
  });
}

function open(localAddress: string): Socket {
  const [host = '', port] = gateway.http.split(':');
  const socket = connect({ host, port: Number(port), localAddress });
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  return socket;
}

const stale = { ...signedHeaders(application, 'POST', path, signedBody) };
const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${json.authorization}\r\nContent-Type: application/json\r\nConnection: close\r\n`;

/** Each gives the status of its answer, 0 where the connection was cut without one, and the text. */
const attacks: Readonly<Record<string, () => Promise<{ status: number; text: string }>>> = {
  'a body of 8 MB': () => cut(post(Buffer.alloc(8_000_000, 0x20))),
  'a body of 60 KB of brackets': () => post('['.repeat(60_000)),
  'objects in objects': () => post(`${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`),
  'bad UTF-8': () => post(Buffer.alloc(60_000, 0xff)),
  'a prototype': () => post('{"method":"ttsCallout","ttsCallout":{"__proto__":{"admin":true}}}'),
  'a constructor': () => post('{"constructor":{"prototype":{"admin":true}}}'),
  '5,000 fields': () =>
    post(
      JSON.stringify({
        method: 'ttsCallout',
        ttsCallout: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i])),
      }),
    ),
  'long numbers': () => post(`{"method":${'9'.repeat(60_000)}}`),
  'a replayed signature': () => post(signedBody, stale),
  'a forged signature': () =>
    post(signedBody, signedHeaders({ ...application, secret: 'b3RoZXItc2VjcmV0' }, 'POST', path, signedBody)),
  'no credentials': () => post('{}', { 'content-type': 'application/json' }),
  'a wrong method': () => askHttp(`http://${gateway.http}`, 'PUT', path, json, '{}'),
  'a method that is none': () => status(raw(`HACK / HTTP/1.1\r\nHost: a\r\n\r\n`)),
  'an endless path': () =>
    askHttp(`http://${gateway.http}`, 'GET', `/${'../'.repeat(2_000)}etc/passwd`, json),
  'a wrong type': () => post('<a/>', { ...json, 'content-type': 'text/xml' }),
  'two lengths': () => status(raw(`${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`)),
  'length and chunks': () =>
    status(
      raw(
        `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /calls HTTP/1.1\r\n\r\n`,
      ),
    ),
  'bad chunks': () => status(raw(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`)),
  'a header of 64 KB': () =>
    status(raw(`GET /calls HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65_000)}\r\n\r\n`)),
  '2,000 headers': () => status(raw(`GET /calls HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(2_500)}\r\n`)),
  'HTTP/2': () => status(raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')),
  TLS: () => status(raw(Buffer.from('160301020001000001fc0303', 'hex'))),
  zeros: () => status(raw(Buffer.alloc(4_096))),
};

async function status(answer: Promise<string>): Promise<{ status: number; text: string }> {
  const text = await answer;
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text };
}

/** It is answered before all of it was sent, which the sender may see as a broken connection. */
async function cut(reply: Promise<HttpReply>): Promise<{ status: number; text: string }> {
  return reply.catch(() => ({ status: 0, text: '' }));
}

describe.skipIf(process.platform !== 'linux')('hostile HTTP', () => {
  it('is refused, tells nothing, and leaves the probe its answer', async () => {
    // The one that is let in, so that from here on it is a replay.
    expect((await post(signedBody, stale)).status).toBe(400);
    const beforeMb = residentMb(gateway.pid);
    const names = Object.keys(attacks);
    const statuses = new Map<string, Set<number>>();
    const telling: string[] = [];
    let asked = 0;
    const stalls = await StallMeter.start();
    const probe = await Probe.start(`http://${gateway.http}/healthz`);
    // They begin a request each and send a byte of it now and then.
    for (let i = 0; i < slowClients; i++)
      open('127.0.0.2').write(`POST ${path} HTTP/1.1\r\nHost: a\r\nX-Slow: `);
    const trickle = setInterval(() => {
      for (const socket of sockets) if (socket.localAddress === '127.0.0.2') socket.write('x');
    }, 500);
    const untilMs = performance.now() + seconds * 1_000;
    const attack = async (from: number): Promise<void> => {
      for (let at = from; performance.now() < untilMs; at++) {
        const name = names[at % names.length]!;
        const { status: code, text } = await attacks[name]!();
        asked++;
        statuses.set(name, (statuses.get(name) ?? new Set()).add(code));
        if (/\bat .*\.[jt]s|node:internal|node_modules/.test(text)) telling.push(`${name}: ${text}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, (_, at) => attack(at)));
    clearInterval(trickle);
    const { tookMs, failed } = await probe.stop();
    const stallMs = await stalls.stop();
    const slowestMs = Math.max(...tookMs);
    const grownMb = residentMb(gateway.pid) - beforeMb;
    console.log(
      `figure row 12: ${asked} hostile requests in ${seconds} s beside ${slowClients} slow clients: /healthz asked ` +
        `${tookMs.length} times, ${failed} failed, slowest ${slowestMs.toFixed(0)} ms (a thread that does nothing stood ` +
        `still for ${stallMs.toFixed(0)} ms), memory +${grownMb.toFixed(0)} MB`,
    );
    const wrong = [...statuses].flatMap(([name, codes]) =>
      [...codes].filter((code) => code !== 0 && (code < 400 || code > 499)).map((code) => `${name}: ${code}`),
    );
    expect(wrong).toEqual([]);
    expect(telling).toEqual([]);
    expect(statuses.get('a replayed signature')).toEqual(new Set([401]));
    expect(failed).toBe(0);
    expect(slowestMs).toBeLessThan(healthMsMax + stallMs);
    expect(grownMb).toBeLessThan(growthMbMax);
    expect(
      await gateway.metric('callwire_refused_total', 'reason="http-source-connection-limit"'),
    ).toBeGreaterThan(0);
    // Whoever may still ask is answered as before.
    expect((await askHttp(`http://${gateway.http}`, 'GET', '/calls', basicHeaders(application))).status).toBe(
      200,
    );
    expect(gateway.log).not.toMatch(/"level":"(?:error|fatal)"/);
  });
});
