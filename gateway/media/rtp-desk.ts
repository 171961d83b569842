import type { UdpSocket } from '../network.ts';
import type { MediaCoreOptions } from './media-core.ts';
import type { EndpointId, MediaCommand, MediaEvent, RtpCounters } from './media-messages.ts';
import { addRtp, type MutableTotals } from './media-totals.ts';
import type { PatchBay } from './patch-bay.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';
import { RtpPorts } from './rtp-ports.ts';
import type { TimingWheel } from './timing-wheel.ts';
import { VoiceWatch } from './voice-watch.ts';

type SetRtpSession = Extract<MediaCommand, { readonly type: 'setRtpSession' }>;

interface OpenRtpPort {
  /** Of the range; undefined where the system chose. */
  readonly port: number | undefined;
  readonly rtp: UdpSocket;
  readonly rtcp: UdpSocket | undefined;
}

/** Ports that others on this machine hold are passed over. Each next one is tried anywhere in the range, as the others'
 *  lie side by side: only of a range that is as good as full are so many in a row taken. */
const busyPortsMax = 100;
/** Room for what is not the peer's: at 20,000 datagrams a second the 17 ms until it is read. More would keep audio for
 *  too long where we ourselves stand still. */
const receiveBufferBytesDefault = 131_072;
/** Once a second at 20 ms. */
const asksEvery = 50;

/** The phones of one media worker: their ports, and what reaches them from outside. */
export class RtpDesk {
  readonly #options: MediaCoreOptions;
  readonly #wheel: TimingWheel;
  readonly #bay: PatchBay;
  readonly #fail: (endpointId: EndpointId, error: unknown) => void;
  readonly #leaves: (endpointId: EndpointId) => void;
  readonly #ports: RtpPorts;
  readonly #endpoints = new Map<EndpointId, RtpEndpoint>();
  readonly #voices = new Map<RtpEndpoint, VoiceWatch>();
  readonly #portOf = new Map<RtpEndpoint, number>();
  /** Of endpoints that are gone. */
  readonly #past: MutableTotals;
  portsBound = 0;
  readonly udpErrors: Record<string, number> = {};

  constructor(
    options: MediaCoreOptions,
    parts: {
      readonly wheel: TimingWheel;
      readonly bay: PatchBay;
      readonly past: MutableTotals;
      readonly fail: (endpointId: EndpointId, error: unknown) => void;
      /** It is about to go. */
      readonly leaves: (endpointId: EndpointId) => void;
    },
  ) {
    this.#options = options;
    this.#wheel = parts.wheel;
    this.#bay = parts.bay;
    this.#past = parts.past;
    this.#fail = parts.fail;
    this.#leaves = parts.leaves;
    this.#ports = new RtpPorts(options.settings.ports);
  }

  get size(): number {
    return this.#endpoints.size;
  }

  get(endpointId: EndpointId): RtpEndpoint | undefined {
    return this.#endpoints.get(endpointId);
  }

  setSession({ endpointId, session }: SetRtpSession, nowMs: number): void {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) return;
    const { ptimeMs } = endpoint;
    endpoint.setSession(session, nowMs);
    if (ptimeMs !== endpoint.ptimeMs || !this.#wheel.has(endpoint)) {
      this.#wheel.add(endpoint, endpoint.ptimeMs, nowMs);
    }
  }

  async open(command: Extract<MediaCommand, { type: 'openRtp' }>, nowMs: number): Promise<void> {
    const { clock, settings, emit } = this.#options;
    const { endpointId } = command;
    const { rtpTimeoutMs, encoding } = settings;
    const endpoint = new RtpEndpoint({
      endpointId,
      rtpTimeoutMs,
      encoding,
      nowMs,
      wallMs: clock.wallMs(),
      emit,
    });
    this.#endpoints.set(endpointId, endpoint);
    let open: OpenRtpPort;
    try {
      open = await this.#bindPorts(command, endpoint);
    } catch (error) {
      const { code = 'UNKNOWN', message } = error as { readonly code?: string; readonly message: string };
      // Where it was closed meanwhile, that is what was promised an answer.
      if (this.#endpoints.get(endpointId) !== endpoint) return emitClosed(emit, endpoint);
      this.#endpoints.delete(endpointId);
      return emit({ type: 'rtpFailed', endpointId, code, message });
    }
    endpoint.attach(open.rtp, open.rtcp);
    this.portsBound++;
    if (open.port !== undefined) this.#portOf.set(endpoint, open.port);
    if (this.#endpoints.get(endpointId) !== endpoint) {
      this.#release(endpoint);
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
      this.udpErrors[errorCode] = (this.udpErrors[errorCode] ?? 0) + 1;
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

  close(endpointId: EndpointId): void {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) return;
    this.#leaves(endpointId);
    this.#endpoints.delete(endpointId);
    // While its ports are still being bound, `open` sees that it is gone and answers.
    if (!endpoint.attached) return;
    this.#release(endpoint);
    emitClosed(this.#options.emit, endpoint);
  }

  watchVoice(endpointId: EndpointId, on: boolean): void {
    const endpoint = this.#endpoints.get(endpointId);
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

  #release(endpoint: RtpEndpoint): void {
    this.#wheel.remove(endpoint);
    this.#voices.delete(endpoint);
    this.#bay.unplug(endpoint);
    try {
      endpoint.close(this.#options.clock.nowMs());
    } catch (error) {
      this.#options.failed(endpoint.endpointId, error);
    }
    this.portsBound--;
    const port = this.#portOf.get(endpoint);
    this.#portOf.delete(endpoint);
    if (port !== undefined) this.#ports.free(port);
    addRtp(this.#past, endpoint.counters());
  }

  /** Of those that are open; adds them to `totals`. */
  counters(totals: MutableTotals): Record<EndpointId, RtpCounters> {
    const all: Record<EndpointId, RtpCounters> = {};
    for (const [endpointId, endpoint] of this.#endpoints) {
      const counters = endpoint.counters();
      all[endpointId] = counters;
      addRtp(totals, counters);
    }
    return all;
  }

  closeAll(): void {
    for (const endpointId of [...this.#endpoints.keys()]) this.close(endpointId);
  }
}

function portsUsed(message: string): Error {
  return Object.assign(new Error(message), { code: 'PORTSUSED' });
}

function emitClosed(emit: (event: MediaEvent) => void, endpoint: RtpEndpoint): void {
  emit({ type: 'rtpClosed', endpointId: endpoint.endpointId, counters: endpoint.counters() });
}
