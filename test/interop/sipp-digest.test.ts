import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { messagesOf, runSipp, sipp, startSippServer } from '../support/peers/sipp.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Digest with another's arithmetic: sipp computes MD5 as our caller, and checks ours as the registrar of a trunk. */

const right = { username: 'alice', password: 'wonderland' };

describe.skipIf(sipp.missing)(`sipp and digest${sipp.skipped}`, () => {
  const processes = new Processes();
  let echo: Bot;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    echo = await startBot({ kind: 'echo' });
    gateway = await startGatewayProcess(processes, {
      routes: [routeTo('echo', echo.url)],
      // It reads the first challenge alone, and knows no SHA-256.
      sip: { auth: { realm: 'callwire', users: [right], required: true, algorithms: ['MD5', 'SHA-256'] } },
    });
  });

  afterAll(async () => {
    await processes.endAll();
    await echo?.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    const common = { transport, to: 'echo' } as const;

    it('a call is challenged, proves who it is, and is answered', async () => {
      await runSipp(processes, {
        ...common,
        scenario: 'digest-call',
        gateway: gateway[transport],
        authUri: `echo@${gateway[transport]}`,
        values: right,
      });
      await gateway.whenEmpty();
    });

    it('a call with a wrong password is challenged again, and never answered', async () => {
      const before = await gateway.metric('callwire_calls_total');
      await runSipp(processes, {
        ...common,
        scenario: 'digest-refused',
        gateway: gateway[transport],
        authUri: `echo@${gateway[transport]}`,
        values: { ...right, password: 'looking-glass', status: '401' },
      });
      expect(await gateway.metric('callwire_calls_total')).toBe(before);
    });

    it('a phone registers, refreshes, is told the least interval, and unregisters', async () => {
      const run = runSipp(processes, {
        ...common,
        scenario: 'registration',
        gateway: gateway[transport],
        values: right,
        pauseMs: 700,
      });
      run.catch(() => {});
      await until('a registration', async () => (await gateway.metric('callwire_registrations')) === 1);
      await run;
      expect(await gateway.metric('callwire_registrations')).toBe(0);
    });

    it('a phone with a wrong password does not', async () => {
      await runSipp(processes, {
        ...common,
        scenario: 'registration-refused',
        gateway: gateway[transport],
        values: { ...right, password: 'looking-glass', status: '401' },
      });
      expect(await gateway.metric('callwire_registrations')).toBe(0);
    });
  });

  it.each(['udp', 'tcp'] as const)(
    'a trunk over %s: registered with credentials that sipp finds right, refreshed, and unregistered at the end',
    async (transport) => {
      const registrar = await startSippServer(processes, {
        scenario: 'registrar',
        transport,
        limitMs: 40_000,
      });
      const own = new Processes();
      const carrier = {
        name: 'carrier',
        uri: `sip:${registrar.address};transport=${transport}`,
        username: 'trunk-user',
        password: 'trunk-secret',
        register: true,
      };
      const registering = await startGatewayProcess(own, {
        routes: [routeTo('echo', echo.url)],
        trunks: [carrier],
      });
      const registered = () => registering.metric('callwire_trunk_registered', 'trunk="carrier"');
      try {
        await until('the trunk registered', async () => (await registered()) === 1);
        // The binding of 10 s is refreshed after 5.
        await until(
          'a refresh',
          async () =>
            (await registering.metric('callwire_sip_messages_total', 'method="REGISTER",direction="out"')) >=
            3,
          12_000,
        );
        await until('the answer to it', async () => (await registered()) === 1);
      } finally {
        await own.endAll();
      }
      const requests = messagesOf(await registrar.ended, /^REGISTER /);
      console.log(
        `trunk over ${transport}: REGISTER after ${requests.map(({ atMs }) => atMs).join(', ')} ms, nonce counts ${requests
          .map(({ text }) => /nc=(\w+)/.exec(text)?.[1] ?? '-')
          .join(', ')}`,
      );
      expect(requests).toHaveLength(4);
      expect(requests[2]!.atMs - requests[1]!.atMs).toBeGreaterThan(4_000);
    },
  );
});
