import { pcmu } from '../../codecs/g711.ts';
import type { Clock, Timer } from '../../gateway/clock.ts';
import type { Network, UdpSocket } from '../../gateway/network.ts';
import { isRtcp, RtpHeader, readRtpHeader, writeRtpHeader } from '../../protocol/rtp/packet.ts';

export interface HeardPacket {
  readonly header: RtpHeader;
  readonly payload: Uint8Array;
  readonly atMs: number;
}

/** A bare RTP peer for tests of the media plane: says PCMU when told to, and keeps all that it hears. */
export class RtpPeer {
  readonly #clock: Clock;
  readonly #encoder = pcmu.createEncoder();
  #socket!: UdpSocket;
  #timer: Timer | undefined;
  /** Of the next packet. */
  sequence = 1000;
  timestamp = 5000;
  ssrc = 0x1234;
  payloadType = 0;
  to: { readonly address: string; readonly port: number } = { address: '', port: 0 };
  readonly heard: HeardPacket[] = [];
  readonly rtcp: Uint8Array[] = [];

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static async open(clock: Clock, network: Network, address = '127.0.0.1'): Promise<RtpPeer> {
    const peer = new RtpPeer(clock);
    peer.#socket = await network.openUdp({ address, port: 0 }, (datagram) => {
      const header = new RtpHeader();
      if (isRtcp(datagram)) {
        peer.rtcp.push(datagram.slice());
      } else if (readRtpHeader(datagram, header)) {
        const { payloadOffset, payloadBytes } = header;
        const payload = datagram.slice(payloadOffset, payloadOffset + payloadBytes);
        peer.heard.push({ header, payload, atMs: clock.nowMs() });
      }
    });
    return peer;
  }

  get port(): number {
    return this.#socket.port;
  }

  get address(): string {
    return this.#socket.address;
  }

  /** Says a tone, a packet every `ptimeMs`, until `stop`. */
  sayTone(options: { readonly frequencyHz?: number; readonly ptimeMs?: number } = {}): void {
    const { frequencyHz = 1000, ptimeMs = 20 } = options;
    const samples = ptimeMs * 8;
    const pcm = new Int16Array(samples);
    let said = 0;
    const say = () => {
      for (let i = 0; i < samples; i++) {
        pcm[i] = Math.round(8000 * Math.sin((2 * Math.PI * frequencyHz * said++) / 8000));
      }
      this.sayPcm(pcm);
    };
    let dueMs = this.#clock.nowMs();
    const tick = () => {
      say();
      dueMs += ptimeMs;
      this.#timer = this.#clock.after(dueMs - this.#clock.nowMs(), tick);
    };
    tick();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** One packet. */
  sayPcm(pcm: Int16Array): void {
    const payload = new Uint8Array(pcm.length);
    this.#encoder.encode(pcm, 0, pcm.length, payload, 0);
    this.sayPayload(payload, pcm.length);
  }

  sayPayload(payload: Uint8Array, ticks: number, marker = false): void {
    const datagram = new Uint8Array(12 + payload.length);
    writeRtpHeader(datagram, 0, { ...this.#fields(), marker });
    datagram.set(payload, 12);
    this.send(datagram);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.timestamp = (this.timestamp + ticks) >>> 0;
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram, 0, datagram.length, this.to.port, this.to.address);
  }

  /** What was heard as PCM, in the order it came. */
  get heardPcm(): Int16Array {
    const decoder = pcmu.createDecoder();
    const sizeBytes = this.heard.reduce((sum, { payload }) => sum + payload.length, 0);
    const pcm = new Int16Array(sizeBytes);
    let offset = 0;
    for (const { payload } of this.heard) offset += decoder.decode(payload, 0, payload.length, pcm, offset);
    return pcm;
  }

  close(): void {
    this.stop();
    this.#socket.close();
  }

  #fields() {
    const { sequence, timestamp, ssrc, payloadType } = this;
    return { sequence, timestamp, ssrc, payloadType };
  }
}
