import type { Network, UdpSocket } from '../gateway/network.ts';
import type { Impairment, StreamMode } from './load-messages.ts';
import { frameMs, framesPerMarker, loopFrames, markerTones } from './marker-audio.ts';
import { createEar, type Ear, type PhoneVoice } from './phone-audio.ts';
import type { PhoneMeasures } from './phone-measures.ts';

const HEADER_BYTES = 12;
/** A jump of the sequence beyond this is a restarted sender (RFC 3550 A.1), not loss. */
const SEQUENCE_JUMP = 3000;
/** Packets between two readings of the jitter estimate. */
const JITTER_EVERY = 50;
/** Of packets sent, how many until the system is asked again whether it took one. */
const ASKS_EVERY = 50;

export interface PhoneContext {
  readonly network: Network;
  readonly voice: PhoneVoice;
  readonly measures: PhoneMeasures;
  readonly mode: StreamMode;
  readonly impairment: Impairment;
  readonly random: () => number;
  readonly now: () => number;
  /** Sends a packet later. */
  readonly delay: (phone: RtpPhone, packet: Buffer, dueMs: number) => void;
}

/** The audio of one call: says the marker loop, and measures what comes back. One socket of its own. */
export class RtpPhone {
  readonly call: number;
  readonly #context: PhoneContext;
  readonly #socket: UdpSocket;
  readonly #ear: Ear;
  #open = true;
  #remoteAddress = '';
  /** What comes from elsewhere was meant for a call that had our port before us. */
  #remotePort = 0;

  readonly #packet: Buffer;
  /** Place in the loop of the next frame. */
  #frame: number;
  #sequence: number;
  #timestamp: number;
  /** When each marker was said last. */
  readonly #saidMs = new Float64Array(markerTones).fill(Number.NaN);

  #heardAny = false;
  #highest = -1;
  #lastArrivalMs = 0;
  #lastTimestamp = 0;
  #transitMs = 0;
  #jitterMs = 0;
  #untilJitter = JITTER_EVERY;
  #sounded = false;
  #silent = false;

