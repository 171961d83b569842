import type { UdpSocket } from '../network.ts';
import type { TransportAddress } from './media-messages.ts';

/** Less than that is a phone that moved, or a neighbour's mistake, and worth to be counted. */
const strangersMax = 100;

/** Keeps a flood of strangers' datagrams from taking the room of the peer's in the socket: where many have come, and
 *  the peer's source is settled, the system is told to drop all others unread. From then on they are not counted. */
export class StrangerGuard {
  #socket: UdpSocket | undefined;
  #strangers = 0;
  #admitted: Partial<TransportAddress> | undefined;

  attach(socket: UdpSocket | undefined): void {
    this.#socket = socket;
  }

  /** A datagram came from elsewhere. `peer`: the only source that is right, where that is settled; without a port any of
   *  its address. True where this one was one too many. */
  refused(peer: { readonly address: string; readonly port?: number } | undefined): boolean {
    this.#strangers++;
    if (this.#strangers < strangersMax || peer === undefined || this.#admitted !== undefined) return false;
    if (this.#socket?.admitOnly === undefined) return false;
    this.#socket.admitOnly(peer);
    this.#admitted = peer;
    return true;
  }

  /** The session has changed: `peer` as above. */
  follow(peer: { readonly address: string; readonly port?: number } | undefined): void {
    const admitted = this.#admitted;
    if (admitted === undefined) return;
    if (peer !== undefined && peer.address === admitted.address && peer.port === admitted.port) return;
    this.#admitted = undefined;
    this.#strangers = 0;
    this.#socket?.admitOnly?.(undefined);
  }
}
