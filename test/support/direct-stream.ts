import { pcmu } from '../../codecs/g711.ts';
import type { Clock } from '../../gateway/clock.ts';
import type { MediaEvent, StreamPlayout } from '../../gateway/media/media-messages.ts';
import { RtpEndpoint } from '../../gateway/media/rtp-endpoint.ts';
import { StreamEndpoint } from '../../gateway/media/stream-endpoint.ts';
import type { StreamSocketHandlers } from '../../gateway/media/stream-socket.ts';
import { connectOf } from './media-call.ts';

/** A stream and a phone joined without sockets and promises: each `tick` is 20 ms, each call of the server's happens
 *  within it. For tests that want thousands of calls. */
export class DirectStream {
  nowMs = 1_000;
  readonly events: MediaEvent[] = [];
  /** What the server was told since its answer, in order. */
  readonly texts: string[] = [];
  /** What the phone heard, as µ-law bytes. */
  readonly heard: number[] = [];
  readonly stream: StreamEndpoint;
  readonly phone: RtpEndpoint;
  #handlers!: StreamSocketHandlers;

  constructor(options: { readonly playout?: StreamPlayout; readonly extensions?: readonly string[] } = {}) {
    const { playout, extensions = [] } = options;
    const clock: Clock = {
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      after: () => ({ cancel: () => {} }),
    };
    const emit = (event: MediaEvent) => this.events.push(event);
    this.stream = new StreamEndpoint({
      command: {
        type: 'openStream',
        endpointId: 'stream',
        url: 'ws://stream.test/',
        address: undefined,
        headers: {},
        connect: connectOf(8000),
        limits: {
          connectTimeoutMs: 5000,
          answerTimeoutMs: 5000,
          idleTimeoutMs: 60_000,
          bufferBytes: 5_000_000,
        },
        playout,
      },
      open: (_options, handlers) => {
        this.#handlers = handlers;
        return {
          sendText: (text) => this.texts.push(text),
          sendBinary: () => {},
          congested: false,
          beginAudio: () => undefined,
          sendAudio: () => {},
          close: () => {},
        };
      },
      clock,
      emit,
      closed: () => {},
      pump: () => {},
      failed: (error) => {
        throw error;
      },
    });
    this.phone = new RtpEndpoint({
      endpointId: 'phone',
      rtpTimeoutMs: 0,
      nowMs: this.nowMs,
      wallMs: this.nowMs,
      emit,
    });
    this.#startPhone();
    this.#handlers.opened();
    this.say({ command: 'answer', extensions });
    this.texts.length = 0;
    this.stream.addSink(this.phone);
  }

  #startPhone(): void {
    const remote = { address: '127.0.0.1', port: 9 };
    const socket = {
      address: '127.0.0.1',
      port: 9,
      send: (bytes: Uint8Array, offset: number, sizeBytes: number) => {
        for (let at = offset + 12; at < offset + sizeBytes; at++) this.heard.push(bytes[at]!);
      },
      close: () => {},
    };
    this.phone.attach(socket, { ...socket, send: () => {} });
    this.phone.setSession(
      {
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
        rtcpMux: false,
      },
      this.nowMs,
    );
  }

  say(message: object): void {
    this.#handlers.receiveText(JSON.stringify(message));
  }

  sendAudio(bytes: Uint8Array): void {
    this.#handlers.receiveBinary(bytes, 0, bytes.length, true);
  }

  /** 20 ms pass, at the end of which a packet is due. */
  tick(): void {
    this.nowMs += 20;
    this.phone.send(this.nowMs);
  }
}

/** The 255 samples that µ-law carries without loss, silence left out. */
export const mulawSamples: Int16Array = (() => {
  const payload = Uint8Array.from({ length: 256 }, (_, index) => index);
  const pcm = new Int16Array(256);
  pcmu.createDecoder().decode(payload, 0, 256, pcm, 0);
  return pcm.filter((sample) => sample !== 0);
})();

export function mulawOf(samples: readonly number[]): number[] {
  const payload = new Uint8Array(samples.length);
  pcmu.createEncoder().encode(Int16Array.from(samples), 0, samples.length, payload, 0);
  return [...payload];
}
