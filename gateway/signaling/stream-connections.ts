import { once } from 'node:events';
import { connect as connectTcp, createServer, isIP, type Server, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { SipParseError } from '../../protocol/sip/parse.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { sourceKey } from './address-ranges.ts';
import type { SipAddress } from './session.ts';
import { flowText, type SipFlow, withoutMapping } from './sip-flow.ts';
import { checkServerName, clientTls, type SipTls, serverTls } from './sip-tls.ts';
import { StreamConnection } from './stream-connection.ts';

export interface SipDestination extends SipAddress {
  /** The name that the certificate must carry, where the address came from one. */
  readonly serverName?: string;
}

export interface StreamConnectionsOptions {
  readonly clock: Clock;
  readonly tls?: SipTls | undefined;
  /** Both ways; those beyond are closed at once. */
  readonly connectionsMax: number;
  /** Of those that came to us, from one address (IPv6: one network of 64 bits). */
  readonly connectionsPerSourceMax: number;
  /** 0 ≤ x < 1: spreads the keep-alives. */
  random(): number;
  /** Where we listen for this protocol at this address of ours, to be named in Via and Contact. */
  listeningPort(protocol: 'tcp' | 'tls', address: string): number | undefined;
  /** Something needs this connection: it is held open however long it is silent. */
  inUse(flow: SipFlow): boolean;
  /** False: whoever connects from there is not spoken to. */
  acceptsConnection(address: string): boolean;
  /** One whole message, not parsed. */
  received(bytes: Uint8Array, flow: SipFlow): void;
  rejected(error: SipParseError, flow: SipFlow): void;
  closed(flow: SipFlow): void;
  counted(code: string): void;
}

/** Until TCP, and TLS over it, are through. */
const connectMsDefault = 10_000;
/** Until the system asks a silent far side whether it is still there. */
const systemKeepAliveMs = 60_000;

/** Every SIP connection over TCP and TLS: listens, connects, and finds the one that leads somewhere, so that it is used
 *  again. RFC 3261 §18, RFC 5923. */
export class StreamConnections {
  readonly #options: StreamConnectionsOptions;
  readonly #servers: Server[] = [];
  readonly #tlsServers: TlsServer[] = [];
  #tls: SipTls | undefined;
  readonly #connections = new Map<string, StreamConnection>();
  /** By the address that the far side says it listens at. */
  readonly #aliases = new Map<string, StreamConnection>();
  readonly #connecting = new Map<string, Promise<SipFlow>>();
  /** All of them, those too that are not through the TLS handshake. */
  readonly #sockets = new Set<Socket>();
  readonly #bySource = new Map<string, number>();

  constructor(options: StreamConnectionsOptions) {
    this.#options = options;
    this.#tls = options.tls;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** `ipv6Only`: leaves IPv4 to another listener at the same port. */
  async listen(
    { protocol, address, port }: SipAddress & { readonly protocol: 'tcp' | 'tls' },
    ipv6Only: boolean,
  ): Promise<SipAddress> {
    const accept = (socket: Socket): void => this.#accept(socket, protocol);
    const server = protocol === 'tcp' ? createServer(accept) : this.#createTlsServer(accept);
    server.on('connection', (socket) => this.#limit(socket));
    server.on('tlsClientError', () => this.#options.counted('tls-handshake-failed'));
    server.listen({ port, host: address, ipv6Only });
    await once(server, 'listening');
    server.on('error', () => this.#options.counted('accept-failed'));
    this.#servers.push(server);
    const bound = server.address();
    return { protocol, address, port: typeof bound === 'object' && bound !== null ? bound.port : port };
  }

  #createTlsServer(accept: (socket: Socket) => void): TlsServer {
    const server = createTlsServer({ ...serverTls(this.#tls), handshakeTimeout: connectMsDefault }, accept);
    this.#tlsServers.push(server);
    return server;
  }

  /** From now on connections are made with this certificate and these authorities; those that are open stay. Whether
   *  clients must show one was settled by `listen`. Throws where certificate and key do not fit, having changed nothing. */
  reloadTls(tls: SipTls): void {
    createSecureContext({ cert: tls.cert, key: tls.key, ca: tls.ca });
    const listening = this.#tlsServers.length > 0 ? serverTls(tls) : {};
    for (const server of this.#tlsServers) server.setSecureContext(listening);
    this.#tls = tls;
  }

  /** An open connection to that address and port, or a new one. Throws and rejects with the system's error or a
   *  `GatewayError`, where it takes longer than `limitMs` too. */
  to(destination: SipDestination, limitMs = connectMsDefault): SipFlow | Promise<SipFlow> {
    const { protocol, serverName } = destination;
    // A connection that was verified for one name is not trusted for another.
    const name =
      flowText(destination) + (protocol === 'tls' && serverName !== undefined ? `#${serverName}` : '');
    const open = this.#connections.get(name) ?? this.#aliasFor(destination);
    if (open?.open) return open;
    const pending = this.#connecting.get(name);
    if (pending !== undefined) return pending;
    if (this.#connections.size + this.#connecting.size >= this.#options.connectionsMax) {
      this.#options.counted('connection-limit');
      throw new GatewayError('CONNECTION_LIMIT', `no more than ${this.#options.connectionsMax} connections`);
    }
    const connecting = this.#connect(destination, name, limitMs).finally(() => this.#connecting.delete(name));
    this.#connecting.set(name, connecting);
    return connecting;
  }

  /** The far side of a connection asks that requests to it, at `port` of its address, take the same connection. Heeded
   *  only over TLS and from one who has shown a certificate: anybody behind the same NAT could ask for it otherwise.
   *  RFC 5923 §5. */
  addAlias(flow: SipFlow, port: number): void {
    if (!(flow instanceof StreamConnection) || flow.peerCertificate === undefined || !flow.open) return;
    const name = flowText({ ...flow.remote, port });
    if (this.#aliases.get(name)?.open !== true) this.#aliases.set(name, flow);
  }

  #aliasFor(destination: SipDestination): StreamConnection | undefined {
    const alias = this.#aliases.get(flowText(destination));
    if (alias?.peerCertificate === undefined) return undefined;
    const name = destination.serverName ?? destination.address;
    return checkServerName(name, alias.peerCertificate) === undefined ? alias : undefined;
  }

  async close(why: string): Promise<void> {
    for (const connection of [...this.#connections.values()]) connection.close(why);
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #limit(socket: Socket): void {
    const { acceptsConnection, connectionsMax, connectionsPerSourceMax, counted } = this.#options;
    const address = withoutMapping(socket.remoteAddress ?? '');
    if (!acceptsConnection(address)) {
      socket.destroy();
      return;
    }
    const source = sourceKey(address);
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#sockets.size >= connectionsMax || ofSource >= connectionsPerSourceMax) {
      counted(ofSource >= connectionsPerSourceMax ? 'source-connection-limit' : 'connection-limit');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#bySource.set(source, ofSource + 1);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left === 0) this.#bySource.delete(source);
      else this.#bySource.set(source, left);
    });
  }

  #accept(socket: Socket, protocol: 'tcp' | 'tls'): void {
    if (!socket.destroyed && socket.remoteAddress !== undefined) this.#adopt(socket, protocol, true);
  }

  #adopt(socket: Socket, protocol: 'tcp' | 'tls', inbound: boolean, key?: string): StreamConnection {
    socket.setKeepAlive(true, systemKeepAliveMs);
    const connection = new StreamConnection({
      socket,
      protocol,
      inbound,
      // It came to where we listen.
      listeningPort: inbound
        ? undefined
        : this.#options.listeningPort(protocol, withoutMapping(socket.localAddress ?? '')),
      clock: this.#options.clock,
      random: () => this.#options.random(),
      handlers: {
        inUse: (flow) => this.#options.inUse(flow),
        received: (bytes, flow) => this.#options.received(bytes, flow),
        broken: (error, flow) => this.#options.rejected(error, flow),
        counted: (code) => this.#options.counted(code),
        closed: (flow) => {
          if (this.#connections.get(name) === connection) this.#connections.delete(name);
          for (const [alias, aliased] of this.#aliases) if (aliased === flow) this.#aliases.delete(alias);
          this.#options.closed(flow);
        },
      },
      ...(socket instanceof TLSSocket && socket.authorized
        ? { peerCertificate: socket.getPeerCertificate() }
        : {}),
    });
    const name = key ?? flowText(connection.remote);
    this.#connections.set(name, connection);
    return connection;
  }

  #connect(
    { protocol, address, port, serverName }: SipDestination,
    name: string,
    limitMs: number,
  ): Promise<SipFlow> {
    const socket =
      protocol === 'tls'
        ? connectTls({
            host: address,
            port,
            ...clientTls(this.#tls),
            // An address is no server name to TLS (RFC 6066 §3), and is checked in the certificate all the same.
            ...(serverName === undefined || isIP(serverName) !== 0 ? {} : { servername: serverName }),
          })
        : connectTcp({ host: address, port });
    this.#sockets.add(socket);
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(limitMs, () => {
        socket.destroy(new GatewayError('ETIMEDOUT', `no connection within ${limitMs} ms`));
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
}