  private constructor(call: number, socket: UdpSocket, context: PhoneContext) {
    this.call = call;
    this.#context = context;
    this.#socket = socket;
    this.#ear = createEar(context.voice.codec);
    this.#packet = Buffer.alloc(HEADER_BYTES + 1500);
    this.#packet[0] = 0x80;
    this.#packet.writeUInt32BE((0xbe0c0000 + call) >>> 0, 8);
    // Calls are spread over the loop, so that their markers do not all come at once.
    this.#frame = (call * 37) % loopFrames;
    // Not in the middle of a marker.
    if (this.#frame % framesPerMarker === 1) this.#frame++;
    this.#sequence = (call * 7919) & 0xffff;
    this.#timestamp = (call * 104_729) >>> 0;
  }

  /** Binds a port of the system's choice. Rejects with the system's error. */
  static async open(call: number, localAddress: string, context: PhoneContext): Promise<RtpPhone> {
    let phone: RtpPhone | undefined;
    const socket = await context.network.openUdp(
      { address: localAddress, port: 0, asksEvery: ASKS_EVERY },
      (datagram, _address, port) => {
        if (phone !== undefined) phone.#receive(datagram, port);
      },
    );
    phone = new RtpPhone(call, socket, context);
    return phone;
  }

  get port(): number {
    return this.#socket.port;
  }

  /** Packets are sent there from now on, and taken from nowhere else. */
  connect(address: string, port: number): void {
    this.#remoteAddress = address;
    this.#remotePort = port;
  }

  /** The next 20 ms. */
  sendFrame(): void {
    const { voice, measures, impairment } = this.#context;
    const payload = voice.payloads[this.#frame]!;
    const packet = this.#packet;
    packet[1] = voice.payloadType;
    packet[2] = this.#sequence >> 8;
    packet[3] = this.#sequence & 0xff;
    packet.writeUInt32BE(this.#timestamp, 4);
    packet.set(payload, HEADER_BYTES);
    if (this.#frame % framesPerMarker === 0) {
      const nowMs = this.#context.now();
      const tone = this.#frame / framesPerMarker;
      this.#saidMs[tone] = nowMs;
      measures.markersSent.add(this.call, tone, nowMs, nowMs);
    }
    this.#frame = (this.#frame + 1) % loopFrames;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + voice.timestampStep) >>> 0;
    const sizeBytes = HEADER_BYTES + payload.length;
    if (impairment.lossPercent > 0 && this.#context.random() * 100 < impairment.lossPercent) {
      measures.packets.withheld++;
    } else if (impairment.jitterMs > 0) {
      const dueMs = this.#context.now() + this.#context.random() * impairment.jitterMs;
      this.#context.delay(this, Buffer.from(packet.subarray(0, sizeBytes)), dueMs);
    } else {
      this.sendPacket(packet, sizeBytes);
    }
  }

  sendPacket(packet: Buffer, sizeBytes = packet.length): void {
    if (!this.#open || this.#remotePort === 0) return;
    this.#context.measures.packets.sent++;
    this.#socket.send(packet, 0, sizeBytes, this.#remotePort, this.#remoteAddress);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }

  #receive(datagram: Uint8Array, fromPort: number): void {
    if (!this.#open) return;
    const { measures, voice } = this.#context;
    const packets = measures.packets;
    const nowMs = this.#context.now();
    if (
      fromPort !== this.#remotePort ||
      datagram.length < HEADER_BYTES ||
      datagram[0]! >> 6 !== 2 ||
      (datagram[1]! & 0x7f) !== voice.payloadType
    ) {
      packets.ignored++;
      return;
    }
    packets.received++;
    const sequence = (datagram[2]! << 8) | datagram[3]!;
    const timestamp =
      ((datagram[4]! << 24) | (datagram[5]! << 16) | (datagram[6]! << 8) | datagram[7]!) >>> 0;
    const ahead = this.#heardAny ? (sequence - this.#highest) & 0xffff : 1;
    if (ahead === 0) {
      packets.duplicate++;
      return;
    }
    if (ahead > 0xffff - SEQUENCE_JUMP) {
      // It had been counted as lost when a later one came first.
      packets.reordered++;
      packets.lost--;
      return;
    }
    if (ahead > 1) {
      if (ahead < SEQUENCE_JUMP) packets.lost += ahead - 1;
      this.#ear.interrupt();
    }
    this.#measureTiming(ahead, timestamp, nowMs);
    this.#highest = sequence;
    this.#listen(datagram, nowMs);
  }

  #measureTiming(ahead: number, timestamp: number, nowMs: number): void {
    const { voice, measures } = this.#context;
    const transitMs = nowMs - (timestamp * frameMs) / voice.timestampStep;
    if (!this.#heardAny) {
      this.#heardAny = true;
      this.#transitMs = transitMs;
    } else if (ahead === 1) {
      measures.spacing.record(Math.abs(nowMs - this.#lastArrivalMs - frameMs));
      const step = (timestamp - this.#lastTimestamp) >>> 0;
      if (step !== voice.timestampStep) measures.packets.timestampJumps++;
      // Otherwise the 32-bit timestamp wrapped, or jumped: no transit difference to learn from.
      else if (timestamp > this.#lastTimestamp)
        this.#jitterMs += (Math.abs(transitMs - this.#transitMs) - this.#jitterMs) / 16;
    }
    this.#transitMs = transitMs;
    this.#lastTimestamp = timestamp;
    this.#lastArrivalMs = nowMs;
    if (--this.#untilJitter === 0) {
      this.#untilJitter = JITTER_EVERY;
      measures.jitter.record(this.#jitterMs);
    }
  }

  #listen(datagram: Uint8Array, nowMs: number): void {
    const { measures, mode } = this.#context;
    const start = payloadStart(datagram);
    const heard = this.#ear.listen(datagram, start, datagram.length - start, nowMs);
    if (heard === 'silence') {
      if (this.#sounded && (mode === 'echo' || mode === 'tone')) measures.packets.silent++;
      if (!this.#silent && mode === 'clear') measures.silences.add(this.call, nowMs);
      this.#silent = true;
      return;
    }
    this.#sounded = true;
    this.#silent = false;
    if (heard !== 'marker') return;
    const { tone, onsetMs, frameMs: frameArrivedMs } = this.#ear.detector;
    measures.markersHeard.add(this.call, tone, onsetMs, frameArrivedMs);
    const saidMs = this.#saidMs[tone]!;
    if (mode !== 'echo' || Number.isNaN(saidMs)) return;
    measures.roundTrip.record(onsetMs - saidMs);
    measures.roundTripRecent.record(onsetMs - saidMs);
  }

  /** Markers that were heard broken. */
  get markersUnknown(): number {
    return this.#ear.detector.unknown;
  }
}

/** Behind the contributing sources and the header extension (RFC 3550 §5.1, §5.3.1). */
function payloadStart(datagram: Uint8Array): number {
  const first = datagram[0]!;
  let start = HEADER_BYTES + (first & 0x0f) * 4;
  if (first & 0x10 && datagram.length >= start + 4)
    start += 4 + ((datagram[start + 2]! << 8) | datagram[start + 3]!) * 4;
  return Math.min(start, datagram.length);
}
