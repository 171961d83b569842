import type { SessionTimerSettings } from '../../protocol/sip/session-timer.ts';
import type { SipTimings } from '../../protocol/sip/transaction-tables.ts';
import type { Clock } from '../clock.ts';
import type { Network } from '../network.ts';
import type { AccessOptions } from './admission.ts';
import type { NameService } from './name-service.ts';
import type { SipAddress, UserAgentHandlers } from './session.ts';
import type { SipTls } from './sip-tls.ts';

/** The part of a logger that is used here; pino's fits. */
export interface SignalingLog {
  debug(fields: object, sentence: string): void;
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
}

export interface UserAgentLimits {
  /** Sessions, those included that only wait for a last ACK or response. Beyond it: 503. */
  readonly sessionsMax: number;
  /** Transactions; new server transactions beyond it are refused with 503. */
  readonly transactionsMax: number;
  readonly connectionsMax: number;
  /** Of them, those made from one address (IPv6: one network of 64 bits). */
  readonly connectionsPerSourceMax: number;
}

export interface UserAgentOptions {
  readonly clock: Clock;
  /** UDP. TCP and TLS always use the system's. */
  readonly network: Network;
  /** Port 0 lets the system choose. */
  readonly listen: readonly SipAddress[];
  readonly tls?: SipTls | undefined;
  /** Host in Contact and Via instead of the local address: ours as seen from behind the NAT. */
  readonly externalAddress?: string | undefined;
  readonly userAgentName: string;
  readonly log: SignalingLog;
  readonly handlers: UserAgentHandlers;
  readonly limits?: Partial<UserAgentLimits> | undefined;
  /** Who may begin something here. Default: everybody. */
  readonly access?: AccessOptions | undefined;
  /** Methods outside dialogs, besides those of calls, that `requestedOutside` answers: REGISTER, MESSAGE. */
  readonly methodsServed?: readonly string[] | undefined;
  /** RFC 4028. Default: not spoken. */
  readonly sessionTimer?: SessionTimerSettings | undefined;
  readonly timings?: SipTimings | undefined;
  /** 0 ≤ x < 1, for back-off, tags and branches. Default: the system's. */
  readonly random?: (() => number) | undefined;
  readonly localAddressFor?: ((peer: string) => Promise<string>) | undefined;
  /** Default: the system's. */
  readonly names?: NameService | undefined;
}

export const limitsDefault: UserAgentLimits = {
  sessionsMax: 20_000,
  transactionsMax: 100_000,
  connectionsMax: 4_000,
  connectionsPerSourceMax: 250,
};
