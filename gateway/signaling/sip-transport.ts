import { once } from 'node:events';
import { connect as connectTcp, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { SipMessage, SipResponse } from '../../protocol/sip/message.ts';
import { parseMessage, SipParseError } from '../../protocol/sip/parse.ts';
import { responsePort } from '../../protocol/sip/response-target.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import type { Clock } from '../clock.ts';
import { errorMessage, GatewayError } from '../errors.ts';
import type { Network, UdpSocket } from '../network.ts';
import { LocalAddresses } from './local-address.ts';
import type { SipAddress } from './session.ts';
import { flowText, isWildcard, type SipFlow, withoutMapping } from './sip-flow.ts';
import { StreamConnection } from './stream-connection.ts';

export interface SipTls {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Authorities that connections of ours trust besides the system's. */
  readonly ca?: string | Buffer;
}

export interface SipDestination extends SipAddress {
  /** The name that the certificate must carry, where the address came from one. */
  readonly serverName?: string;
}

export interface SipTransportOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly listen: readonly SipAddress[];
  readonly tls?: SipTls | undefined;
  /** TCP and TLS, both ways; those beyond are closed at once. */
  readonly connectionsMax: number;
  readonly localAddressFor: (peer: string) => Promise<string>;
  received(message: SipMessage, flow: SipFlow): void;
  /** No SIP message; `error.partial` may be worth an answer. */
  rejected(error: SipParseError, flow: SipFlow): void;
  /** A connection is gone. */
  closed(flow: SipFlow): void;
  /** False: whoever connects from there is not spoken to. */
  acceptsConnection(address: string): boolean;
  counted(code: string): void;
  traced(direction: 'in' | 'out', message: SipMessage, peer: SipAddress): void;
}

interface UdpListener {
  readonly socket: UdpSocket;
  readonly local: SipAddress;
}

const connectMs = 10_000;
/** Bursts of signalling are absorbed by the socket, not lost. */
const receiveBufferBytes = 2_000_000;

/** SIP over UDP, TCP and TLS: sockets, framing, connection reuse, where responses go. */
export class SipTransport {
  readonly listening: SipAddress[] = [];
  readonly #options: SipTransportOptions;
  readonly #localAddresses: LocalAddresses;
  readonly #udp: UdpListener[] = [];
  readonly #servers: Server[] = [];
  readonly #connections = new Map<string, StreamConnection>();
  readonly #connecting = new Map<string, Promise<SipFlow>>();
  /** Accepted, not yet through the TLS handshake. */
  readonly #sockets = new Set<Socket>();
  #open = true;

