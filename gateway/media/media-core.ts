import type { EncoderSettings } from '../../codecs/codec.ts';
import type { Clock } from '../clock.ts';
import type { Network } from '../network.ts';
import type { AudioSink, AudioSource } from './audio-route.ts';
import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  StreamCounters,
  WorkerCounters,
} from './media-messages.ts';
import { addStream, noTotals } from './media-totals.ts';
import { OverloadWatch } from './overload-watch.ts';
import { PatchBay } from './patch-bay.ts';
import { RtpDesk } from './rtp-desk.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';
import { StreamEndpoint } from './stream-endpoint.ts';
import type { OpenStreamSocket } from './stream-socket.ts';
import { latenessMsBounds, TimingWheel, type WheelMember } from './timing-wheel.ts';
import { isUnitCommand, UnitDesk } from './unit-desk.ts';

export interface MediaSettings {
  /** Both included; `[0, 0]` lets the system choose. */
  readonly ports: readonly [number, number];
  /** 0 = never. */
  readonly rtpTimeoutMs: number;
  /** Of encoders that have a choice: Opus. */
  readonly encoding?: EncoderSettings | undefined;
  /** Of each RTP socket; default 20 KiB, which the system doubles: a second of G.711, a third of L16 at
   *  48 kHz. A worker that cannot keep up hears its callers so late: more would only keep audio that is too old. */
  readonly receiveBufferBytes?: number | undefined;
  /** How long a worker may run its code over made-up calls before it takes real ones. Default 150; 0 = not at all. */
  readonly warmUpMs?: number | undefined;
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

export function createMediaCore(options: MediaCoreOptions): MediaCore {
  return new Core(options);
}

class Core implements MediaCore {
  readonly #options: MediaCoreOptions;
  readonly #wheel: TimingWheel;
  readonly #overload: OverloadWatch;
  readonly #bay = new PatchBay();
  readonly #rtp: RtpDesk;
  readonly #streams = new Map<EndpointId, StreamEndpoint>();
  readonly #units: UnitDesk;
  /** Of endpoints that are gone. */
  readonly #past = noTotals();

  constructor(options: MediaCoreOptions) {
    this.#options = options;
    this.#wheel = new TimingWheel({
      nowMs: options.clock.nowMs(),
      failed: (member, error) => this.#memberFailed(member, error),
    });
    this.#overload = new OverloadWatch(options.clock.nowMs(), (overloaded) =>
      options.emit({ type: 'load', overloaded }),
    );
    const parts = { wheel: this.#wheel, bay: this.#bay };
    const fail = (endpointId: EndpointId, error: unknown) => this.#fail(endpointId, error);
    const leaves = (endpointId: EndpointId) => this.#units.forget(endpointId);
    this.#rtp = new RtpDesk(options, { ...parts, past: this.#past, fail, leaves });
    this.#units = new UnitDesk(options, {
      ...parts,
      fail,
      endpoint: (endpointId) => this.#endpoint(endpointId),
    });
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
    if (isUnitCommand(command)) return this.#units.obey(command, nowMs);
    switch (command.type) {
      case 'openRtp':
        void this.#rtp.open(command, nowMs);
        return;
      case 'setRtpSession':
        return this.#rtp.setSession(command, nowMs);
      case 'closeRtp':
        return this.#rtp.close(command.endpointId);
      case 'sendDigits':
        return this.#rtp.get(command.endpointId)?.sendDigits(command.digits);
      case 'detectDigits':
        return this.#rtp.get(command.endpointId)?.detectDigits(command);
      case 'openStream':
        return this.#openStream(command);
      case 'closeStream':
        return this.#streams.get(command.endpointId)?.close(command.code, command.reason);
      case 'reopenStream':
        return this.#streams.get(command.endpointId)?.reopen(command);
      case 'tellStream':
        return this.#streams.get(command.endpointId)?.tell(command.event);
      case 'bridge':
      case 'unbridge': {
        const [a, b] = [this.#endpoint(command.a), this.#endpoint(command.b)];
        if (a === undefined || b === undefined) return;
        const change = command.type === 'bridge' ? this.#bay.route : this.#bay.unroute;
        change.call(this.#bay, a, b);
        change.call(this.#bay, b, a);
        return;
      }
      case 'watchVoice':
        return this.#rtp.watchVoice(command.endpointId, command.on);
      case 'report':
        return this.#report(command.requestId);
    }
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
    this.#units.forget(endpointId);
    this.#bay.unplug(endpoint);
    addStream(this.#past, endpoint.counters());
    if (this.#streams.get(endpointId) === endpoint) this.#streams.delete(endpointId);
  }

  #endpoint(endpointId: EndpointId): (AudioSource & AudioSink) | undefined {
    return this.#rtp.get(endpointId) ?? this.#streams.get(endpointId);
  }

  // ---- Reports and failures ----------------------------------------------------------------------------------

  #report(requestId: number): void {
    const streams: Record<EndpointId, StreamCounters> = {};
    const totals = { ...this.#past };
    const rtp = this.#rtp.counters(totals);
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
      portsInUse: this.#rtp.portsBound,
      udpErrors: { ...this.#rtp.udpErrors },
      accelerator: this.#options.accelerator ?? 'none',
      overloaded: this.#overload.overloaded,
      ...totals,
    };
    this.#options.emit({ type: 'report', requestId, rtp, streams, worker });
  }

  #memberFailed(member: WheelMember, error: unknown): void {
    this.#wheel.remove(member);
    const endpointId = member instanceof RtpEndpoint ? member.endpointId : this.#units.idOf(member);
    if (endpointId === undefined) this.#options.failed('', error);
    else this.#fail(endpointId, error);
  }

  #fail(endpointId: EndpointId, error: unknown): void {
    this.#options.failed(endpointId, error);
    this.#streams.get(endpointId)?.abort();
    this.#rtp.close(endpointId);
    this.#units.close(endpointId);
  }

  close(): void {
    this.#units.closeAll();
    this.#rtp.closeAll();
    for (const endpoint of this.#streams.values()) endpoint.close(1001, 'SHUTDOWN');
  }
}
