import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { levelDbfs } from '../../gateway/phone/audio-measures.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type DialectServer, dialectServers } from '../support/dialect-servers.ts';

/** Whole calls over real sockets with servers that speak the other platforms' dialects. */

const names = ['twilio', 'vonage', 'telnyx', 'asterisk', 'jambonz', 'audiosocket'] as const;
const rates = {
  twilio: 8000,
  vonage: 16000,
  telnyx: 16000,
  asterisk: 24000,
  jambonz: 16000,
  audiosocket: 8000,
};
const toneDbfs = -10;
const waitMsMax = 8_000;

const servers = new Map<string, DialectServer>();
let gateway: Gateway;
let phone: Phone;

beforeAll(async () => {
  for (const name of names) servers.set(name, await dialectServers[name]());
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0] },
      http: { listen: '127.0.0.1:0' },
      media: { workers: 1 },
      routes: names.map((name) => ({
        to: name,
        action: {
          name: 'connectStream',
          destination: { type: 'Websocket', endpoint: servers.get(name)!.url },
          streamingOptions: { dialect: name, sampleRate: rates[name] },
        },
      })),
    }),
    { log: silentLog },
  );
  phone = await createPhone({ address: '127.0.0.1' });
}, 30_000);

afterAll(async () => {
  await phone?.close();
  await gateway?.close();
  for (const server of servers.values()) await server.close();
});

function target(name: string): string {
  return `sip:${name}@${gateway.listening.sip[0]!.replace('udp:', '')}`;
}

/** What came last, once `found` is true of it. */
async function told(server: DialectServer, found: (message: string) => boolean): Promise<string> {
  const startMs = performance.now();
  for (;;) {
    const message = server.told.map((each) => JSON.stringify(each)).find(found);
    if (message !== undefined) return message;
    if (performance.now() - startMs > waitMsMax) {
      throw new Error(`not told within ${waitMsMax} ms, only ${JSON.stringify(server.told)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe.each(names)('a server that speaks %s', (name) => {
  const server = () => servers.get(name)!;

  it('answers, lets the caller hear itself, is told of digits, and ends the call', async () => {
    const call = await phone.placeCall({
      target: target(name),
      codecs: ['pcmu'],
      playTone: { frequencyHz: 1000, levelDbfs: toneDbfs },
      dtmf: '5',
    });
    expect(await call.answered).toBe(true);
    // The library for AudioSocket knows neither digits nor marks.
    if (name === 'audiosocket') {
      await told(server(), (message) => message.includes('"id"'));
      await new Promise((resolve) => setTimeout(resolve, 500));
    } else {
      await told(server(), (message) => /dtmf/i.test(message) && /[:"]5/.test(message));
      server().mark();
      await told(server(), (message) => message.includes('ours'));
    }
    server().hangUp();
    const result = await call.ended;
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide', codec: 'pcmu' });
    const { heard } = result;
    const middle = heard.subarray(Math.floor(heard.length / 2), Math.floor(heard.length / 2) + 1600);
    expect(levelDbfs(middle)).toBeGreaterThan(toneDbfs - 1.5);
    expect(levelDbfs(middle)).toBeLessThan(toneDbfs + 1.5);
  }, 20_000);
});

describe('after calls of every dialect', () => {
  it('nothing is left behind', async () => {
    const startMs = performance.now();
    while (gateway.activeCalls > 0 && performance.now() - startMs < waitMsMax) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(gateway.counts()).toMatchObject({ calls: 0, sessions: 0 });
  });
});
