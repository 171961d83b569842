import type { Clock } from '../clock.ts';
import type { Network, UdpSocket } from '../network.ts';
import type { AudioSink, AudioSource } from './audio-route.ts';
import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  RtpCounters,
  StreamCounters,
  WorkerCounters,
} from './media-messages.ts';
import { addRtp, addStream, noTotals } from './media-totals.ts';
import { OverloadWatch } from './overload-watch.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';
import { RtpPorts } from './rtp-ports.ts';
import { StreamEndpoint } from './stream-endpoint.ts';
import type { OpenStreamSocket } from './stream-socket.ts';
import { latenessMsBounds, TimingWheel, type WheelMember } from './timing-wheel.ts';
import { VoiceWatch } from './voice-watch.ts';

export interface MediaSettings {
  /** Both included; `[0, 0]` lets the system choose. */
  readonly ports: readonly [number, number];
  /** 0 = never. */
  readonly rtpTimeoutMs: number;
  /** Of each RTP socket; default 20 KiB, which the system doubles: a second of G.711, a third of L16 at
   *  48 kHz. A worker that cannot keep up hears its callers so late: more would only keep audio that is too old. */
  readonly receiveBufferBytes?: number | undefined;
  /** Whether workers use plain system calls where they can. Default: `off`. */
  readonly accelerator?: 'auto' | 'off' | undefined;
}

export interface MediaCoreOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly openStreamSocket: OpenStreamSocket;
  readonly settings: MediaSettings;
  /** For the report; default `none`. */
  readonly accelerator?: WorkerCounters['accelerator'];
  readonly emit: (event: MediaEvent) => void;
  /** Something in us threw; the endpoint was ended. */
  readonly failed: (endpointId: EndpointId, error: unknown) => void;
}

/** All that one media worker does, with its I/O brought from outside: the same code runs in a thread, in the main
 *  thread, and on virtual time. Whoever runs it calls `tick` at `nextTickMs`. */
export interface MediaCore {
  handle(command: MediaCommand): void;
  tick(nowMs: number): void;
  /** Infinity where nothing is to be done on time. */
  readonly nextTickMs: number;
  readonly endpoints: number;
  /** Closes every endpoint; streams with 1001. */
  close(): void;
}

interface OpenRtpPort {
  /** Of the range; undefined where the system chose. */
  readonly port: number | undefined;
  readonly rtp: UdpSocket;
  readonly rtcp: UdpSocket | undefined;
}

/** Ports that others on this machine hold are passed over. Each next one is tried anywhere in the range, as the others'
 *  lie side by side: only of a range that is as good as full are so many in a row taken. */
const busyPortsMax = 100;
const receiveBufferBytesDefault = 20_480;
/** Once a second at 20 ms. */
const asksEvery = 50;

export function createMediaCore(options: MediaCoreOptions): MediaCore {
  return new Core(options);
}

class Core implements MediaCore {
  readonly #options: MediaCoreOptions;
  readonly #ports: RtpPorts;
  readonly #wheel: TimingWheel;
  readonly #overload: OverloadWatch;
  readonly #rtp = new Map<EndpointId, RtpEndpoint>();
  readonly #streams = new Map<EndpointId, StreamEndpoint>();
  readonly #voices = new Map<RtpEndpoint, VoiceWatch>();
  readonly #portOf = new Map<RtpEndpoint, number>();
  /** Who feeds each sink. */
  readonly #sourceOf = new Map<AudioSink, AudioSource>();
  /** Of endpoints that are gone. */
  readonly #past = noTotals();
  #portsBound = 0;
  readonly #udpErrors: Record<string, number> = {};

