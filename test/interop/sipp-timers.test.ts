import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { messagesOf, runSipp, type SippRun, sipp } from '../support/peers/sipp.ts';
import { type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';

/** What happens when time passes: session timers (RFC 4028) and what is sent again until somebody answers. */

/** A machine that has other things to do is late, and never early. */
const lateMsMax = 900;

interface Patient {
  readonly name: string;
  readonly run: Omit<SippRun, 'gateway' | 'transport'>;
  readonly transports: readonly ('udp' | 'tcp')[];
  readonly check?: (log: string) => void;
}

const asUac = ['Supported: timer', 'Session-Expires: 90;refresher=uac'];
const asUas = ['Supported: timer', 'Session-Expires: 90;refresher=uas'];

/** Each takes up to a minute: they all run at once. */
const patients: readonly Patient[] = [
  {
    name: 'refreshes with UPDATE after half the interval',
    run: { scenario: 'timer-we-refresh', to: 'echo', headers: [...asUas, 'Allow: INVITE, ACK, BYE, UPDATE'] },
    transports: ['udp', 'tcp'],
    check: (log) => expectAt('UPDATE', messagesOf(log, /^UPDATE /)[0]?.atMs, 45_000),
  },
  {
    name: 'refreshes with a re-INVITE where UPDATE is not allowed',
    run: { scenario: 'timer-we-reinvite', to: 'echo', headers: [...asUas, 'Allow: INVITE, ACK, BYE'] },
    transports: ['udp'],
    check: (log) => expectAt('re-INVITE', messagesOf(log, /^INVITE sip:sipp@/)[0]?.atMs, 45_000),
  },
  {
    name: 'hangs up where the refresh that was promised does not come',
    run: {
      scenario: 'timer-missed',
      to: 'echo',
      headers: asUac,
      checks: { Reason: 'cause=102;.*refreshed' },
    },
    transports: ['udp', 'tcp'],
    check: (log) => expectAt('BYE', messagesOf(log, /^BYE /)[0]?.atMs, 60_000),
  },
  {
    name: 'repeats BYE after 0.5, 1, 2, 4, 4 … s for 32 s, and forgets the call',
    run: { scenario: 'bye-unanswered', to: 'hangs-up' },
    transports: ['udp'],
    check: (log) => expectRepeated('BYE', messagesOf(log, /^BYE /), 4_000),
  },
  {
    name: 'repeats ringing that wants a PRACK after 0.5, 1, 2, 4, 8 … s, and refuses with 504',
    run: {
      scenario: 'prack-missing',
      to: 'late',
      headers: ['Require: 100rel'],
      checks: { Reason: 'cause=102;.*PRACK' },
    },
    // Over TCP too, but there sipp does not take them as repeated.
    transports: ['udp'],
    check: (log) => expectRepeated('180', messagesOf(log, /^SIP\/2\.0 180/), Number.POSITIVE_INFINITY),
  },
];

describe.skipIf(sipp.missing)(`sipp and time${sipp.skipped}`, () => {
  const processes = new Processes();
  const running = new Map<string, Promise<string>>();
  let echo: Bot;
  const servers: StreamServer[] = [];
  let gateway: GatewayProcess;

  beforeAll(async () => {
    echo = await startBot({ kind: 'echo' });
    for (const manner of ['hangs up', 'is silent'] as const) servers.push(await startStreamServer(manner));
    gateway = await startGatewayProcess(processes, {
      routes: [
        routeTo('echo', echo.url),
        routeTo('hangs-up', servers[0]!.url),
        routeTo('late', servers[1]!.url),
      ],
      // Nobody sends RTP here.
      rtp: { timeout: 0 },
      stream: { answerTimeoutMs: 60_000 },
    });
    for (const { name, run, transports } of patients) {
      for (const transport of transports) {
        const log = runSipp(processes, {
          ...run,
          transport,
          gateway: gateway[transport],
          limitMs: 80_000,
        });
        log.catch(() => {});
        running.set(`${name} ${transport}`, log);
      }
    }
  });

  afterAll(async () => {
    await processes.endAll();
    for (const server of [echo, ...servers]) await server?.close();
  });

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it('refuses a session interval that is too brief with 422, and takes a longer one', async () => {
      await runSipp(processes, {
        scenario: 'timer-too-brief',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        headers: ['Supported: timer', 'Session-Expires: 30'],
      });
    });

    it('is refreshed by the caller, with UPDATE and with re-INVITE', async () => {
      await runSipp(processes, {
        scenario: 'timer-caller-refreshes',
        transport,
        gateway: gateway[transport],
        to: 'echo',
        headers: asUac,
      });
    });
  });

  it.each(
    patients.flatMap((patient) =>
      patient.transports.map((transport) => [patient.name, transport, patient] as const),
    ),
  )('%s, over %s', async (name, transport, { check }) => {
    check?.(await running.get(`${name} ${transport}`)!);
  });

  it('leaves no call behind', async () => {
    await gateway.whenEmpty();
    expect(await gateway.calls()).toEqual([]);
  });
});

function expectAt(what: string, atMs: number | undefined, expectedMs: number): void {
  console.log(`${what} after ${atMs} ms`);
  expect(atMs).toBeGreaterThan(expectedMs - 300);
  expect(atMs).toBeLessThan(expectedMs + lateMsMax);
}

/** T1 = 500 ms, doubled each time up to `intervalMsMax`, for 64·T1. RFC 3261 §17.1.2.2, RFC 3262 §3. */
function expectRepeated(
  what: string,
  messages: readonly { readonly atMs: number }[],
  intervalMsMax: number,
): void {
  const expectedMs = [0];
  for (let atMs = 500, intervalMs = 500; atMs < 31_999; ) {
    expectedMs.push(atMs);
    intervalMs = Math.min(intervalMs * 2, intervalMsMax);
    atMs += intervalMs;
  }
  const firstMs = messages[0]?.atMs ?? 0;
  const seenMs = messages.map(({ atMs }) => Math.round(atMs - firstMs));
  console.log(`${what} after ${seenMs.join(', ')} ms`);
  expect(seenMs).toHaveLength(expectedMs.length);
  for (const [index, atMs] of seenMs.entries()) {
    expect(atMs).toBeGreaterThan(expectedMs[index]! - 100);
    expect(atMs).toBeLessThan(expectedMs[index]! + lateMsMax);
  }
}
