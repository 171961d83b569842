import { createRequire } from 'node:module';
import { isIPv4 } from 'node:net';
import { constants } from 'node:os';
import type { DatagramHandler, Network, UdpOptions, UdpSocket } from './network.ts';

/** UDP by plain system calls through `koffi`, where that optional package is installed: receiving takes 1.5 µs where
 *  `dgram` takes 4 (it allocates 64 KiB a datagram and asks each socket again until it is empty), sending 0.5 less. */

/** A network whose sockets say nothing by themselves: whoever drives the thread polls it. */
export interface PolledNetwork extends Network {
  /** Delivers what has arrived on all sockets. */
  poll(): void;
  readonly openSockets: number;
}

/** IPv6 goes the way of `ordinary`. Undefined where there is no `koffi`, or no such system: 64-bit Linux. */
export function openPolledNetwork(ordinary: Network): PolledNetwork | undefined {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  try {
    return new LinuxNetwork(ordinary);
  } catch {
    return undefined;
  }
}

/** Addresses cross as numbers, which costs least: 0.24 µs a call and all its arguments. */
type SystemCall = (...args: readonly number[]) => number;

interface LibC {
  readonly socket: SystemCall;
  readonly bind: SystemCall;
  readonly setsockopt: SystemCall;
  readonly getsockname: SystemCall;
  readonly close: SystemCall;
  readonly epoll_create1: SystemCall;
  readonly epoll_ctl: SystemCall;
  readonly epoll_wait: SystemCall;
  readonly recvfrom: SystemCall;
  readonly sendto: SystemCall;
}

const prototypes: readonly string[] = [
  'int socket(int, int, int)',
  'int bind(int, uintptr_t, uint32_t)',
  'int setsockopt(int, int, int, uintptr_t, uint32_t)',
  'int getsockname(int, uintptr_t, uintptr_t)',
  'int close(int)',
  'int epoll_create1(int)',
  'int epoll_ctl(int, int, int, uintptr_t)',
  'int epoll_wait(int, uintptr_t, int, int)',
  'intptr_t recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)',
  'intptr_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)',
];

// The same on x64 and arm64 (linux/asm-generic).
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;
const EPOLL_CLOEXEC = SOCK_CLOEXEC;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;

const eventsMax = 256;
/** `struct epoll_event` is packed on x64 alone. */
const eventBytes = process.arch === 'x64' ? 12 : 16;
const eventDataOffset = process.arch === 'x64' ? 4 : 8;
const datagramBytesMax = 65_536;
const keptViewBytesMax = 2048;
/** A datagram a socket in each round; a backlog takes more rounds, and no more than this, so that what is due is. */
const roundsMax = 32;

/** Where things lie in the one piece of memory that both sides know. */
const layout = {
  events: 0,
  from: eventsMax * 16,
  to: eventsMax * 16 + 16,
  size: eventsMax * 16 + 32,
  received: 8192,
  sent: 8192 + datagramBytesMax,
  end: 8192 + 2 * datagramBytesMax,
} as const;

class LinuxNetwork implements PolledNetwork {
  readonly #ordinary: Network;
  readonly libC: LibC;
  readonly #errno: () => number;
  /** Its address was handed over for good, so it must live as long as the thread does: hence never replaced. */
  readonly memory = new Uint8Array(layout.end);
  readonly view = new DataView(this.memory.buffer);
  readonly address: number;
  readonly #epoll: number;
  /** By file descriptor: small and dense, so a list is the quickest map. */
  readonly #sockets: (PolledSocket | undefined)[] = [];
  readonly #views: (Uint8Array | undefined)[] = [];
  openSockets = 0;

