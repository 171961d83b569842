import type { SipHeader, SipResponse } from '../../protocol/sip/message.ts';
import { Registration, type RegistrationState } from '../../protocol/sip/registration.ts';
import type { RequestSeries } from '../../protocol/sip/request-series.ts';
import { parseUri, serializeUri } from '../../protocol/sip/uri.ts';
import { escapeText } from '../../protocol/sip/uri-escape.ts';
import type { Clock } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { UserAgent } from './session.ts';

export interface TrunkOptions {
  readonly name: string;
  /** Of the carrier or PBX; its user part is not used. */
  readonly uri: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly register: boolean;
}

export interface TrunksOptions {
  readonly userAgent: Pick<UserAgent, 'request' | 'createSeries'>;
  readonly clock: Clock;
  readonly log: {
    info(fields: object, sentence: string): void;
    warn(fields: object, sentence: string): void;
  };
  readonly expiresSeconds?: number;
  readonly random?: () => number;
  /** Whether the carrier knows where we are. */
  changed(trunk: string, registered: boolean): void;
}

/** A trunk, as people see it. */
export interface TrunkView {
  readonly name: string;
  readonly uri: string;
  readonly state: 'unregistered' | RegistrationState['state'];
  /** What is left of the registration. */
  readonly expiresSeconds: number | undefined;
  /** `403 Forbidden`: why it is failing. */
  readonly failure: string | undefined;
}

const expiresSecondsDefault = 600;

/** The trunks of the configuration, and the registrations that some of them ask for. */
export class Trunks {
  readonly #registered: readonly TrunkRegistration[];
  readonly #others: readonly TrunkOptions[];

  constructor(trunks: readonly TrunkOptions[], options: TrunksOptions) {
    this.#registered = trunks
      .filter(({ register }) => register)
      .map((trunk) => new TrunkRegistration(trunk, options));
    this.#others = trunks.filter(({ register }) => !register);
  }

  start(): void {
    for (const trunk of this.#registered) trunk.run();
  }

  list(): TrunkView[] {
    return [
      ...this.#registered.map((trunk) => trunk.view()),
      ...this.#others.map(({ name, uri }) => ({
        name,
        uri,
        state: 'unregistered' as const,
        expiresSeconds: undefined,
        failure: undefined,
      })),
    ];
  }

  /** Tells the registrars that we go; resolves when all have heard it, or cannot be reached. */
  async close(): Promise<void> {
    await Promise.all(this.#registered.map((trunk) => trunk.close()));
  }
}

class TrunkRegistration {
  readonly #trunk: TrunkOptions;
  readonly #options: TrunksOptions;
  readonly #registration: Registration;
  readonly #timer: DeadlineTimer;
  readonly #registrar: string;
  readonly #series: RequestSeries;
  #contact = '';
  #sending: Promise<void> = Promise.resolve();

  constructor(trunk: TrunkOptions, options: TrunksOptions) {
    this.#trunk = trunk;
    this.#options = options;
    const { clock, random = Math.random, expiresSeconds = expiresSecondsDefault } = options;
    this.#registration = new Registration({ expiresSeconds, random }, clock.nowMs());
    this.#timer = new DeadlineTimer(clock, () => this.run());
    const uri = parseUri(trunk.uri);
    // RFC 3261 §10.2: the Request-URI is the registrar's domain alone, To the address that is registered there.
    this.#registrar = serializeUri({ ...uri, user: undefined, password: undefined, headers: [] });
    const own = serializeUri({
      scheme: uri.scheme,
      user: trunk.username,
      host: uri.host,
      parameters: new Map(),
      headers: [],
    });
    const { username, password } = trunk;
    this.#series = options.userAgent.createSeries({
      from: own,
      to: own,
      ...(username !== undefined && { credentials: { username, password: password ?? '' } }),
    });
  }

  view(): TrunkView {
    const { name, uri } = this.#trunk;
    const { state } = this.#registration;
    const untilMs = 'untilMs' in state ? state.untilMs : undefined;
    const leftMs = untilMs === undefined ? undefined : untilMs - this.#options.clock.nowMs();
    return {
      name,
      uri,
      state: state.state,
      expiresSeconds: leftMs === undefined || leftMs <= 0 ? undefined : Math.round(leftMs / 1_000),
      failure: state.state === 'failing' ? `${state.status} ${state.reason}` : undefined,
    };
  }

  /** Sends what is due, and waits for what comes next. */
  run(): void {
    const { clock } = this.#options;
    const expiresSeconds = this.#registration.expire(clock.nowMs());
    if (expiresSeconds !== undefined) this.#sending = this.#register(expiresSeconds);
    this.#timer.arm(this.#registration.deadlineMs);
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    if (!this.#registration.close()) return;
    // One that is under way would undo the farewell if it came later.
    await this.#sending;
    await this.#send(0).catch(() => {});
    this.#options.changed(this.#trunk.name, false);
    this.#options.log.info({ trunk: this.#trunk.name }, 'trunk unregistered');
  }

  async #register(expiresSeconds: number): Promise<void> {
    const { clock, log } = this.#options;
    const before = this.#registration.state.state;
    let response: SipResponse;
    try {
      response = await this.#send(expiresSeconds);
    } catch (error) {
      log.warn({ trunk: this.#trunk.name, err: error }, 'trunk cannot be registered');
      return;
    }
    this.#registration.receive(response, this.#contact, clock.nowMs());
    const { state } = this.#registration;
    if (state.state !== 'closed') this.#report(before, state);
    this.run();
  }

  #send(expiresSeconds: number): Promise<SipResponse> {
    const { userAgent } = this.#options;
    return userAgent.request({
      method: 'REGISTER',
      target: this.#registrar,
      series: this.#series,
      contactUser: escapeText(this.#trunk.username ?? '', 'user'),
      headers: (contact): SipHeader[] => {
        this.#contact = contact;
        return [
          { name: 'Contact', value: contact },
          { name: 'Expires', value: String(expiresSeconds) },
        ];
      },
    });
  }

  #report(before: RegistrationState['state'], state: RegistrationState): void {
    const { log, changed } = this.#options;
    const trunk = this.#trunk.name;
    const holds = state.state === 'registered' || ('untilMs' in state && state.untilMs !== undefined);
    changed(trunk, holds);
    if (state.state === 'registered' && before !== 'registered') {
      log.info({ trunk, expiresSeconds: this.view().expiresSeconds }, 'trunk registered');
    } else if (state.state === 'failing') {
      const { status, reason, failures } = state;
      log.warn({ trunk, status, reason, failures, registered: holds }, 'trunk does not register');
    }
  }
}
