import { isIPv6 } from 'node:net';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { headerValue, type SipMessage, type SipResponse } from '../../protocol/sip/message.ts';
import { parseMessage, SipParseError } from '../../protocol/sip/parse.ts';
import { responsePort } from '../../protocol/sip/response-target.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import { parseVia } from '../../protocol/sip/via.ts';
import type { Clock } from '../clock.ts';
import { errorMessage, GatewayError } from '../errors.ts';
import type { Network, UdpSocket } from '../network.ts';
import { LocalAddresses } from './local-address.ts';
import type { SipAddress } from './session.ts';
import { flowText, isWildcard, type SipFlow, withoutMapping } from './sip-flow.ts';
import type { SipTls } from './sip-tls.ts';
import { type SipDestination, StreamConnections } from './stream-connections.ts';

export interface SipTransportOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly listen: readonly SipAddress[];
  readonly tls?: SipTls | undefined;
  /** TCP and TLS, both ways; those beyond are closed at once. */
  readonly connectionsMax: number;
  readonly connectionsPerSourceMax: number;
  /** 0 ≤ x < 1. */
  random(): number;
  readonly localAddressFor: (peer: string) => Promise<string>;
  received(message: SipMessage, flow: SipFlow): void;
  /** No SIP message; `error.partial` may be worth an answer. */
  rejected(error: SipParseError, flow: SipFlow): void;
  /** A connection is gone. */
  closed(flow: SipFlow): void;
  /** Something needs this connection: it is held open however long it is silent. */
  inUse(flow: SipFlow): boolean;
  /** False: whoever connects from there is not spoken to. */
  acceptsConnection(address: string): boolean;
  counted(code: string): void;
  traced(direction: 'in' | 'out', message: SipMessage, flow: SipFlow): void;
}

interface UdpListener {
  readonly socket: UdpSocket;
  readonly local: SipAddress;
}

/** Bursts of signalling are absorbed by the socket, not lost. */
const receiveBufferBytes = 2_000_000;

/** SIP over UDP, TCP and TLS: which socket or connection a message takes, and where responses go. */
export class SipTransport {
  readonly listening: SipAddress[] = [];
  readonly #options: SipTransportOptions;
  readonly #localAddresses: LocalAddresses;
  readonly #udp: UdpListener[] = [];
  readonly #streams: StreamConnections;
  #open = true;

