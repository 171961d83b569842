import type { Clock } from '../../gateway/clock.ts';
import type { DatagramHandler, Network, UdpOptions, UdpSocket } from '../../gateway/network.ts';
import { createRandom } from './random.ts';

export interface LinkOptions {
  /** 0–100. */
  lossPercent?: number;
  delayMs?: number;
  /** Added to the delay, uniformly; reorders where it exceeds the spacing of the packets. */
  jitterMs?: number;
  duplicatePercent?: number;
  seed?: number;
  /** Decides on single datagrams before chance does. */
  filter?: (datagram: Uint8Array, from: number, to: number) => 'drop' | 'pass';
}

/** UDP between sockets in this process, over a link that loses, delays and reorders. One address, ports from
 *  20000 up where 0 is asked for. */
export class MemoryNetwork implements Network {
  readonly #clock: Clock;
  readonly #sockets = new Map<number, DatagramHandler>();
  readonly #random: () => number;
  readonly link: LinkOptions;
  #nextPort = 20_000;
  sent = 0;
  lost = 0;

  constructor(clock: Clock, link: LinkOptions = {}) {
    this.#clock = clock;
    this.link = link;
    this.#random = createRandom(link.seed ?? 1);
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async openUdp({ address, port }: UdpOptions, receive: DatagramHandler): Promise<UdpSocket> {
    const bound = port === 0 ? this.#freePort() : port;
    if (this.#sockets.has(bound))
      throw Object.assign(new Error(`bind EADDRINUSE :${bound}`), { code: 'EADDRINUSE' });
    this.#sockets.set(bound, receive);
    return {
      address,
      port: bound,
      send: (bytes, offset, sizeBytes, toPort) => {
        this.#carry(
          Uint8Array.prototype.slice.call(bytes, offset, offset + sizeBytes),
          bound,
          toPort,
          address,
        );
      },
      close: () => {
        if (this.#sockets.get(bound) === receive) this.#sockets.delete(bound);
      },
    };
  }

  /** As if `from` had sent it, past the link. */
  inject(datagram: Uint8Array, from: number, to: number): void {
    this.#sockets.get(to)?.(Buffer.from(datagram), '127.0.0.1', from);
  }

  /** Even ones: the next is a phone's for RTCP, whether it listens there or not, and nobody else's. */
  #freePort(): number {
    while (this.#sockets.has(this.#nextPort)) this.#nextPort += 2;
    this.#nextPort += 2;
    return this.#nextPort - 2;
  }

  #carry(datagram: Uint8Array, from: number, to: number, address: string): void {
    this.sent++;
    const { lossPercent = 0, delayMs = 0, jitterMs = 0, duplicatePercent = 0, filter } = this.link;
    if (filter?.(datagram, from, to) === 'drop' || this.#random() * 100 < lossPercent) {
      this.lost++;
      return;
    }
    const copies = this.#random() * 100 < duplicatePercent ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#clock.after(delayMs + this.#random() * jitterMs, () =>
        this.#sockets.get(to)?.(Buffer.from(datagram), address, from),
      );
    }
  }
}
