import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, sipp } from '../support/peers/sipp.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** A gateway that is asked to drain: load balancers learn it from OPTIONS, callers from 503; who talks, talks on. */

describe.skipIf(sipp.missing)(`sipp and a gateway that drains${sipp.skipped}`, () => {
  const processes = new Processes();
  let echo: Bot;
  let gateway: GatewayProcess;
  let live: Promise<string>;

  beforeAll(async () => {
    echo = await startBot({ kind: 'echo' });
    gateway = await startGatewayProcess(processes, { routes: [routeTo('echo', echo.url)] });
    live = runSipp(processes, {
      scenario: 'quiet-call',
      transport: 'udp',
      gateway: gateway.udp,
      to: 'echo',
      pauseMs: 4_000,
    });
    live.catch(() => {});
    await until('a live call', async () => (await gateway.calls()).some(({ state }) => state === 'answered'));
    const { status } = await fetch(`http://${gateway.http}/drain`, { method: 'POST' });
    expect(status).toBeLessThan(300);
  });

  afterAll(async () => {
    await processes.endAll();
    await echo?.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it('OPTIONS is answered with 503 and Retry-After', async () => {
      await runSipp(processes, {
        scenario: 'request',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        values: { method: 'OPTIONS', toTag: '', status: '503' },
        checks: { 'Retry-After': '[0-9]+' },
      });
    });

    it('a new call is refused with 503 and Retry-After', async () => {
      await runSipp(processes, {
        scenario: 'refused',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        values: { status: '503' },
        checks: { 'Retry-After': '[0-9]+', Reason: 'cause=' },
      });
    });
  });

  it('the live call goes on, and hangs up as always', async () => {
    expect(await gateway.calls()).toHaveLength(1);
    await live;
    await gateway.whenEmpty();
    expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(1);
  });
});
