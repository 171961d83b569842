import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** Plain system calls for sockets, through the optional package `koffi`: what libuv and Node's streams do around each of
 *  them costs more than the calls do. A socket here says nothing by itself: whoever drives the thread polls. */

/** Whoever owns a descriptor. */
export interface Polled {
  /** Something of what it watches for, or an error, is there: bits of `epoll`. */
  ready(events: number): void;
}

/** Descriptors that a thread has open, each a byte that is 1: in shared memory, so that another can close them when the
 *  thread is dead, which the system does at the end of the process alone. */
export function createDescriptorMarks(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(65_536));
}

/** Undefined where there is no `koffi`, or no such system: 64-bit Linux. */
export function openPolledSystem(marks?: Uint8Array): PolledSystem | undefined {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  try {
    return new PolledSystem(marks);
  } catch {
    return undefined;
  }
}

/** Closes what a thread that is no more left open, and says how many that were. */
export function closeDescriptors(marks: Uint8Array): number {
  if (!marks.includes(1)) return 0;
  const { close } = loadLibC().libC;
  let closed = 0;
  for (const [fd, mark] of marks.entries()) {
    if (mark === 0) continue;
    marks[fd] = 0;
    if (close(fd) === 0) closed++;
  }
  return closed;
}

/** Addresses cross as numbers, which costs least: 0.24 µs a call and all its arguments. */
type SystemCall = (...args: readonly number[]) => number;

interface LibC {
  readonly socket: SystemCall;
  readonly bind: SystemCall;
  readonly connect: SystemCall;
  readonly shutdown: SystemCall;
  readonly setsockopt: SystemCall;
  readonly getsockopt: SystemCall;
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
  'int connect(int, uintptr_t, uint32_t)',
  'int shutdown(int, int)',
  'int setsockopt(int, int, int, uintptr_t, uint32_t)',
  'int getsockopt(int, int, int, uintptr_t, uintptr_t)',
  'int getsockname(int, uintptr_t, uintptr_t)',
  'int close(int)',
  'int epoll_create1(int)',
  'int epoll_ctl(int, int, int, uintptr_t)',
  'int epoll_wait(int, uintptr_t, int, int)',
  'intptr_t recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)',
  'intptr_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)',
];

/** Bits of `epoll`; errors are told unasked. */
export const epoll = { in: 1, out: 4 } as const;

// The same on x64 and arm64 (linux/asm-generic).
const AF_INET = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = SOCK_CLOEXEC;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;

const eventsMax = 256;
/** `struct epoll_event` is packed on x64 alone. */
const eventBytes = process.arch === 'x64' ? 12 : 16;
const eventDataOffset = process.arch === 'x64' ? 4 : 8;
export const transferBytesMax = 65_536;
/** One read a descriptor in each round; a backlog takes more rounds, and no more than this, so that what is due is.
 *  Enough for 30,000 datagrams a second at one socket. */
const roundsMax = 64;
const filterInstructionsMax = 8;

/** Code, jump if true, jump if false, operand. */
export type FilterInstruction = readonly [number, number, number, number];

/** Where things lie in the one piece of memory that both sides know. */
export const layout = {
  events: 0,
  /** Two IPv4 socket addresses of 16 bytes. */
  from: eventsMax * 16,
  to: eventsMax * 16 + 16,
  /** An int: the size of an address or an option, and the option itself. */
  size: eventsMax * 16 + 32,
  option: eventsMax * 16 + 36,
  /** `struct sock_fprog`, then its instructions. */
  filter: eventsMax * 16 + 64,
  /** What was read, and what is to be sent. */
  received: 8192,
  sent: 8192 + transferBytesMax,
  end: 8192 + 2 * transferBytesMax,
} as const;

export class PolledSystem {
  readonly libC: LibC;
  readonly #errno: () => number;
  /** Its address was handed over for good, so it must live as long as the thread does: hence never replaced. */
  readonly memory = new Uint8Array(layout.end);
  readonly view = new DataView(this.memory.buffer);
  readonly address: number;
  readonly #epoll: number;
  /** By descriptor: small and dense, so a list is the quickest map. */
  readonly #polled: (Polled | undefined)[] = [];
  readonly #marks: Uint8Array;
  openSockets = 0;