  constructor(options: MediaCoreOptions) {
    this.#options = options;
    this.#ports = new RtpPorts(options.settings.ports);
    this.#wheel = new TimingWheel({
      nowMs: options.clock.nowMs(),
      failed: (member, error) => this.#memberFailed(member, error),
    });
    this.#overload = new OverloadWatch(options.clock.nowMs(), (overloaded) =>
      options.emit({ type: 'load', overloaded }),
    );
  }

  get endpoints(): number {
    return this.#rtp.size + this.#streams.size;
  }

  get nextTickMs(): number {
    return this.#wheel.nextMs;
  }

  tick(nowMs: number): void {
    this.#wheel.run(nowMs);
    this.#overload.check(nowMs, this.#wheel.latenessMsBuckets, this.#wheel.size);
  }

  handle(command: MediaCommand): void {
    try {
      this.#obey(command);
    } catch (error) {
      if ('endpointId' in command) this.#fail(command.endpointId, error);
      else this.#options.failed('', error);
    }
  }

  #obey(command: MediaCommand): void {
    const nowMs = this.#options.clock.nowMs();
    switch (command.type) {
      case 'openRtp':
        void this.#openRtp(command, nowMs);
        return;
      case 'setRtpSession': {
        const endpoint = this.#rtp.get(command.endpointId);
        if (endpoint === undefined) return;
        const { ptimeMs } = endpoint;
        endpoint.setSession(command.session, nowMs);
        if (ptimeMs !== endpoint.ptimeMs || !this.#wheel.has(endpoint)) {
          this.#wheel.add(endpoint, endpoint.ptimeMs, nowMs);
        }
        return;
      }
      case 'closeRtp':
        return this.#closeRtp(command.endpointId);
      case 'sendDigits':
        return this.#rtp.get(command.endpointId)?.sendDigits(command.digits);
      case 'detectDigits':
        return this.#rtp.get(command.endpointId)?.detectDigits(command);
      case 'openStream':
        return this.#openStream(command);
      case 'closeStream':
        return this.#streams.get(command.endpointId)?.close(command.code, command.reason);
      case 'bridge':
      case 'unbridge': {
        const [a, b] = [this.#endpoint(command.a), this.#endpoint(command.b)];
        if (a === undefined || b === undefined) return;
        const change = command.type === 'bridge' ? this.#join : this.#part;
        change.call(this, a, b);
        change.call(this, b, a);
        return;
      }
      case 'watchVoice':
        return this.#watchVoice(command.endpointId, command.on);
      case 'report':
        return this.#report(command.requestId);
    }
  }

  // ---- RTP ---------------------------------------------------------------------------------------------------

  async #openRtp(command: Extract<MediaCommand, { type: 'openRtp' }>, nowMs: number): Promise<void> {
    const { clock, settings, emit } = this.#options;
    const { endpointId } = command;
    const { rtpTimeoutMs } = settings;
    const endpoint = new RtpEndpoint({ endpointId, rtpTimeoutMs, nowMs, wallMs: clock.wallMs(), emit });
    this.#rtp.set(endpointId, endpoint);
    let open: OpenRtpPort;
    try {
      open = await this.#bindPorts(command, endpoint);
    } catch (error) {
      const { code = 'UNKNOWN', message } = error as { readonly code?: string; readonly message: string };
      // Where it was closed meanwhile, that is what was promised an answer.
      if (this.#rtp.get(endpointId) !== endpoint) return emitClosed(emit, endpoint);
      this.#rtp.delete(endpointId);
      return emit({ type: 'rtpFailed', endpointId, code, message });
    }
    endpoint.attach(open.rtp, open.rtcp);
    this.#portsBound++;
    if (open.port !== undefined) this.#portOf.set(endpoint, open.port);
    if (this.#rtp.get(endpointId) !== endpoint) {
      this.#releaseRtp(endpoint);
      return emitClosed(emit, endpoint);
    }
    const port = open.rtp.port;
    emit({ type: 'rtpOpened', endpointId, port, rtcpPort: open.rtcp?.port ?? port });
  }

  async #bindPorts(
    { address, rtcpMux }: { readonly address: string; readonly rtcpMux: boolean },
    endpoint: RtpEndpoint,
  ): Promise<OpenRtpPort> {
    const rtpHandler = this.#guarded(endpoint, (datagram, from, port, nowMs) =>
      endpoint.receivePacket(datagram, from, port, nowMs),
    );
    const rtcpHandler = this.#guarded(endpoint, (datagram, from, port, nowMs) =>
      endpoint.receiveRtcp(datagram, from, port, nowMs),
    );
    const receiveBufferBytes = this.#options.settings.receiveBufferBytes ?? receiveBufferBytesDefault;
    const { network } = this.#options;
    const sendFailed = this.#noticeOnce(endpoint);
    for (let busyPorts = 0; ; busyPorts++) {
      const port = this.#ports.count === 0 ? undefined : this.#ports.take();
      if (port === undefined && this.#ports.count > 0) {
        throw portsUsed(`all ${this.#ports.count} RTP ports of this worker are in use`);
      }
      let rtp: UdpSocket | undefined;
      try {
        const options = { address, sendFailed };
        const audio = { ...options, port: port ?? 0, receiveBufferBytes, asksEvery };
        rtp = await network.openUdp(audio, rtpHandler);
        const rtcpPort = port === undefined ? 0 : port + 1;
        const rtcp = rtcpMux ? undefined : await network.openUdp({ ...options, port: rtcpPort }, rtcpHandler);
        return { port, rtp, rtcp };
      } catch (error) {
        rtp?.close();
        if (port !== undefined) this.#ports.free(port);
        const { code } = error as { readonly code?: string };
        if (port === undefined || code !== 'EADDRINUSE') throw error;
        if (busyPorts >= busyPortsMax) throw portsUsed('others hold the RTP ports of this worker');
        this.#ports.jump();
      }
    }
  }

  /** Counts datagrams that the system did not take; the call hears of the first one. */
  #noticeOnce({ endpointId }: RtpEndpoint): (code: string) => void {
    let noticed = false;
    return (errorCode) => {
      this.#udpErrors[errorCode] = (this.#udpErrors[errorCode] ?? 0) + 1;
      if (noticed) return;
      noticed = true;
      const message = `the system does not take our RTP: ${errorCode}`;
      this.#options.emit({ type: 'notice', endpointId, code: 'udp-error', message });
    };
  }

  /** The boundary of everything that arrives: what throws ends its own endpoint and no other. */
  #guarded(
    endpoint: RtpEndpoint,
    receive: (datagram: Uint8Array, address: string, port: number, nowMs: number) => void,
  ) {
    const { clock } = this.#options;
    return (datagram: Uint8Array, address: string, port: number) => {
      const nowMs = clock.nowMs();
      try {
        receive(datagram, address, port, nowMs);
      } catch (error) {
        this.#fail(endpoint.endpointId, error);
      }
      // From every read, so that a backlog of them never delays what is due.
      this.#wheel.run(nowMs);
    };
  }

  #closeRtp(endpointId: EndpointId): void {
    const endpoint = this.#rtp.get(endpointId);
    if (endpoint === undefined) return;
    this.#rtp.delete(endpointId);
    // While its ports are still being bound, `#openRtp` sees that it is gone and answers.
    if (!endpoint.attached) return;
    this.#releaseRtp(endpoint);
    emitClosed(this.#options.emit, endpoint);
  }

  #watchVoice(endpointId: EndpointId, on: boolean): void {
    const endpoint = this.#rtp.get(endpointId);
    if (endpoint === undefined || on === this.#voices.has(endpoint)) return;
    const watch = this.#voices.get(endpoint) ?? new VoiceWatch(endpointId, this.#options.emit);
    if (on) {
      this.#voices.set(endpoint, watch);
      endpoint.addSink(watch);
    } else {
      this.#voices.delete(endpoint);
      endpoint.removeSink(watch);
    }
  }

  #releaseRtp(endpoint: RtpEndpoint): void {
    this.#wheel.remove(endpoint);
    this.#voices.delete(endpoint);
    this.#unplug(endpoint);
    try {
      endpoint.close(this.#options.clock.nowMs());
    } catch (error) {
      this.#options.failed(endpoint.endpointId, error);
    }
    this.#portsBound--;
    const port = this.#portOf.get(endpoint);
    this.#portOf.delete(endpoint);
    if (port !== undefined) this.#ports.free(port);
    addRtp(this.#past, endpoint.counters());
  }

  // ---- Streams -----------------------------------------------------------------------------------------------

  #openStream(command: Extract<MediaCommand, { type: 'openStream' }>): void {
    const { endpointId } = command;
    const endpoint: StreamEndpoint = new StreamEndpoint({
      command,
      open: this.#options.openStreamSocket,
      clock: this.#options.clock,
      emit: this.#options.emit,
      closed: () => this.#forgetStream(endpointId, endpoint),
      pump: (nowMs) => this.#wheel.run(nowMs),
      failed: (error) => this.#fail(endpointId, error),
    });
    this.#streams.set(endpointId, endpoint);
  }

  #forgetStream(endpointId: EndpointId, endpoint: StreamEndpoint): void {
    this.#unplug(endpoint);
    addStream(this.#past, endpoint.counters());
    if (this.#streams.get(endpointId) === endpoint) this.#streams.delete(endpointId);
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  #endpoint(endpointId: EndpointId): RtpEndpoint | StreamEndpoint | undefined {
    return this.#rtp.get(endpointId) ?? this.#streams.get(endpointId);
  }

  #join(source: AudioSource, sink: AudioSink): void {
    const previous = this.#sourceOf.get(sink);
    if (previous === source) return;
    previous?.removeSink(sink);
    this.#sourceOf.set(sink, source);
    source.addSink(sink);
  }

  #part(source: AudioSource, sink: AudioSink): void {
    if (this.#sourceOf.get(sink) !== source) return;
    this.#sourceOf.delete(sink);
    source.removeSink(sink);
  }

  #unplug(endpoint: AudioSource & AudioSink): void {
    for (const [sink, source] of this.#sourceOf) {
      if (source === endpoint || sink === endpoint) this.#part(source, sink);
    }
  }

  // ---- Reports and failures ----------------------------------------------------------------------------------

  #report(requestId: number): void {
    const rtp: Record<EndpointId, RtpCounters> = {};
    const streams: Record<EndpointId, StreamCounters> = {};
    const totals = { ...this.#past };
    for (const [endpointId, endpoint] of this.#rtp) {
      const counters = endpoint.counters();
      rtp[endpointId] = counters;
      addRtp(totals, counters);
    }
    for (const [endpointId, endpoint] of this.#streams) {
      const counters = endpoint.counters();
      streams[endpointId] = counters;
      addStream(totals, counters);
    }
    const worker: WorkerCounters = {
      endpoints: this.endpoints,
      latenessMsBounds,
      latenessMsBuckets: [...this.#wheel.latenessMsBuckets],
      latenessMsSum: this.#wheel.latenessMsSum,
      framesSkipped: this.#wheel.framesSkipped,
      portsInUse: this.#portsBound,
      udpErrors: { ...this.#udpErrors },
      accelerator: this.#options.accelerator ?? 'none',
      overloaded: this.#overload.overloaded,
      ...totals,
    };
    this.#options.emit({ type: 'report', requestId, rtp, streams, worker });
  }

  #memberFailed(member: WheelMember, error: unknown): void {
    this.#wheel.remove(member);
    if (member instanceof RtpEndpoint) this.#fail(member.endpointId, error);
    else this.#options.failed('', error);
  }

  #fail(endpointId: EndpointId, error: unknown): void {
    this.#options.failed(endpointId, error);
    this.#streams.get(endpointId)?.abort();
    this.#closeRtp(endpointId);
  }

  close(): void {
    for (const endpointId of [...this.#rtp.keys()]) this.#closeRtp(endpointId);
    for (const endpoint of this.#streams.values()) endpoint.close(1001, 'SHUTDOWN');
  }
}

function portsUsed(message: string): Error {
  return Object.assign(new Error(message), { code: 'PORTSUSED' });
}

function emitClosed(emit: (event: MediaEvent) => void, endpoint: RtpEndpoint): void {
  emit({ type: 'rtpClosed', endpointId: endpoint.endpointId, counters: endpoint.counters() });
}