  constructor(options: SipTransportOptions) {
    this.#options = options;
    this.#localAddresses = new LocalAddresses(options.clock, options.localAddressFor);
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

  get connections(): number {
    return this.#connections.size;
  }

  send(message: SipMessage, flow: SipFlow, bytes: Uint8Array = serializeMessage(message)): void {
    this.#options.traced('out', message, flow.remote);
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
   *  port is used again. `like`: prefers the UDP socket of this flow. */
  withFlow(
    destination: SipDestination,
    use: (flow: SipFlow) => void,
    failed: (error: GatewayError) => void,
    like?: SipFlow,
  ): void {
    let flow: SipFlow | Promise<SipFlow>;
    try {
      flow = this.#flowTo(destination, like);
    } catch (error) {
      return failed(asGatewayError(error, destination));
    }
    if (!(flow instanceof Promise)) return use(flow);
    flow.then(
      (ready) => (this.#open ? use(ready) : undefined),
      (error: unknown) => failed(asGatewayError(error, destination)),
    );
  }

  #flowTo(destination: SipDestination, like: SipFlow | undefined): SipFlow | Promise<SipFlow> {
    if (!this.#open) throw new GatewayError('CLOSED', 'the user agent is closed');
    if (destination.protocol !== 'udp') return this.#connectionTo(destination);
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
    for (const connection of [...this.#connections.values()]) connection.close('the user agent is closed');
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen({ protocol, address, port }: SipAddress): Promise<SipAddress> {
    return protocol === 'udp' ? this.#listenUdp(address, port) : this.#listenStream(protocol, address, port);
  }

  async #listenUdp(address: string, port: number): Promise<SipAddress> {
    let receive: (datagram: Uint8Array, from: string, fromPort: number) => void = () => {};
    const socket = await this.#options.network.openUdp({ address, port, receiveBufferBytes }, (...datagram) =>
      receive(...datagram),
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

  async #listenStream(protocol: 'tcp' | 'tls', address: string, port: number): Promise<SipAddress> {
    const { tls } = this.#options;
    if (protocol === 'tls' && tls === undefined) {
      throw new GatewayError('NO_CERTIFICATE', 'a tls listener needs a certificate and its key');
    }
    const accept = (socket: Socket): void => this.#accept(socket, protocol);
    const server =
      protocol === 'tcp'
        ? createServer(accept)
        : createTlsServer({ cert: tls!.cert, key: tls!.key, handshakeTimeout: connectMs }, accept);
    server.on('connection', (socket) => this.#limit(socket));
    server.on('tlsClientError', () => this.#options.counted('tls-handshake-failed'));
    server.listen(port, address);
    await once(server, 'listening');
    server.on('error', () => this.#options.counted('accept-failed'));
    this.#servers.push(server);
    const bound = server.address();
    const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
    return { protocol, address, port: boundPort };
  }

  #limit(socket: Socket): void {
    if (!this.#options.acceptsConnection(withoutMapping(socket.remoteAddress ?? ''))) {
      socket.destroy();
      return;
    }
    if (this.#sockets.size >= this.#options.connectionsMax) {
      this.#options.counted('connection-limit');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #accept(socket: Socket, protocol: 'tcp' | 'tls'): void {
    if (!socket.destroyed && socket.remoteAddress !== undefined) this.#adopt(socket, protocol, true);
  }

  #adopt(socket: Socket, protocol: 'tcp' | 'tls', inbound: boolean, key?: string): StreamConnection {
    const connection = new StreamConnection({
      socket,
      protocol,
      inbound,
      listeningPort: this.listening.find((listener) => listener.protocol === protocol)?.port,
      clock: this.#options.clock,
      handlers: {
        received: (bytes, flow) => this.#receive(bytes, flow),
        broken: (error, flow) => this.#options.rejected(error, flow),
        counted: (code) => this.#options.counted(code),
        closed: (flow) => {
          if (this.#connections.get(name) === connection) this.#connections.delete(name);
          this.#options.closed(flow);
        },
      },
    });
    const name = key ?? flowText(connection.remote);
    this.#connections.set(name, connection);
    return connection;
  }

  #connectionTo(destination: SipDestination): SipFlow | Promise<SipFlow> {
    const { protocol, serverName } = destination;
    // A connection that was verified for one name is not trusted for another.
    const name =
      flowText(destination) + (protocol === 'tls' && serverName !== undefined ? `#${serverName}` : '');
    const open = this.#connections.get(name);
    if (open?.open) return open;
    const pending = this.#connecting.get(name);
    if (pending !== undefined) return pending;
    if (this.#connections.size + this.#connecting.size >= this.#options.connectionsMax) {
      this.#options.counted('connection-limit');
      throw new GatewayError('CONNECTION_LIMIT', `no more than ${this.#options.connectionsMax} connections`);
    }
    const connecting = this.#connect(destination, name).finally(() => this.#connecting.delete(name));
    this.#connecting.set(name, connecting);
    return connecting;
  }

  #connect({ protocol, address, port, serverName }: SipDestination, name: string): Promise<SipFlow> {
    const socket =
      protocol === 'tls'
        ? connectTls({
            host: address,
            port,
            ...(serverName === undefined ? {} : { servername: serverName }),
            ...(this.#options.tls?.ca === undefined ? {} : { ca: this.#options.tls.ca }),
          })
        : connectTcp({ host: address, port });
    this.#sockets.add(socket);
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(connectMs, () => {
        socket.destroy(new GatewayError('ETIMEDOUT', `no connection within ${connectMs} ms`));
      });
      socket.once('error', (error) => {
        timer.cancel();
        reject(error);
      });
      socket.once('close', () => {
        timer.cancel();
        this.#sockets.delete(socket);
        reject(new GatewayError('CLOSED', 'the connection was closed before it was ready'));
      });
      socket.once(protocol === 'tls' ? 'secureConnect' : 'connect', () => {
        timer.cancel();
        resolve(this.#adopt(socket, protocol === 'tls' ? 'tls' : 'tcp', false, name));
      });
    });
  }

  #receive(bytes: Uint8Array, flow: SipFlow): void {
    let message: SipMessage;
    try {
      message = parseMessage(bytes);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      return this.#options.rejected(error, flow);
    }
    this.#options.traced('in', message, flow.remote);
    this.#options.received(message, flow);
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
