import { afterAll, describe, expect, it } from 'vitest';
import type { CallReport } from '../../gateway/cli/call-report.ts';
import { mainFile } from '../support/peers/gateway-process.ts';
import { Processes, tail } from '../support/peers/processes.ts';
import { messagesOf, type SippServerRun, sipp, startSippServer } from '../support/peers/sipp.ts';

/** `callwire call` against sipp as the one that is called. */

interface Outcome {
  readonly status: number | undefined;
  readonly report: CallReport;
  /** What sipp saw. */
  readonly log: string;
}

interface Refusal {
  readonly status: string;
  readonly headers?: readonly string[];
}

const refusals: readonly Refusal[] = [
  { status: '302 Moved Temporarily', headers: ['Contact: <sip:elsewhere@127.0.0.1:9>'] },
  { status: '404 Not Found' },
  // It does not say what would do.
  { status: '422 Session Interval Too Small' },
  { status: '486 Busy Here', headers: ['Reason: Q.850;cause=17'] },
  { status: '503 Service Unavailable', headers: ['Retry-After: 30'] },
  { status: '603 Decline' },
];

/** What sipp does with credentials. */
const computesAgain = '<verifyauth assign_to="right" username="bob" password="builder"/>';
const looksAtNonce =
  '<ereg regexp="Digest .*username=.bob.*nonce=.(first|second)" search_in="hdr" header="Proxy-Authorization:" check_it="true" assign_to="right"/>';

describe.skipIf(sipp.missing)(`sipp is called${sipp.skipped}`, () => {
  const processes = new Processes();
  afterAll(() => processes.endAll());

  async function call(run: SippServerRun, args: readonly string[] = []): Promise<Outcome> {
    // What comes late is to be seen; but our connection ends with the process, which sipp takes for a failure.
    const rest = run.transport === 'udp' ? '<pause milliseconds="300"/>' : '';
    const server = await startSippServer(processes, { ...run, values: { rest, ...run.values } });
    const target = `sip:callee@${server.address};transport=${run.transport}`;
    const given = ['--codec', 'pcmu', '--duration', '1', '--ring-timeout', '5', '--json', ...args];
    const { status, stdout, stderr } = await processes.run(
      process.execPath,
      [mainFile, 'call', target, ...given],
      { limitMs: 70_000 },
    );
    if (!stdout.startsWith('{')) throw new Error(`callwire call gave no report\n${tail(stderr)}`);
    return { status, report: JSON.parse(stdout) as CallReport, log: await server.ended };
  }

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it('rings, answers, and is hung up by us', async () => {
      const { status, report } = await call({ scenario: 'callee-answers', transport });
      expect({ status, outcome: report.outcome, codec: report.codec, endedBy: report.endedBy }).toEqual({
        status: 0,
        outcome: 'completed',
        codec: 'pcmu',
        endedBy: 'phone',
      });
      expect(report.ringingMs).toBeDefined();
    });

    it('answers, and hangs up with a reason', async () => {
      const { status, report } = await call({ scenario: 'callee-hangs-up', transport }, ['--duration', '10']);
      expect({ status, endedBy: report.endedBy }).toEqual({ status: 0, endedBy: 'farSide' });
      expect(report.reasonHeader).toContain('had enough');
    });

    it.each(refusals)('refuses with $status', async ({ status: text, headers = [] }) => {
      const { status, report } = await call({
        scenario: 'callee-refuses',
        transport,
        headers,
        values: { status: text },
      });
      expect({ status, answer: report.status }).toEqual({ status: 2, answer: Number.parseInt(text, 10) });
    });

    it('rings until we give up: CANCEL, 487, ACK', async () => {
      const { status, report } = await call({ scenario: 'callee-never-answers', transport }, [
        '--ring-timeout',
        '1',
      ]);
      expect({ status, outcome: report.outcome }).toEqual({ status: 3, outcome: 'cancelled' });
    });

    it.each([
      { status: '401 Unauthorized', where: 'WWW-Authenticate', verify: computesAgain },
      // It checks what is for servers alone.
      { status: '407 Proxy Authentication Required', where: 'Proxy-Authenticate', verify: looksAtNonce },
    ])('challenges with $status, again as the nonce is stale, and takes the credentials', async (values) => {
      const { status } = await call({ scenario: 'callee-challenges', transport, values }, [
        ...['--user', 'bob', '--password', 'builder'],
      ]);
      expect(status).toBe(0);
    });

    it('is told wrong credentials once, and no more often', async () => {
      const { status, report } = await call(
        {
          scenario: 'callee-challenges-again',
          transport,
          values: { status: '401 Unauthorized', where: 'WWW-Authenticate' },
        },
        ['--user', 'bob', '--password', 'wrecker'],
      );
      expect({ status, answer: report.status }).toEqual({ status: 2, answer: 401 });
    });

    it('sends 183 with the answer and 180, both reliably, and gets a PRACK for each', async () => {
      const { status, report } = await call({ scenario: 'callee-rings-reliably', transport });
      expect({ status, codec: report.codec }).toEqual({ status: 0, codec: 'pcmu' });
    });

    it('is two phones that both answer: the second is acknowledged and hung up', async () => {
      const { status } = await call({ scenario: 'callee-forks', transport });
      expect(status).toBe(0);
    });

    it('holds with re-INVITE, resumes with UPDATE, and is refused a codec that nobody has', async () => {
      const { status } = await call({ scenario: 'callee-holds', transport }, ['--duration', '2']);
      expect(status).toBe(0);
    });

    it('repeats its 200, and each time gets the ACK again', async () => {
      const { status, log } = await call({ scenario: 'callee-repeats', transport }, ['--duration', '2']);
      expect(status).toBe(0);
      expect(messagesOf(log, /^ACK /)).toHaveLength(3);
    });
  });

  it('wants longer sessions with 422, and answers who asks for one', async () => {
    for (const transport of ['udp', 'tcp'] as const) {
      const { status } = await call({ scenario: 'callee-wants-longer', transport });
      expect(status).toBe(0);
    }
  });

  it('is refreshed by us after 45 of 90 s', async () => {
    const outcomes = (['udp', 'tcp'] as const).map((transport) =>
      call({ scenario: 'callee-is-refreshed', transport, limitMs: 70_000 }, ['--duration', '48']),
    );
    for (const { status } of await Promise.all(outcomes)) expect(status).toBe(0);
  });

  it('says nothing: INVITE after 0.5, 1, 2, 4 … s for 32 s, then it counts as not reached', async () => {
    const { status, report, log } = await call(
      { scenario: 'callee-is-silent', transport: 'udp', pauseMs: 34_000, limitMs: 40_000 },
      ['--ring-timeout', '60'],
    );
    expect({ status, outcome: report.outcome }).toEqual({ status: 3, outcome: 'unreachable' });
    const sent = messagesOf(log, /^INVITE /).map(({ atMs }) => atMs);
    console.log(`INVITE after ${sent.join(', ')} ms`);
    expect(sent).toHaveLength(7);
    for (const [index, atMs] of sent.entries()) {
      const expectedMs = 500 * (2 ** index - 1);
      expect(atMs).toBeGreaterThan(expectedMs - 100);
      expect(atMs).toBeLessThan(expectedMs + 900);
    }
  });
});
