import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, type BotEvent, startBot } from '../../gateway/bots/bot.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, sipp } from '../support/peers/sipp.ts';

/** What RFC 3261 wants of a user agent, beyond calls that go well. */

interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly headers?: string;
  readonly toTag?: string;
  readonly status: number;
  readonly checks: Readonly<Record<string, string>>;
}

const exchanges: readonly Exchange[] = [
  {
    name: 'OPTIONS with 200',
    method: 'OPTIONS',
    status: 200,
    checks: { Allow: 'INVITE.*BYE', Accept: 'application/sdp' },
  },
  {
    name: 'a method that it does not serve with 405',
    method: 'REGISTER',
    status: 405,
    checks: { Allow: 'INVITE' },
  },
  { name: 'a method that nobody knows with 501', method: 'JUGGLE', status: 501, checks: {} },
  { name: 'a BYE for no dialog with 481', method: 'BYE', toTag: ';tag=none', status: 481, checks: {} },
  { name: 'an INFO for no dialog with 481', method: 'INFO', toTag: ';tag=none', status: 481, checks: {} },
  {
    name: 'an extension that it does not have with 420',
    method: 'OPTIONS',
    headers: 'Require: levitation',
    status: 420,
    checks: { Unsupported: 'levitation' },
  },
];

describe.skipIf(sipp.missing)(`sipp is answered${sipp.skipped}`, () => {
  const processes = new Processes();
  const events: BotEvent[] = [];
  let echo: Bot;
  let gateway: GatewayProcess;
  /** Takes half a minute, meanwhile the others run. */
  let withoutAck: Promise<string>;

  beforeAll(async () => {
    echo = await startBot({ kind: 'echo', report: (event) => events.push(event) });
    gateway = await startGatewayProcess(processes, {
      routes: [routeTo('echo', echo.url), routeTo('unacknowledged', echo.url)],
      // The caller without an ACK sends no RTP either, and is to be given up for the first of the two.
      rtp: { timeout: 0 },
    });
    withoutAck = runSipp(processes, {
      scenario: 'no-ack',
      transport: 'udp',
      gateway: gateway.udp,
      to: 'unacknowledged',
      checks: { Reason: 'cause=102;.*ACK' },
      limitMs: 50_000,
    });
    withoutAck.catch(() => {});
  });

  afterAll(async () => {
    await processes.endAll();
    await echo?.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it.each(exchanges.map((exchange) => [exchange.name, exchange] as const))(
      '%s',
      async (_name, exchange) => {
        const { method, headers = '', toTag = '', status, checks } = exchange;
        await runSipp(processes, {
          scenario: 'request',
          transport,
          gateway: gateway[transport],
          to: 'echo',
          values: { method, headers, toTag, status: String(status) },
          checks,
        });
      },
    );

    it('an INVITE that needs an extension with 420', async () => {
      await runSipp(processes, {
        scenario: 'refused',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        values: { status: '420', headers: 'Require: 100rel, levitation' },
        checks: { Unsupported: 'levitation' },
      });
    });
  });

  it('an INVITE that comes three times with one call', async () => {
    const before = events.length;
    await runSipp(processes, {
      scenario: 'repeated-invite',
      transport: 'udp',
      gateway: gateway.udp,
      to: 'echo',
      // The repetitions of the scenario are to be all there are.
      values: { retrans: '' },
    });
    const called = events.slice(before).filter(({ type }) => type === 'called');
    expect(called).toHaveLength(1);
  });

  it('without an ACK: 200 again and again for 32 s, then BYE', async () => {
    const messages = (await withoutAck).split('-----------------------------------------------');
    const answers = messages.filter(
      (text) => text.includes('message received') && text.includes('SIP/2.0 200'),
    );
    console.log(`no ACK: 200 came ${answers.length} times`);
    // After 0, 0.5, 1.5 and 3.5 s, then every 4 s (RFC 3261 §13.3.1.4).
    expect(answers.length).toBeGreaterThanOrEqual(10);
    expect(answers.length).toBeLessThanOrEqual(11);
    await gateway.whenEmpty();
  }, 60_000);

  it('and leaves no call behind', async () => {
    await gateway.whenEmpty();
    expect(await gateway.calls()).toEqual([]);
  });
});
