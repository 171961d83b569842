import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';

/** Routes change rarely, and an answer costs a socket. */
const keptMs = 60_000;
const entriesMax = 1_000;

/** The address of ours that faces `peer`, by the system's routing table: nothing is sent. Rejects with `GatewayError`
 *  where there is no route. */
export function systemLocalAddressFor(peer: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: isIPv6(peer) ? 'udp6' : 'udp4',
      lookup: (literal, _options, found) => found(null, literal, isIPv6(literal) ? 6 : 4),
    });
    let settled = false;
    const settle = (cause?: Error): void => {
      if (settled) return;
      settled = true;
      const address = cause === undefined ? socket.address().address : '';
      socket.close();
      if (cause === undefined) resolve(address);
      else reject(new GatewayError('NO_ROUTE', `no route to ${peer}`, { cause }));
    };
    // An error comes here or, against its type, to the callback.
    socket.on('error', settle);
    // Any port: a connected UDP socket is bound to the address that the route leaves from.
    socket.connect(9, peer, settle as () => void);
  });
}

/** An address of this machine, of the family of `peer`: where no question to the routing table can be waited for. */
export function interfaceAddressFor(peer: string): string | undefined {
  const family = isIPv6(peer) ? 'IPv6' : 'IPv4';
  const isLoopbackPeer = peer === '::1' || peer.startsWith('127.');
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((each) => each.family === family && each.internal === isLoopbackPeer);
  return (found.find(({ address }) => !/^fe80:|^169\.254\./i.test(address)) ?? found[0])?.address;
}

/** Remembers the answers, so that all but the first message from a peer find its address at once. */
export class LocalAddresses {
  readonly #clock: Clock;
  readonly #find: (peer: string) => Promise<string>;
  readonly #known = new Map<string, { readonly address: string; readonly untilMs: number }>();
  readonly #asked = new Map<string, Promise<string>>();

  constructor(clock: Clock, find: (peer: string) => Promise<string>) {
    this.#clock = clock;
    this.#find = find;
  }

  for(peer: string): string | Promise<string> {
    const known = this.#known.get(peer);
    if (known !== undefined && known.untilMs > this.#clock.nowMs()) return known.address;
    const asked = this.#asked.get(peer);
    if (asked !== undefined) return asked;
    const asking = this.#find(peer)
      .then((address) => {
        if (this.#known.size >= entriesMax) this.#known.clear();
        this.#known.set(peer, { address, untilMs: this.#clock.nowMs() + keptMs });
        return address;
      })
      .finally(() => this.#asked.delete(peer));
    this.#asked.set(peer, asking);
    return asking;
  }
}