  constructor(marks: Uint8Array = new Uint8Array(0)) {
    const { koffi, libC } = loadLibC();
    this.libC = libC;
    this.#marks = marks;
    this.#errno = () => koffi.errno();
    this.address = Number(koffi.address(this.memory));
    this.#epoll = this.checked(this.libC.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1');
    marks[this.#epoll] = 1;
  }

  /** Tells each descriptor what has come for it. */
  poll(): void {
    // Asking once more a turn is cheaper than asking each socket whether it has another.
    for (let round = 0; round < roundsMax; round++) {
      const count = this.libC.epoll_wait(this.#epoll, this.address + layout.events, eventsMax, 0);
      for (let index = 0; index < count; index++) {
        const at = layout.events + index * eventBytes;
        const fd = this.view.getInt32(at + eventDataOffset, true);
        this.#polled[fd]?.ready(this.view.getUint32(at, true));
      }
      if (count <= 0) return;
    }
  }

  /** A non-blocking IPv4 socket; `type` is the system's (1 stream, 2 datagram). Throws with the system's code. */
  openSocket(type: number): number {
    return this.checked(this.libC.socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
  }

  /** From now on `polled` hears of these events. */
  watch(fd: number, polled: Polled, events: number): void {
    this.#control(EPOLL_CTL_ADD, fd, events);
    this.#polled[fd] = polled;
    this.#marks[fd] = 1;
    this.openSockets++;
  }

  watchFor(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events);
  }

  /** Of one that is watched. */
  close(fd: number): void {
    this.#polled[fd] = undefined;
    // Before it is closed: then the number may be another thread's.
    this.#marks[fd] = 0;
    this.openSockets--;
    this.libC.close(fd);
  }

  setOption(fd: number, level: number, option: number, value: number): void {
    this.view.setInt32(layout.option, value, true);
    this.checked(this.libC.setsockopt(fd, level, option, this.address + layout.option, 4), 'setsockopt');
  }

  getOption(fd: number, level: number, option: number): number {
    this.view.setUint32(layout.size, 4, true);
    const [value, size] = [this.address + layout.option, this.address + layout.size];
    this.checked(this.libC.getsockopt(fd, level, option, value, size), 'getsockopt');
    return this.view.getInt32(layout.option, true);
  }

  writeAddress(offset: number, addressNumber: number, port: number): void {
    this.view.setUint16(offset, AF_INET, true);
    this.view.setUint16(offset + 2, port);
    this.view.setUint32(offset + 4, addressNumber);
  }

  /** A packet filter to be handed over from `layout.filter` on; its size. */
  writeFilter(instructions: readonly FilterInstruction[]): number {
    const headBytes = 16;
    const { view } = this;
    if (instructions.length > filterInstructionsMax) throw new RangeError('the filter is too long');
    view.setUint16(layout.filter, instructions.length, true);
    view.setBigUint64(layout.filter + 8, BigInt(this.address + layout.filter + headBytes), true);
    for (const [index, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
      const at = layout.filter + headBytes + 8 * index;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, ifTrue);
      view.setUint8(at + 3, ifFalse);
      view.setUint32(at + 4, operand, true);
    }
    return headBytes;
  }

  readAddress(offset: number): { readonly address: string; readonly port: number } {
    return {
      address: [...this.memory.subarray(offset + 4, offset + 8)].join('.'),
      port: this.view.getUint16(offset + 2),
    };
  }

  /** The result of a call, or its error thrown. */
  checked(result: number, syscall: string): number {
    if (result >= 0) return result;
    throw this.error(syscall);
  }

  /** Of the call just made. */
  get errorCode(): string {
    return codeOf(this.#errno());
  }

  error(syscall: string, errno = this.#errno()): Error & { readonly code: string } {
    const code = codeOf(errno);
    return Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall });
  }

  #control(operation: number, fd: number, events: number): void {
    // `from` and `to`, which nobody needs across a call: the events of a round that is being told must stay.
    this.view.setUint32(layout.from, events, true);
    this.view.setInt32(layout.from + eventDataOffset, fd, true);
    const event = this.address + layout.from;
    this.checked(this.libC.epoll_ctl(this.#epoll, operation, fd, event), 'epoll_ctl');
  }
}

function loadLibC(): { readonly koffi: typeof import('koffi').default; readonly libC: LibC } {
  const koffi: typeof import('koffi').default = createRequire(import.meta.url)('koffi');
  const library = koffi.load(null);
  const calls = prototypes.map((prototype) => [/(\w+)\(/.exec(prototype)![1]!, library.func(prototype)]);
  return { koffi, libC: Object.fromEntries(calls) as unknown as LibC };
}

function codeOf(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? 'UNKNOWN';
}

/** Of a literal. */
export function ipv4Number(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}
