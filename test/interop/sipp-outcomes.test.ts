import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { freePort } from '../support/peers/free-port.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, sipp } from '../support/peers/sipp.ts';
import { type ServerManner, type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';

/** What the phone sees of everything that a stream server can do, CONTRACT.md §8. */

const transports = ['udp', 'tcp'] as const;

interface Refusal {
  readonly name: string;
  /** Route, which is the called user. */
  readonly to: string;
  readonly status: number;
  readonly reason: string;
  /** As the end-of-call record names them. */
  readonly result: string;
  readonly why: string;
}

// biome-ignore format: a table reads as a table
const refusals: readonly Refusal[] = [
  { name: 'busy',                              to: 'busy',      status: 486, reason: 'cause=17;',  result: 'BUSY',     why: 'CALLEEHANGUP' },
  { name: 'reject',                            to: 'reject',    status: 603, reason: 'cause=21;',  result: 'FAILED',   why: 'CALLEEHANGUP' },
  { name: 'a declined upgrade',                to: 'declines',  status: 603, reason: 'HTTP 403',   result: 'FAILED',   why: 'CALLEEHANGUP' },
  { name: 'an unreachable server',             to: 'nobody',    status: 480, reason: 'cause=27;',  result: 'FAILED',   why: 'GENERALERROR' },
  { name: 'an upgrade that is never answered', to: 'hangs',     status: 480, reason: 'cause=102;', result: 'NOANSWER', why: 'TIMEOUT' },
  { name: 'a silent server',                   to: 'silent',    status: 480, reason: 'cause=19;',  result: 'NOANSWER', why: 'TIMEOUT' },
  { name: 'a server that closes',              to: 'closes',    status: 480, reason: 'NOT NOW',    result: 'FAILED',   why: 'CALLEEHANGUP' },
  { name: 'a server that breaks the protocol', to: 'breaks',    status: 502, reason: 'cause=111;', result: 'FAILED',   why: 'GENERALERROR' },
  { name: 'no route',                          to: 'elsewhere', status: 404, reason: 'cause=1;',   result: 'FAILED',   why: 'GENERALERROR' },
];

describe.skipIf(sipp.missing)(`sipp is refused${sipp.skipped}`, () => {
  const processes = new Processes();
  const servers = new Map<string, StreamServer>();
  const bots: Bot[] = [];
  let gateway: GatewayProcess;
  let patient: GatewayProcess;

  beforeAll(async () => {
    const manners: Record<string, ServerManner> = {
      declines: 'declines the upgrade',
      hangs: 'hangs',
      silent: 'is silent',
      closes: 'closes',
      breaks: 'breaks the protocol',
      'hangs-up': 'hangs up',
      vanishes: 'vanishes',
    };
    for (const [name, manner] of Object.entries(manners)) servers.set(name, await startStreamServer(manner));
    for (const reply of ['busy', 'reject', 'answer'] as const)
      bots.push(await startBot({ kind: 'echo', reply }));
    const [busy, reject, echo] = bots;
    const routes = [
      routeTo('busy', busy!.url),
      routeTo('reject', reject!.url),
      routeTo('echo', echo!.url),
      routeTo('nobody', `ws://127.0.0.1:${await freePort()}/`),
      ...[...servers].map(([name, { url }]) => routeTo(name, url)),
    ];
    gateway = await startGatewayProcess(processes, {
      routes,
      stream: { answerTimeoutMs: 400, connectTimeoutMs: 400 },
    });
    // One call at a time, and time to answer it.
    patient = await startGatewayProcess(processes, { routes, sip: { maxCalls: 1 } });
  });

  afterAll(async () => {
    await processes.endAll();
    for (const server of [...servers.values(), ...bots]) await server.close();
  });

  async function outcomes(of: GatewayProcess, result: string, why: string): Promise<number> {
    return of.metric('callwire_calls_total', `result="${result}",reason="${why}"`);
  }

  describe.each(transports)('over %s', (transport) => {
    it.each(refusals.map((refusal) => [refusal.status, refusal.name, refusal] as const))(
      'with %i because of %s',
      async (_status, _name, { to, status, reason, result, why }) => {
        const before = await outcomes(gateway, result, why);
        await runSipp(processes, {
          scenario: 'refused',
          transport,
          gateway: gateway[transport],
          to,
          values: { status: String(status) },
          checks: { Reason: reason },
        });
        await gateway.whenEmpty();
        expect(await outcomes(gateway, result, why)).toBe(before + 1);
      },
    );

    it('with 488 and a Warning where no codec is common', async () => {
      await runSipp(processes, {
        scenario: 'refused',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        values: { status: '488', codec: 'GSM', payload: '3' },
        checks: { Reason: 'cause=88;', Warning: '30[0-9] ' },
      });
      await gateway.whenEmpty();
    });

    it('with 487 where it cancels while it rings, and the stream is closed with 4005', async () => {
      const before = await outcomes(patient, 'N/A', 'CANCEL');
      await runSipp(processes, {
        scenario: 'cancel',
        transport,
        gateway: patient[transport],
        to: 'silent',
        checks: { Reason: 'gave up' },
      });
      await patient.whenEmpty();
      expect(await outcomes(patient, 'N/A', 'CANCEL')).toBe(before + 1);
      expect(servers.get('silent')?.closes.at(-1)).toBe('4005 CANCEL');
    });

    it('with 503 and Retry-After beyond maxCalls, and not once there is room again', async () => {
      const call = { transport, gateway: patient[transport], to: 'echo' } as const;
      const first = runSipp(processes, { ...call, scenario: 'quiet-call', pauseMs: 2_000 });
      await until(async () => (await patient.calls()).some(({ state }) => state === 'answered'));
      await runSipp(processes, {
        ...call,
        scenario: 'refused',
        values: { status: '503' },
        checks: { Reason: 'cause=42;', 'Retry-After': '[1-9]' },
      });
      await first;
      await patient.whenEmpty();
      await runSipp(processes, { ...call, scenario: 'quiet-call' });
      await patient.whenEmpty();
    });

    it('or sent a BYE that says why, where the server hangs up in mid-call', async () => {
      const call = { scenario: 'server-ends', transport, gateway: gateway[transport] } as const;
      await runSipp(processes, { ...call, to: 'hangs-up', checks: { Reason: 'cause=16;.*1000 DONE' } });
      await runSipp(processes, { ...call, to: 'vanishes', checks: { Reason: 'cause=27;.*lost' } });
      await gateway.whenEmpty();
    });
  });

  it('tells the silent server that its time was up', () => {
    expect(servers.get('silent')?.closes).toContain('4004 ANSWERTIMEOUT');
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('what was waited for did not come within 10 s');
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
