import {
  asksNaptr,
  asksSrv,
  defaultPort,
  defaultTransport,
  orderServers,
  type ServerTarget,
  type SipService,
  serverTarget,
  servicesOf,
  usualServices,
} from '../../protocol/sip/server-selection.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import type { Clock } from '../clock.ts';
import { errorCode, GatewayError } from '../errors.ts';
import type { NameService } from './name-service.ts';
import type { SipAddress, SipProtocol } from './session.ts';
import { flowText } from './sip-flow.ts';
import { RecentMap } from './source-limits.ts';
import type { SipDestination } from './stream-connections.ts';

export interface TargetResolverOptions {
  readonly clock: Clock;
  readonly names: NameService;
  /** 0 ≤ x < 1: chooses among servers by weight. */
  random(): number;
}

/** Of one URI: nobody waits for a thirteenth. */
const destinationsMax = 12;
const answersMax = 1_000;
/** Where the DNS names no time to live, and its bounds where it does. */
const ttlMsDefault = 60_000;
const ttlMsMin = 5_000;
const ttlMsMax = 3_600_000;
/** Of questions without an answer: a name server that comes back is soon asked again. */
const ttlMsFailed = 5_000;
/** A server that did not answer is asked last for so long. */
const avoidedMs = 60_000;
const avoidedMax = 1_000;

interface Answer<Found> {
  readonly found: Promise<readonly Found[]>;
  untilMs: number;
}

/** Finds the servers of a URI: NAPTR, SRV, A and AAAA, remembered as long as the DNS allows. RFC 3263 §4. */
export class TargetResolver {
  readonly #options: TargetResolverOptions;
  readonly #answers = new RecentMap<Answer<unknown>>(answersMax);
  readonly #avoided = new RecentMap<number>(avoidedMax);

  constructor(options: TargetResolverOptions) {
    this.#options = options;
  }

  /** Where a request to this URI is sent, in the order to try: at once for an address, after look-ups for a name. Never
   *  empty. Throws `ProtocolError` for a URI that cannot be sent to, rejects with `GatewayError` for a name that nobody
   *  knows. */
  resolve(text: string): readonly SipDestination[] | Promise<readonly SipDestination[]> {
    const target = serverTarget(parseUri(text));
    if (!target.isAddress) return this.#lookUp(target);
    const protocol = defaultTransport(target);
    return [{ protocol, address: target.host, port: target.port ?? defaultPort(protocol) }];
  }

  /** This server did not answer, or said 503: others of its name come first for a minute. */
  avoid(destination: SipAddress): void {
    this.#avoided.set(flowText(destination), this.#nowMs + avoidedMs);
  }

  async #lookUp(target: ServerTarget): Promise<readonly SipDestination[]> {
    const services = asksSrv(target) ? await this.#services(target) : [];
    const servers = (await Promise.all(services.map((service) => this.#servers(service)))).flat();
    const protocol = defaultTransport(target);
    // No server of a service: the host itself, §4.2.
    if (servers.length === 0) {
      servers.push({ protocol, host: target.host, port: target.port ?? defaultPort(protocol) });
    }
    const failures: unknown[] = [];
    const found = await Promise.all(
      servers.slice(0, destinationsMax).map(async ({ host, ...server }) => {
        const addresses = await this.#addresses(host).catch((error: unknown) => {
          failures.push(error);
          return [];
        });
        const serverName = target.domain ?? target.host;
        return addresses.map((address) => ({ ...server, address, serverName }));
      }),
    );
    const destinations = found.flat().slice(0, destinationsMax);
    if (destinations.length === 0) throw unknownHost(target.host, failures[0]);
    return this.#inOrder(destinations);
  }

  /** Those with servers, as far as the DNS says. */
  async #services(target: ServerTarget): Promise<readonly SipService[]> {
    if (!asksNaptr(target)) return usualServices(target);
    const { naptr } = this.#options.names;
    const records = await this.#ask(`naptr ${target.host}`, naptr && (() => naptr(target.host)));
    const services = servicesOf(records, target);
    return services.length > 0 ? services : usualServices(target);
  }

  async #servers({
    transport,
    name,
  }: SipService): Promise<{ protocol: SipProtocol; host: string; port: number }[]> {
    const { names, random } = this.#options;
    const records = await this.#ask(`srv ${name}`, names.srv && (() => names.srv!(name)));
    return orderServers(records, random).map(({ name: host, port }) => ({ protocol: transport, host, port }));
  }

  #addresses(host: string): Promise<readonly string[]> {
    const { names } = this.#options;
    return this.#remember(`addresses ${host}`, async (answer) => {
      const { found, ttlMs = ttlMsDefault } = await names.addresses(host);
      answer.untilMs = this.#nowMs + Math.min(ttlMsMax, Math.max(ttlMsMin, ttlMs));
      return found;
    });
  }

  /** A name server that does not answer, or knows nothing, is no reason not to try the next way. */
  #ask<Found>(
    name: string,
    question: (() => Promise<readonly Found[]>) | undefined,
  ): Promise<readonly Found[]> {
    if (question === undefined) return Promise.resolve([]);
    return this.#remember(name, question).catch(() => []);
  }

  /** Asked once at a time, and not again while the answer holds. */
  #remember<Found>(
    key: string,
    ask: (answer: Answer<Found>) => Promise<readonly Found[]>,
  ): Promise<readonly Found[]> {
    const known = this.#answers.get(key) as Answer<Found> | undefined;
    if (known !== undefined && known.untilMs > this.#nowMs) return known.found;
    const answer: { found: Promise<readonly Found[]>; untilMs: number } = {
      found: Promise.resolve([]),
      untilMs: this.#nowMs + ttlMsDefault,
    };
    answer.found = ask(answer);
    answer.found.catch(() => {
      answer.untilMs = this.#nowMs + ttlMsFailed;
    });
    this.#answers.set(key, answer);
    return answer.found;
  }

  #inOrder(destinations: readonly SipDestination[]): readonly SipDestination[] {
    const isAvoided = (destination: SipAddress): boolean =>
      (this.#avoided.get(flowText(destination)) ?? 0) > this.#nowMs;
    return [...destinations.filter((each) => !isAvoided(each)), ...destinations.filter(isAvoided)];
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}

function unknownHost(host: string, cause: unknown): GatewayError {
  const why = cause === undefined ? 'no address' : errorCode(cause);
  return new GatewayError('ENOTFOUND', `cannot look up ${host} (${why})`, { cause });
}