  constructor(ordinary: Network) {
    this.#ordinary = ordinary;
    const koffi: typeof import('koffi').default = createRequire(import.meta.url)('koffi');
    const library = koffi.load(null);
    this.libC = Object.fromEntries(
      prototypes.map((prototype) => [/(\w+)\(/.exec(prototype)![1]!, library.func(prototype)]),
    ) as unknown as LibC;
    this.#errno = () => koffi.errno();
    this.address = Number(koffi.address(this.memory));
    this.#epoll = this.#checked(this.libC.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1');
  }

  async openUdp(options: UdpOptions, receive: DatagramHandler): Promise<UdpSocket> {
    if (!isIPv4(options.address)) return this.#ordinary.openUdp(options, receive);
    const { libC } = this;
    const fd = this.#checked(libC.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
    try {
      this.#prepare(fd, options);
    } catch (error) {
      libC.close(fd);
      throw error;
    }
    const { address, port } = this.readAddress(layout.from);
    const socket = new PolledSocket(this, { fd, address, port }, receive, options.sendFailed ?? (() => {}));
    this.#sockets[fd] = socket;
    this.openSockets++;
    return socket;
  }

  poll(): void {
    // Asking once more a turn is cheaper than asking each socket whether it has another.
    for (let round = 0; round < roundsMax; round++) {
      const ready = this.libC.epoll_wait(this.#epoll, this.address + layout.events, eventsMax, 0);
      for (let index = 0; index < ready; index++) {
        const fd = this.view.getInt32(layout.events + index * eventBytes + eventDataOffset, true);
        this.#sockets[fd]?.receive();
      }
      if (ready <= 0) return;
    }
  }

  /** What was received. Sizes repeat, so that a view of each is worth keeping. */
  received(sizeBytes: number): Uint8Array {
    const kept = this.#views[sizeBytes];
    if (kept !== undefined) return kept;
    const view = this.memory.subarray(layout.received, layout.received + sizeBytes);
    if (sizeBytes <= keptViewBytesMax) this.#views[sizeBytes] = view;
    return view;
  }

  forget(fd: number): void {
    this.#sockets[fd] = undefined;
    this.openSockets--;
    this.libC.close(fd);
  }

  readAddress(offset: number): { readonly address: string; readonly port: number } {
    return {
      address: [...this.memory.subarray(offset + 4, offset + 8)].join('.'),
      port: this.view.getUint16(offset + 2),
    };
  }

  /** Binds, and leaves the bound address at `layout.from`. */
  #prepare(fd: number, { address, port, receiveBufferBytes }: UdpOptions): void {
    const { libC, view } = this;
    const [at, size] = [this.address + layout.from, this.address + layout.size];
    if (receiveBufferBytes !== undefined) {
      view.setInt32(layout.size, receiveBufferBytes, true);
      this.#checked(libC.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4), 'setsockopt');
    }
    view.setUint16(layout.from, AF_INET, true);
    view.setUint16(layout.from + 2, port);
    view.setUint32(layout.from + 4, ipv4Number(address));
    this.#checked(libC.bind(fd, at, 16), 'bind');
    view.setUint32(layout.size, 16, true);
    this.#checked(libC.getsockname(fd, at, size), 'getsockname');
    view.setUint32(layout.events, EPOLLIN, true);
    view.setInt32(layout.events + eventDataOffset, fd, true);
    const event = this.address + layout.events;
    this.#checked(libC.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event), 'epoll_ctl');
  }

  /** Of the call just made. */
  errorCode(): { readonly code: string; readonly errno: number } {
    const errno = this.#errno();
    const found = Object.entries(constants.errno).find(([, value]) => value === errno);
    return { code: found?.[0] ?? 'UNKNOWN', errno };
  }

  #checked(result: number, syscall: string): number {
    if (result >= 0) return result;
    const { code, errno } = this.errorCode();
    throw Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall });
  }
}

class PolledSocket implements UdpSocket {
  readonly #network: LinuxNetwork;
  readonly #fd: number;
  readonly address: string;
  readonly port: number;
  readonly #receive: DatagramHandler;
  readonly #sendFailed: (code: string) => void;
  #open = true;
  /** Both ways nearly always the same peer: its address is turned into text, or back, only where it changes. */
  #fromNumber = -1;
  #fromAddress = '';
  #toNumber = 0;
  #toAddress = '';

  constructor(
    network: LinuxNetwork,
    { fd, address, port }: { readonly fd: number; readonly address: string; readonly port: number },
    receive: DatagramHandler,
    sendFailed: (code: string) => void,
  ) {
    this.#sendFailed = sendFailed;
    this.#network = network;
    this.#fd = fd;
    this.address = address;
    this.port = port;
    this.#receive = receive;
  }

  /** One datagram. */
  receive(): void {
    const { address, view, libC } = this.#network;
    view.setUint32(layout.size, 16, true);
    const sizeBytes = libC.recvfrom(
      this.#fd,
      address + layout.received,
      datagramBytesMax,
      MSG_DONTWAIT,
      address + layout.from,
      address + layout.size,
    );
    if (sizeBytes < 0) return;
    const fromNumber = view.getUint32(layout.from + 4);
    if (fromNumber !== this.#fromNumber) {
      this.#fromNumber = fromNumber;
      this.#fromAddress = this.#network.readAddress(layout.from).address;
    }
    const port = view.getUint16(layout.from + 2);
    this.#receive(this.#network.received(sizeBytes), this.#fromAddress, port);
  }

  send(bytes: Uint8Array, offset: number, sizeBytes: number, port: number, toAddress: string): void {
    if (!this.#open) return;
    const { address, view, memory, libC } = this.#network;
    if (toAddress !== this.#toAddress) {
      this.#toNumber = isIPv4(toAddress) ? ipv4Number(toAddress) : 0;
      this.#toAddress = toAddress;
    }
    if (this.#toNumber === 0) return;
    // Copied, as the address of a buffer of somebody else's costs more to find than 172 bytes.
    for (let index = 0; index < sizeBytes; index++) memory[layout.sent + index] = bytes[offset + index]!;
    view.setUint16(layout.to, AF_INET, true);
    view.setUint16(layout.to + 2, port);
    view.setUint32(layout.to + 4, this.#toNumber);
    const to = address + layout.to;
    if (libC.sendto(this.#fd, address + layout.sent, sizeBytes, MSG_DONTWAIT, to, 16) < 0) {
      this.#sendFailed(this.#network.errorCode().code);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#network.forget(this.#fd);
  }
}

function ipv4Number(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}
