import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../gateway/clock.ts';
import { type ConfigInput, defaultConfig } from '../../gateway/config.ts';
import { type Gateway, type GatewayIo, startGateway } from '../../gateway/gateway.ts';
import { createLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import type { MediaPool } from '../../gateway/media/media-pool.ts';
import { type CallOptions, createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult, PhoneCall } from '../../gateway/phone/phone-call.ts';
import { FakeClock } from './fake-clock.ts';
import { createManyWorkers } from './many-workers.ts';
import { type LinkOptions, MemoryNetwork } from './memory-network.ts';
import { MemoryStreamServer } from './memory-stream.ts';
import { createRandom } from './random.ts';

const address = '127.0.0.1';

/** A whole call in one process and no real time: phone, gateway and stream server on a fake clock, SIP and RTP
 *  over a link that can lose, delay and reorder. */
export class CallWorld {
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
  readonly server: MemoryStreamServer;
  readonly gateway: Gateway;
  readonly phone: Phone;
  /** What the gateway logged, parsed. */
  readonly log: readonly Record<string, unknown>[];

  private constructor(parts: Omit<CallWorld, 'target' | 'call' | 'finish' | 'close' | 'said'>) {
    this.clock = parts.clock;
    this.network = parts.network;
    this.server = parts.server;
    this.gateway = parts.gateway;
    this.phone = parts.phone;
    this.log = parts.log;
  }

  static async open({
    link = {},
    config = {},
    sampleRate = 16_000,
    maxDuration = 3_600,
    routeTo = '*',
    earlyMedia,
    watching,
    workerDelayMs = 0,
    workers = 1,
    io,
  }: {
    readonly link?: LinkOptions;
    readonly config?: ConfigInput;
    readonly sampleRate?: number;
    readonly maxDuration?: number;
    /** Pattern of the only route. */
    readonly routeTo?: string;
    readonly earlyMedia?: boolean;
    readonly watching?: GatewayIo['watching'];
    /** How far the media worker is behind: so long after it was sent, a command is obeyed. */
    readonly workerDelayMs?: number;
    /** Media workers; calls go to each in turn. */
    readonly workers?: number;
    /** What else the gateway is given. */
    readonly io?: (clock: FakeClock) => Partial<GatewayIo>;
  } = {}): Promise<CallWorld> {
    const clock = new FakeClock();
    const network = new MemoryNetwork(clock, link);
    const server = new MemoryStreamServer(clock).echo();
    const log: Record<string, unknown>[] = [];
    const random = createRandom(link.seed ?? 7);
    const gateway = await startGateway(
      defaultConfig({
        node: { id: 'gw' },
        rtp: { address, ports: [0, 0] },
        http: { listen: '127.0.0.1:0' },
        // Nobody's: what a gateway finds in its own it completes at its start, in real time.
        recording: { directory: join(tmpdir(), 'callwire-test-recordings') },
        routes: [
          {
            to: routeTo,
            ...(earlyMedia === undefined ? {} : { earlyMedia }),
            action: {
              name: 'connectStream',
              destination: { type: 'Websocket', endpoint: 'ws://stream.test/' },
              streamingOptions: { sampleRate },
              maxDuration,
              callHeaders: [{ key: 'ticket', value: '4815' }],
            },
          },
        ],
        ...config,
        sip: { listen: [`udp:${address}:0`], ...config.sip },
      } as ConfigInput),
      {
        clock,
        network,
        log: createLog({
          level: 'info',
          pretty: false,
          destination: { write: (line) => log.push(JSON.parse(line)) },
        }),
        createMediaPool: (settings) => {
          const options = { ...settings, clock, network, openStreamSocket: server.open };
          const pool = workers === 1 ? createInlineMediaPool(options) : createManyWorkers(options, workers);
          return workerDelayMs === 0 ? pool : behindPool(pool, clock, workerDelayMs);
        },
        localAddressFor: async () => address,
        ...(watching && { watching }),
        ...io?.(clock),
      },
    );
    const phone = await createPhone({
      address,
      clock,
      network,
      random,
      localAddressFor: async () => address,
    });
    return new CallWorld({ clock, network, server, gateway, phone, log });
  }

  get target(): string {
    return `sip:bot@${this.gateway.listening.sip[0]!.replace('udp:', '')}`;
  }

  call(options: Partial<CallOptions> = {}): Promise<PhoneCall> {
    return this.phone.placeCall({
      target: this.target,
      playTone: { frequencyHz: 1_000, levelDbfs: -12 },
      ...options,
    });
  }

  /** Lets the call run to its end, and to the end of every timer that it left; gives what the phone made of it. */
  async finish(call: PhoneCall, limitMs = 120_000): Promise<CallResult> {
    let result: CallResult | undefined;
    call.ended.then((ended) => {
      result = ended;
    });
    await this.clock.until(() => result !== undefined, limitMs, 20);
    await this.clock.until(() => this.gateway.counts().calls === 0, 10_000, 20);
    return result!;
  }

  /** The fields of the first log line with this message. */
  said(message: string): Record<string, unknown> | undefined {
    return this.log.find((line) => line.msg === message);
  }

  async close(): Promise<void> {
    const closing = Promise.all([this.phone.close(), this.gateway.close()]);
    await this.clock.advance(5_000);
    await closing;
  }
}

/** A pool whose worker obeys each command `delayMs` late, in order. */
function behindPool(pool: MediaPool, clock: Clock, delayMs: number): MediaPool {
  const open: MediaPool['openGroup'] = (...options) => {
    const group = pool.openGroup(...options);
    return {
      worker: group.worker,
      send: (command) => void clock.after(delayMs, () => group.send(command)),
      release: () => void clock.after(delayMs, () => group.release()),
    };
  };
  return new Proxy(pool, {
    get: (target, name) => (name === 'openGroup' ? open : Reflect.get(target, name, target)),
  });
}
