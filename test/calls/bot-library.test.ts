import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { type BotCall, createBotServer } from '../../gateway/bots/bot-server.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openWebSocket } from '../../gateway/media/websocket.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { placeCall } from '../../gateway/phone/phone.ts';
import type { PhoneCall } from '../../gateway/phone/phone-call.ts';

/** The bot library against the gateway itself, over real sockets. */

const opened: { close(): Promise<void> }[] = [];

afterAll(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close();
});

async function start(url: string, streamingOptions: object): Promise<Gateway> {
  const action = {
    name: 'connectStream' as const,
    destination: { type: 'Websocket' as const, endpoint: url },
    streamingOptions,
  };
  const gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0] },
      http: { listen: '127.0.0.1:0' },
      routes: [{ to: '*', action }],
    }),
    {
      log: silentLog,
      createMediaPool: (settings) =>
        createInlineMediaPool({
          ...settings,
          clock: systemClock,
          network: systemNetwork,
          openStreamSocket: openWebSocket,
        }),
    },
  );
  opened.push(gateway);
  return gateway;
}

function dial(gateway: Gateway): Promise<PhoneCall> {
  const target = `sip:bot@${gateway.listening.sip[0]!.replace('udp:', '')}`;
  return placeCall({ target, address: '127.0.0.1', codecs: ['pcmu'] });
}

describe.concurrent('a bot of the library and the gateway', () => {
  it('agree on marks, pauses, clears, digits and the end, to the sample', async () => {
    const failures: unknown[] = [];
    let listening: () => void = () => {};
    const readingDigits = new Promise<void>((resolve) => {
      listening = resolve;
    });
    const seen: Record<string, unknown> = {};
    const ms = (call: BotCall, duration: number) => new Int16Array((call.sampleRate * duration) / 1_000);
    const server = await createBotServer({
      port: 0,
      sampleRate: 48_000,
      onError: (error) => failures.push(error),
      onCall: async (call) => {
        seen.granted = call.answer();
        call.play(ms(call, 100));
        seen.first = await call.mark('first');
        call.pause();
        call.play(ms(call, 300));
        seen.paused = await call.status();
        call.continue();
        seen.second = await call.mark();
        const whole = call.play(ms(call, 5_000));
        const mark = call.mark('never');
        const cleared = await call.clear();
        seen.sum = Math.round(cleared.playedMs + cleared.droppedMs);
        seen.cleared = cleared.exact;
        seen.cutOff = [await whole, (await mark).status];
        call.play(ms(call, 40));
        seen.afterwards = Math.round((await call.mark()).playedMs - cleared.playedMs);
        const digits = call.readDigits({ max: 2 });
        listening();
        call.sendDtmf('4B');
        seen.digits = await digits;
        // Longer than the two digits to the phone take.
        call.play(ms(call, 700));
        await call.mark();
        call.hangup('all done');
      },
    });
    opened.push(server);
    const gateway = await start(server.url, { sampleRate: 16_000 });
    const phone = await dial(gateway);
    await readingDigits;
    phone.sendDigits('#7');
    const result = await phone.ended;
    expect(failures).toEqual([]);
    expect(seen).toMatchObject({
      granted: ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'],
      first: { name: 'first', status: 'played', playedMs: 100, exact: true },
      paused: { state: 'paused', bufferedMs: 300, playedMs: 100, marks: 0 },
      second: { name: 'mark-1', status: 'played', playedMs: 400, exact: true },
      sum: 5_400,
      cleared: true,
      cutOff: [false, 'cleared'],
      afterwards: 40,
      digits: '#7',
    });
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide', digits: '4B' });
  });

  it('go on after a lost connection, where the route says so', async () => {
    const http = createServer();
    const sockets = new Set<Socket>();
    http.on('connection', (socket) => sockets.add(socket));
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const calls: BotCall[] = [];
    const ends: number[] = [];
    let resumed: (call: BotCall) => void = () => {};
    const again = new Promise<BotCall>((resolve) => {
      resumed = resolve;
    });
    const server = await createBotServer({
      server: http,
      onCall: async (call) => {
        calls.push(call);
        call.on('close', ({ code }) => ends.push(code));
        call.answer();
        if (call.info.resumed) return resumed(call);
        await call.play(new Int16Array(160));
        await call.mark();
        for (const socket of sockets) socket.destroy();
      },
    });
    opened.push({
      close: async () => {
        await server.close();
        await new Promise((resolve) => http.close(resolve));
      },
    });
    const gateway = await start(server.url, { sampleRate: 8_000, resumeSeconds: 10 });
    const phone = await dial(gateway);
    const call = await again;
    expect(call.callId).toBe(calls[0]!.callId);
    expect(calls.map(({ info }) => info.resumed)).toEqual([false, true]);
    expect(ends).toEqual([1006]);
    call.hangup();
    expect(await phone.ended).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
  });
});
