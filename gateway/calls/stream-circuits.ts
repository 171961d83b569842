import type { Clock } from '../clock.ts';

/** So many failures one after the other, and an endpoint is left alone for a while. */
const failuresMax = 5;
const openMsMin = 5_000;
const openMsMax = 60_000;
/** Endpoints that are failing; of more the one that failed longest ago is forgotten. */
const endpointsMax = 1_000;

interface Circuit {
  failures: number;
  /** Nobody tries before this. */
  openUntilMs: number;
  openMs: number;
  /** Somebody is trying whether it is back. */
  probing: boolean;
}

export interface StreamCircuitsOptions {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Once each time one opens or closes again. */
  readonly changed: (endpoint: string, state: 'open' | 'closed', failures: number) => void;
}

/** A circuit breaker for each stream endpoint, shared by all calls: after five failures one after the other nobody tries
 *  it for five seconds, then one call does; where that fails too, twice as long, up to a minute. So a server that is down
 *  costs a caller no connect timeout, and one that comes back is not run over. */
export class StreamCircuits {
  readonly #options: StreamCircuitsOptions;
  /** Those that failed since they last worked, the one that failed longest ago first. */
  readonly #failing = new Map<string, Circuit>();

  constructor(options: StreamCircuitsOptions) {
    this.#options = options;
  }

  /** Whether to try it now. Who is told yes says how it went with `succeeded`, `failed` or `released`. */
  admits(endpoint: string): boolean {
    const circuit = this.#failing.get(circuitOf(endpoint));
    if (circuit === undefined || circuit.failures < failuresMax) return true;
    if (circuit.probing || this.#options.clock.nowMs() < circuit.openUntilMs) return false;
    circuit.probing = true;
    return true;
  }

  /** The upgrade came through, whatever the server said then. */
  succeeded(endpoint: string): void {
    const name = circuitOf(endpoint);
    const circuit = this.#failing.get(name);
    this.#failing.delete(name);
    if (circuit !== undefined && circuit.failures >= failuresMax) this.#options.changed(name, 'closed', 0);
  }

  failed(endpoint: string): void {
    const name = circuitOf(endpoint);
    const nowMs = this.#options.clock.nowMs();
    const circuit = this.#failing.get(name) ?? {
      failures: 0,
      openUntilMs: 0,
      openMs: openMsMin / 2,
      probing: false,
    };
    this.#failing.delete(name);
    this.#failing.set(name, circuit);
    circuit.failures++;
    if (circuit.failures === failuresMax || circuit.probing) {
      circuit.openMs = Math.min(circuit.openMs * 2, openMsMax);
      circuit.openUntilMs = nowMs + circuit.openMs;
      if (!circuit.probing) this.#options.changed(name, 'open', circuit.failures);
    }
    circuit.probing = false;
    const [oldest] = this.#failing.keys();
    if (this.#failing.size > endpointsMax && oldest !== undefined) this.#failing.delete(oldest);
  }

  /** Tried, and given up before it was known: the caller hung up. */
  released(endpoint: string): void {
    const circuit = this.#failing.get(circuitOf(endpoint));
    if (circuit !== undefined) circuit.probing = false;
  }
}

/** Without the query, which may differ from call to call, and without credentials. */
function circuitOf(endpoint: string): string {
  return endpoint.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//');
}
