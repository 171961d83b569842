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
  /** No datagram is delivered after this returns. */
  close(): void;
}

export interface UdpOptions {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly receiveBufferBytes?: number;
}

/** The datagram is the callee's only until it returns. */
export type DatagramHandler = (datagram: Uint8Array, address: string, port: number) => void;

export interface Network {
  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EMFILE`). */
  openUdp(options: UdpOptions, receive: DatagramHandler): Promise<UdpSocket>;
}

export const systemNetwork: Network = {
  async openUdp({ address, port, receiveBufferBytes }, receive) {
    const socket = createSocket({
      type: isIPv6(address) ? 'udp6' : 'udp4',
      // Addresses are literals here. Answered in the same turn, `send` hands the bytes to the kernel before it
      // returns; through the default lookup it would wait for the next tick, when the buffer may be reused.
      lookup: (literal, _options, found) => found(null, literal, isIPv6(literal) ? 6 : 4),
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
    // A connection refused by the peer surfaces here (ICMP); the next send simply tries again.
    socket.on('error', () => {});
    const bound = socket.address();
    return {
      address: bound.address,
      port: bound.port,
      send(bytes, offset, sizeBytes, toPort, toAddress) {
        if (open) socket.send(bytes, offset, sizeBytes, toPort, toAddress, ignore);
      },
      close() {
        if (!open) return;
        open = false;
        socket.close();
      },
    };
  },
};

function ignore(): void {}
