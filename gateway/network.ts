import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';

/** UDP as SIP and RTP use it; the tests' in-memory network has the same face. */
export interface UdpSocket {
  readonly address: string;
  /** The port really bound. */
  readonly port: number;
  /** Sends `bytes[offset … offset+sizeBytes]`. The buffer may be reused as soon as this returns. */
  send(bytes: Uint8Array, offset: number, sizeBytes: number, port: number, address: string): void;
  /** From now on the system itself drops what comes from elsewhere, unread; undefined: no longer. Without a port any of
   *  that address will do. Absent where it cannot. */
  admitOnly?(source: { readonly address: string; readonly port?: number } | undefined): void;
  /** No datagram is delivered after this returns. */
  close(): void;
}

export interface UdpOptions {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly receiveBufferBytes?: number;
  /** Of a socket on `::`: leaves IPv4 to another at the same port. Default: it is open for both. */
  readonly ipv6Only?: boolean;
  /** Told of a datagram that the system did not take, by its code (`ENETUNREACH`, `EPERM`, `EMSGSIZE`). */
  readonly sendFailed?: (code: string) => void;
  /** Asks the system about the first datagram, one in so many after it, and every one while they fail. Default 1:
   *  about each. */
  readonly asksEvery?: number;
}

/** The datagram is the callee's only until it returns. */
export type DatagramHandler = (datagram: Uint8Array, address: string, port: number) => void;

export interface Network {
  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EMFILE`). */
  openUdp(options: UdpOptions, receive: DatagramHandler): Promise<UdpSocket>;
}

export const systemNetwork: Network = {
  async openUdp(options, receive) {
    const {
      address,
      port,
      receiveBufferBytes,
      ipv6Only = false,
      sendFailed = () => {},
      asksEvery = 1,
    } = options;
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only,
      // Addresses are literals here. Answered in the same turn, `send` hands the bytes to the kernel before it
      // returns; through the default lookup it would wait for the next tick, when the buffer may be reused.
      lookup: (literal, _options, found) => found(null, family === 6 ? mapped(literal) : literal, family),
      ...(receiveBufferBytes === undefined ? {} : { recvBufferSize: receiveBufferBytes }),
    });
    let open = true;
    socket.on('message', (datagram, from) => {
      if (open) receive(datagram, from.address, from.port);
    });
    // Before `bind`, which has answered when it returns, as the lookup has.
    const listening = once(socket, 'listening');
    socket.bind(port, address);
    try {
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    const failed = ({ code = 'UNKNOWN' }: NodeJS.ErrnoException): void => sendFailed(code);
    socket.on('error', failed);
    // One for all sends: a function for each would be made on the packet path.
    let unasked = 0;
    const asked = (error: Error | null): void => {
      if (error === null || !open) return;
      unasked = 0;
      failed(error);
    };
    const bound = socket.address();
    /** Of a connected socket the system delivers nothing from elsewhere. */
    let connected: { readonly port: number; ready: boolean } | undefined;
    let whole: Uint8Array = new Uint8Array(0);
    let part: Uint8Array = whole;
    return {
      address: bound.address,
      port: bound.port,
      send(bytes, offset, sizeBytes, toPort, toAddress) {
        if (!open) return;
        if (connected !== undefined) {
          // For the turn that it takes to connect, neither way of sending works; to anybody else nothing is sent.
          if (connected.ready && toPort === connected.port)
            socket.send(bytes.subarray(offset, offset + sizeBytes));
          return;
        }
        if (unasked-- <= 0) {
          unasked = asksEvery - 1;
          socket.send(bytes, offset, sizeBytes, toPort, toAddress, asked);
          return;
        }
        // A session sends the same part of the same buffer again and again: its view is kept. That, and to go without
        // a callback (an error is dropped unseen), saves 0.7 of 5.9 µs a packet.
        if (bytes !== whole || offset !== part.byteOffset - bytes.byteOffset || sizeBytes !== part.length) {
          whole = bytes;
          part = bytes.subarray(offset, offset + sizeBytes);
        }
        socket.send(part, toPort, toAddress);
      },
      admitOnly(source) {
        if (!open) return;
        if (connected?.ready === false) return;
        if (connected !== undefined) socket.disconnect();
        connected = undefined;
        // Connected, a socket on all addresses would keep to the one that the route to this peer has; and a port that
        // the system chose is lost when the socket is disconnected.
        const fixed = port !== 0 && !isWildcardAddress(bound.address);
        if (source?.port === undefined || !fixed) return;
        const peer = { port: source.port, ready: false };
        connected = peer;
        socket.connect(source.port, source.address, (error?: Error) => {
          if (error === undefined) peer.ready = true;
          else connected = undefined;
        });
      },
      close() {
        if (!open) return;
        open = false;
        socket.close();
      },
    };
  },
};

function isWildcardAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** A socket of both families sends to an IPv4 address by its IPv6 form (RFC 4291 §2.5.5.2). */
function mapped(literal: string): string {
  return literal.includes(':') ? literal : `::ffff:${literal}`;
}
