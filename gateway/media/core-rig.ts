import { writeRtpHeader } from '../../protocol/rtp/packet.ts';
import type { Clock } from '../clock.ts';
import type { DatagramHandler } from '../network.ts';
import { createMediaCore, type MediaCore } from './media-core.ts';
import type { MediaEvent, RtpSession } from './media-messages.ts';
import type { StreamSocketHandlers } from './stream-socket.ts';

/** The core of a media worker with everything but sockets, on a clock that is turned by hand: ten minutes of a call
 *  take a second. For warming up, for measurements and for tests of long calls. */
export class CoreRig {
  readonly core: MediaCore;
  readonly events: MediaEvent[] = [];
  readonly failures: unknown[] = [];
  nowMs = 1000;
  /** Of the phone that is being opened. */
  #opening: RigPhone | undefined;
  #openedStream: RigStream | undefined;
  #openingId = '';

  constructor() {
    const never = { cancel: () => {} };
    const clock: Clock = {
      nowMs: () => this.nowMs,
      wallMs: () => 1_700_000_000_000 + this.nowMs,
      after: () => never,
    };
    this.core = createMediaCore({
      clock,
      network: {
        openUdp: async ({ address }, receive) => {
          const phone = this.#opening!;
          phone.receive = receive;
          return {
            address,
            port: phone.port,
            send: (bytes, offset, sizeBytes) => phone.sent(bytes, offset, sizeBytes),
            close: () => {},
          };
        },
      },
      openStreamSocket: ({ audioSamples }, handlers) => {
        const stream = new RigStream(this.#openingId, handlers, audioSamples);
        this.#openedStream = stream;
        return stream;
      },
      settings: { ports: [0, 0], rtpTimeoutMs: 0 },
      emit: (event) => this.events.push(event),
      failed: (_endpointId, error) => this.failures.push(error),
    });
  }

  /** Runs all that is due until then. */
  advance(untilMs: number): void {
    for (;;) {
      const nextMs = this.core.nextTickMs;
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.core.tick(this.nowMs);
    }
    this.nowMs = untilMs;
  }

  async openPhone(endpointId: string, changes: Partial<RtpSession> = {}): Promise<RigPhone> {
    const phone = new RigPhone(endpointId, 20_000 + this.core.endpoints);
    this.#opening = phone;
    this.core.handle({ type: 'openRtp', endpointId, address: '127.0.0.1', rtcpMux: true });
    await Promise.resolve();
    await Promise.resolve();
    const remote = { address: '127.0.0.1', port: phone.port };
    const session: RtpSession = {
      remote,
      remoteRtcp: remote,
      codec: 'pcmu',
      payloadTypeSend: 0,
      payloadTypeReceive: 0,
      dtmfPayloadTypeSend: undefined,
      dtmfPayloadTypeReceive: undefined,
      ptimeMs: 20,
      direction: 'sendrecv',
      symmetric: 'off',
      rtcpMux: true,
      ...changes,
    };
    this.core.handle({ type: 'setRtpSession', endpointId, session });
    return phone;
  }

  /** Answered at once. */
  openStream(endpointId: string, sampleRateHz: number): RigStream {
    this.#openingId = endpointId;
    this.core.handle({
      type: 'openStream',
      endpointId,
      url: 'ws://rig.test/',
      address: undefined,
      headers: {},
      connect: {
        callId: endpointId,
        applicationKey: '',
        sampleRateHz,
        callHeaders: [],
        from: '',
        to: '',
        direction: 'inbound',
        sipHeaders: {},
      },
      limits: { connectTimeoutMs: 1, answerTimeoutMs: 1, idleTimeoutMs: 1, bufferBytes: 5_000_000 },
    });
    const stream = this.#openedStream!;
    stream.handlers.opened();
    stream.handlers.receiveText('{"command":"answer"}');
    return stream;
  }
}

/** Says PCMU packets, and is told of what it is sent. */
export class RigPhone {
  readonly id: string;
  readonly port: number;
  receive: DatagramHandler = () => {};
  /** An RTP packet to it; the bytes are reused. */
  sent: (bytes: Uint8Array, offset: number, sizeBytes: number) => void = () => {};
  readonly #packet = new Uint8Array(12 + 1920);
  #sequence = 1;
  #timestamp = 1;

  constructor(id: string, port: number) {
    this.id = id;
    this.port = port;
  }

  /** A packet of `ticks`, the next in order, or one that is lost. */
  say(
    payload: Uint8Array,
    ticks = payload.length,
    { lost = false, payloadType = 0 }: { readonly lost?: boolean; readonly payloadType?: number } = {},
  ): void {
    const sequence = this.#sequence;
    const timestamp = this.#timestamp;
    this.#sequence = (sequence + 1) & 0xffff;
    this.#timestamp = (timestamp + ticks) >>> 0;
    if (lost) return;
    const header = { payloadType, sequence, timestamp, ssrc: this.port, marker: false };
    writeRtpHeader(this.#packet, 0, header);
    this.#packet.set(payload, 12);
    this.receive(this.#packet.subarray(0, 12 + payload.length), '127.0.0.1', this.port);
  }
}

export class RigStream {
  readonly id: string;
  readonly handlers: StreamSocketHandlers;
  readonly audio: Int16Array;
  /** A message to it, whose samples are in `audio`, which is reused. */
  received: (audio: Int16Array) => void = () => {};
  readonly congested = false;

  constructor(id: string, handlers: StreamSocketHandlers, audioSamples: number) {
    this.id = id;
    this.handlers = handlers;
    this.audio = new Int16Array(audioSamples);
  }

  say(bytes: Uint8Array): void {
    this.handlers.receiveBinary(bytes, 0, bytes.length, true);
  }

  beginAudio(): Int16Array {
    return this.audio;
  }

  sendAudio(): void {
    this.received(this.audio);
  }

  sendText(): void {}

  sendBinary(): void {}

  close(): void {}
}
