import { afterAll, beforeAll, describe, it } from 'vitest';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, sipp } from '../support/peers/sipp.ts';
import { type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';

/** Provisional responses that have to be acknowledged, RFC 3262; the stream server takes 700 ms to answer. */

describe.skipIf(sipp.missing)(`sipp is rung${sipp.skipped}`, () => {
  const processes = new Processes();
  let late: StreamServer;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    late = await startStreamServer('answers late');
    gateway = await startGatewayProcess(processes, {
      routes: [routeTo('late', late.url), { ...routeTo('early-media', late.url), earlyMedia: true }],
    });
  });

  afterAll(async () => {
    await processes.endAll();
    await late?.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it.each([
      { name: 'with 180 that it acknowledges, as it requires that', scenario: 'prack' },
      { name: 'and a PRACK for another response is refused with 481', scenario: 'prack-wrong' },
    ])('$name', async ({ scenario }) => {
      await runSipp(processes, {
        scenario,
        transport,
        gateway: gateway[transport],
        to: 'late',
        headers: ['Require: 100rel'],
      });
      await gateway.whenEmpty();
    });

    it('with 183 and SDP, reliably, as it can do that; the answer waits for its PRACK', async () => {
      await runSipp(processes, {
        scenario: 'prack-early-media',
        transport,
        gateway: gateway[transport],
        to: 'early-media',
        headers: ['Supported: 100rel'],
        // Repeated after half a second, which sipp takes as such over UDP alone.
        values: { waitMs: transport === 'udp' ? '1200' : '300' },
      });
      await gateway.whenEmpty();
    });
  });
});