  constructor(options: SipTransportOptions) {
    this.#options = options;
    this.#localAddresses = new LocalAddresses(options.clock, options.localAddressFor);
    this.#streams = new StreamConnections({
      ...options,
      listeningPort: (protocol, address) => this.#listeningPort(protocol, address),
      received: (bytes, flow) => this.#receive(bytes, flow),
    });
  }

  /** Binds every listener. Rejects with the system's error (`EADDRINUSE`), having closed those already bound. */
  async listen(): Promise<void> {
    try {
      for (const address of this.#options.listen) this.listening.push(await this.#listen(address));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** For connections to come. Throws where certificate and key do not fit, having changed nothing. */
  reloadTls(tls: SipTls): void {
    this.#streams.reloadTls(tls);
  }

  get connections(): number {
    return this.#streams.size;
  }

  send(message: SipMessage, flow: SipFlow, bytes: Uint8Array = serializeMessage(message)): void {
    this.#options.traced('out', message, flow);
    flow.send(bytes);
  }

  /** RFC 3261 §18.2.2, RFC 3581: back on the flow of the request; where that is closed, on a new connection to the
   *  address in Via. `bytes`: the response, written in another way than usual. */
  respond(response: SipResponse, flow: SipFlow, bytes?: Uint8Array): void {
    const port = responsePort(response, { port: flow.remote.port, reliable: flow.reliable });
    if (port === undefined) return this.#options.counted('bad-response-target');
    if (flow.reliable ? flow.open : port === flow.remote.port) return this.send(response, flow, bytes);
    const remote = { ...flow.remote, port };
    const listener = this.#udpListener(remote, flow);
    if (!flow.reliable && listener !== undefined) {
      return this.send(response, udpFlow(listener.socket, listener.local, remote), bytes);
    }
    const undeliverable = (): void => this.#options.counted('response-undeliverable');
    this.withFlow(remote, (other) => this.send(response, other, bytes), undeliverable);
  }

  /** Calls `use` with a flow to `destination`, in this turn if one is there. An open connection to that address and
   *  port is used again. `like`: prefers the UDP socket of this flow. `limitMs`: until it is connected. */
  withFlow(
    destination: SipDestination,
    use: (flow: SipFlow) => void,
    failed: (error: GatewayError) => void,
    { like, limitMs }: { readonly like?: SipFlow | undefined; readonly limitMs?: number } = {},
  ): void {
    let flow: SipFlow | Promise<SipFlow>;
    try {
      flow = this.#flowTo(destination, like, limitMs);
    } catch (error) {
      return failed(asGatewayError(error, destination));
    }
    if (!(flow instanceof Promise)) return use(flow);
    flow.then(
      (ready) => (this.#open ? use(ready) : undefined),
      (error: unknown) => failed(asGatewayError(error, destination)),
    );
  }

  #flowTo(
    destination: SipDestination,
    like: SipFlow | undefined,
    limitMs: number | undefined,
  ): SipFlow | Promise<SipFlow> {
    if (!this.#open) throw new GatewayError('CLOSED', 'the user agent is closed');
    if (destination.protocol !== 'udp') return this.#streams.to(destination, limitMs);
    const listener = this.#udpListener(destination, like);
    if (listener === undefined) {
      const family = isIPv6(destination.address) ? 'IPv6' : 'IPv4';
      throw new GatewayError('NO_LISTENER', `no UDP listener for ${family}: ${flowText(destination)}`);
    }
    const { protocol, address, port } = destination;
    return this.resolveLocal(udpFlow(listener.socket, listener.local, { protocol, address, port }));
  }

  /** The socket of `like`, else the first of the right family, else one that is open for both. */
  #udpListener({ address }: SipAddress, like: SipFlow | undefined): UdpListener | undefined {
    const ofFamily = ({ local }: UdpListener): boolean => isIPv6(local.address) === isIPv6(address);
    return (
      this.#udp.find(
        (listener) =>
          like?.protocol === 'udp' && listener.local.port === like.local.port && ofFamily(listener),
      ) ??
      this.#udp.find(ofFamily) ??
      this.#udp.find(({ local }) => local.address === '::')
    );
  }

  /** The flow with the address of ours that the peer sees, at once where it is known. */
  resolveLocal(flow: SipFlow): SipFlow | Promise<SipFlow> {
    if (!isWildcard(flow.local.address)) return flow;
    const address = this.#localAddresses.for(flow.remote.address);
    const withAddress = (found: string): SipFlow => new LocatedFlow(flow, withoutMapping(found));
    return typeof address === 'string' ? withAddress(address) : address.then(withAddress);
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const { socket } of this.#udp) socket.close();
    await this.#streams.close('the user agent is closed');
  }

  /** At that address, else at all addresses of its family, else at all of both. */
  #listeningPort(protocol: 'tcp' | 'tls', address: string): number | undefined {
    const candidates = this.listening.filter((listener) => listener.protocol === protocol);
    const wildcard = isIPv6(address) ? '::' : '0.0.0.0';
    for (const wanted of [address, wildcard, '::']) {
      const found = candidates.find((listener) => listener.address === wanted);
      if (found !== undefined) return found.port;
    }
    return undefined;
  }

  async #listen({ protocol, address, port }: SipAddress): Promise<SipAddress> {
    // A socket on :: would take the port of IPv4 too.
    const ipv6Only =
      address === '::' &&
      this.#options.listen.some(
        (other) => other.protocol === protocol && other.port === port && port !== 0 && !isIPv6(other.address),
      );
    return protocol === 'udp'
      ? this.#listenUdp(address, port, ipv6Only)
      : this.#streams.listen({ protocol, address, port }, ipv6Only);
  }

  async #listenUdp(address: string, port: number, ipv6Only: boolean): Promise<SipAddress> {
    let receive: (datagram: Uint8Array, from: string, fromPort: number) => void = () => {};
    const socket = await this.#options.network.openUdp(
      { address, port, receiveBufferBytes, ipv6Only },
      (...datagram) => receive(...datagram),
    );
    const local: SipAddress = { protocol: 'udp', address: socket.address, port: socket.port };
    receive = (datagram, from, fromPort) => {
      if (isKeepAlive(datagram)) return;
      const remote: SipAddress = { protocol: 'udp', address: withoutMapping(from), port: fromPort };
      this.#receive(datagram, udpFlow(socket, local, remote, datagram.length));
    };
    this.#udp.push({ socket, local });
    return local;
  }

  #receive(bytes: Uint8Array, flow: SipFlow): void {
    let message: SipMessage;
    try {
      message = parseMessage(bytes);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      return this.#options.rejected(error, flow);
    }
    this.#options.traced('in', message, flow);
    if (flow.protocol === 'tls' && message.kind === 'request') this.#takeAlias(message, flow);
    this.#options.received(message, flow);
  }

  /** RFC 5923 §7: `alias` in the top Via. */
  #takeAlias(request: SipMessage, flow: SipFlow): void {
    const text = headerValue(request, 'Via');
    if (text === undefined || !/;\s*alias\b/i.test(text)) return;
    try {
      const { port = 5061, parameters } = parseVia(text);
      if (parameters.has('alias')) this.#streams.addAlias(flow, port);
    } catch (error) {
      // Its answer is the business of whoever checks the request.
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
}

/** The same flow, its wildcard replaced. */
class LocatedFlow implements SipFlow {
  readonly protocol;
  readonly reliable;
  readonly remote;
  readonly local: SipAddress;
  readonly #flow: SipFlow;

  constructor(flow: SipFlow, address: string) {
    this.protocol = flow.protocol;
    this.reliable = flow.reliable;
    this.remote = flow.remote;
    this.local = { ...flow.local, address };
    this.#flow = flow;
  }

  get open(): boolean {
    return this.#flow.open;
  }

  send(bytes: Uint8Array): void {
    this.#flow.send(bytes);
  }
}

function udpFlow(socket: UdpSocket, local: SipAddress, remote: SipAddress, receivedBytes?: number): SipFlow {
  const mapped = isIPv6(local.address) && !isIPv6(remote.address);
  const address = mapped ? `::ffff:${remote.address}` : remote.address;
  return {
    protocol: 'udp',
    reliable: false,
    remote,
    local,
    open: true,
    receivedBytes,
    send: (bytes) => socket.send(bytes, 0, bytes.length, remote.port, address),
  };
}

/** Blank lines and zero bytes hold NAT bindings open (RFC 5626 §3.5, and habit). */
function isKeepAlive(datagram: Uint8Array): boolean {
  return datagram.length <= 4 && datagram.every((byte) => byte === 0x0d || byte === 0x0a || byte === 0);
}

function asGatewayError(error: unknown, destination: SipAddress): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  return new GatewayError(code, `cannot reach ${flowText(destination)}: ${errorMessage(error)}`, {
    cause: error,
  });
}
