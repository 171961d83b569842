import type { Call } from '../../../gateway/calls/call.ts';
import type { LegDigit } from '../../../gateway/calls/sip-leg-options.ts';
import { type ConfigInput, defaultConfig } from '../../../gateway/config.ts';
import { type Gateway, type GatewayIo, startGateway } from '../../../gateway/gateway.ts';
import { createLog } from '../../../gateway/log.ts';
import type { Referral } from '../../../gateway/signaling/session.ts';

/** A gateway as a program has it that embeds the library: real sockets and media workers, and what happens in calls. */

export interface WatchedGateway {
  readonly gateway: Gateway;
  readonly udp: string;
  readonly tcp: string;
  /** In the order of their answers, also those that are over. */
  readonly answered: readonly Call[];
  readonly digits: readonly LegDigit[];
  readonly held: readonly boolean[];
  readonly referrals: readonly Referral[];
  /** Resolves when no call is left; rejects after three seconds. */
  whenEmpty(): Promise<void>;
}

export async function startWatchedGateway(
  config: ConfigInput,
  watching: Pick<NonNullable<GatewayIo['watching']>, 'referred' | 'requested'> = {},
): Promise<WatchedGateway> {
  const answered: Call[] = [];
  const digits: LegDigit[] = [];
  const held: boolean[] = [];
  const referrals: Referral[] = [];
  const whole = defaultConfig({
    ...config,
    sip: { listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], ...config.sip },
    rtp: { address: '127.0.0.1', ports: [0, 0], ...config.rtp },
    http: { listen: '127.0.0.1:0' },
    media: { workers: 1 },
  });
  const gateway = await startGateway(whole, {
    log: createLog({ level: 'silent' }),
    watching: {
      ...watching,
      answered: (call) => answered.push(call),
      digit: (_call, digit) => digits.push(digit),
      held: (_call, on) => held.push(on),
      referred: (call, referral) => {
        referrals.push(referral);
        return watching.referred?.(call, referral) ?? { status: 603 };
      },
    },
  });
  const listener = (protocol: string): string =>
    gateway.listening.sip.find((text) => text.startsWith(`${protocol}:`))?.slice(protocol.length + 1) ?? '';
  return {
    gateway,
    udp: listener('udp'),
    tcp: listener('tcp'),
    answered,
    digits,
    held,
    referrals,
    whenEmpty: () => until('no call is left', () => gateway.activeCalls === 0, 3_000),
  };
}

/** Looks again every 20 ms; rejects where it does not come true in time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
