import { randomInt } from 'node:crypto';
import type { EncoderSettings } from '../../codecs/codec.ts';
import { JitterBuffer } from '../../protocol/rtp/jitter-buffer.ts';
import { LossBurstMeter } from '../../protocol/rtp/loss-bursts.ts';
import { isRtcp, RtpHeader, readRtpHeader } from '../../protocol/rtp/packet.ts';
import { Reception } from '../../protocol/rtp/reception.ts';
import { RtpSender } from '../../protocol/rtp/sender.ts';
import type { UdpSocket } from '../network.ts';
import { SrtpSession } from '../srtp-session.ts';
import type { AudioFormat, AudioSink, AudioSource, LineFigures } from './audio-route.ts';
import { CoderPair } from './coder-pair.ts';
import { DigitPath } from './digit-path.ts';
import { Downlink } from './downlink.ts';
import { LegMeter } from './leg-meter.ts';
import type { EndpointId, MediaEvent, RtpCounters, RtpSession } from './media-messages.ts';
import type { Audible } from './patch-bay.ts';
import { RtcpPath } from './rtcp-path.ts';
import { RtcpSession } from './rtcp-session.ts';
import { RtpWatch } from './rtp-watch.ts';
import { SourceLock } from './source-lock.ts';
import { StrangerGuard } from './stranger-guard.ts';
import type { WheelMember } from './timing-wheel.ts';
import { Uplink } from './uplink.ts';

/** So many packets, and not one with the right key, are no attack but a misunderstanding. */
const forgedNoticed = 50;

export interface RtpEndpointOptions {
  readonly endpointId: EndpointId;
  readonly rtpTimeoutMs: number;
  /** Of encoders that have a choice: Opus. */
  readonly encoding?: EncoderSettings | undefined;
  readonly nowMs: number;
  readonly wallMs: number;
  readonly emit: (event: MediaEvent) => void;
}

/** One phone: its RTP socket, and what becomes of each packet. Up: `receivePacket` → `Uplink` → the sinks, in the
 *  turn it arrived. Down: the source's audio → `Downlink`, where it waits until the wheel calls `send`. */
export class RtpEndpoint implements AudioSource, AudioSink, Audible, WheelMember {
  readonly endpointId: EndpointId;
  readonly #options: RtpEndpointOptions;
  readonly #source = new SourceLock();
  readonly #guard = new StrangerGuard();
  readonly #header = new RtpHeader();
  readonly #jitterBuffer = new JitterBuffer({ payloadBytesMax: 0 });
  readonly #digits: DigitPath;
  readonly #uplink: Uplink;
  readonly #downlink: Downlink;
  #socket: UdpSocket | undefined;
  #closed = false;

  #session: RtpSession | undefined;
  #receives = false;
  #sends = false;
  #coders: CoderPair | undefined;
  /** PCM rate of the source that we play. */
  #sourceRateHz: number | undefined;
  readonly #reception = new Reception({ rtpClockRateHz: 8000 });
  readonly #rtcpPath: RtcpPath;
  #srtp: SrtpSession | undefined;

  /** Audio is due from the peer: one that holds us may play music or nothing at all. */
  get #watches(): boolean {
    return this.#receives && this.#sends;
  }

  readonly #watch: RtpWatch;
  readonly #meter: LegMeter;
  #packetsIgnored = 0;
  #bytesReceived = 0;
  constructor(options: RtpEndpointOptions) {
    this.endpointId = options.endpointId;
    this.#options = options;
    this.#watch = new RtpWatch({ ...options, timeoutMs: options.rtpTimeoutMs });
    const { endpointId, emit } = options;
    this.#digits = new DigitPath({
      pressed: (digit, durationMs, method) => emit({ type: 'digit', endpointId, digit, durationMs, method }),
      dropped: (count) => {
        const message = `${count} digits were dropped, as 256 wait to be sent already`;
        emit({ type: 'notice', endpointId, code: 'digits-dropped', message });
      },
    });
    const giveUpHole = (nowMs: number) => this.#giveUpHole(nowMs);
    this.#uplink = new Uplink({ digits: this.#digits, giveUpHole });
    const sender = new RtpSender({
      ssrc: randomInt(0x1_0000_0000),
      // The lower half, as a receiver that misses the first SRTP packets could not tell a rollover (RFC 3711 §3.3.1).
      sequence: randomInt(0x8000),
      timestamp: randomInt(0x1_0000_0000),
      rtpClockRateHz: 8000,
    });
    this.#downlink = new Downlink({ digits: this.#digits, sender });
    const rtcp = new RtcpSession({
      sender,
      reception: this.#reception,
      // A name that says nothing and is new for every call, RFC 7022.
      cname: randomInt(2 ** 47).toString(36),
      nowMs: options.nowMs,
      wallMs: options.wallMs,
    });
    this.#meter = new LegMeter({
      nowMs: options.nowMs,
      reception: this.#reception,
      jitterBuffer: this.#jitterBuffer,
      sender,
      rtcp,
    });
    this.#rtcpPath = new RtcpPath(rtcp, this.#source);
  }

  get ptimeMs(): number {
    return this.#downlink.ptimeMs;
  }

  /** False while its ports are being bound. */
  get attached(): boolean {
    return this.#socket !== undefined;
  }

  /** `rtcp` is undefined where RTCP comes over the RTP port. */
  attach(rtp: UdpSocket, rtcp: UdpSocket | undefined): void {
    this.#socket = rtp;
    this.#guard.attach(rtp);
    this.#rtcpPath.attach(rtp, rtcp);
  }

  // ---- Up: phone → sinks -------------------------------------------------------------------------------------

  receivePacket(datagram: Uint8Array, address: string, port: number, nowMs: number): void {
    const session = this.#session;
    if (session === undefined || this.#closed) return this.#ignore();
    if (session.rtcpMux && isRtcp(datagram)) return this.receiveRtcp(datagram, address, port, nowMs);

    // Cheap refusals first; nothing of a packet is believed before it is known to be the peer's.
    if (!this.#source.admits(address, port)) return this.#ignoreStranger();
    const sizeBytes = this.#srtp === undefined ? datagram.length : this.#srtp.unprotect(datagram);
    const header = this.#header;
    if (sizeBytes === 0) return this.#refuse();
    if (!readRtpHeader(datagram, header, sizeBytes)) return this.#ignore();
    const { payloadType } = header;
    const known =
      payloadType === session.payloadTypeReceive ||
      payloadType === session.dtmfPayloadTypeReceive ||
      payloadType === session.comfortNoisePayloadType;
    if (!known) this.#ignore();
    if (!this.#isPeer(address, port, known, nowMs)) return;
    this.#watch.received(nowMs);

    const verdict = this.#reception.receive(header, nowMs);
    if (verdict === 'restarted') this.#restart(nowMs);
    else if (verdict !== 'accepted') return;
    this.#bytesReceived += header.payloadBytes;
    if (payloadType === session.dtmfPayloadTypeReceive) this.#digits.receive(header, datagram, nowMs);
    else if (payloadType === session.payloadTypeReceive) this.#uplink.arrived(header.timestamp, nowMs);

    // Events and unknown types pass through too: they have a place in the sequence, and it must not look lost.
    this.#jitterBuffer.delayMsMax = this.#uplink.holeMs;
    const place = this.#jitterBuffer.offer(header, datagram, nowMs);
    if (place === 'deliver') this.#deliver(header, datagram, nowMs);
    if (this.#jitterBuffer.packetsHeld > 0) this.#deliverHeld(nowMs);
  }

  /** What is of no known type is believed of a source that is known. */
  #isPeer(address: string, port: number, known: boolean, nowMs: number): boolean {
    const source = this.#source;
    if (source.isLockedOn(address, port)) return true;
    if (!known) return false;
    const proven = this.#srtp !== undefined;
    const believed = source.accept(address, port, this.#header.sequence, nowMs, proven);
    if (!believed) this.#ignore();
    if (source.isLockedOn(address, port)) {
      this.#options.emit({ type: 'rtpStarted', endpointId: this.endpointId, source: { address, port } });
    }
    return believed;
  }

  /** On the wheel: gives up on holes, ends digits whose end was lost, and looks after RTCP and silence. */
  deliver(nowMs: number): void {
    if (this.#closed || this.#session === undefined) return;
    if (nowMs >= this.#jitterBuffer.deadlineMs) this.#deliverHeld(nowMs);
    this.#digits.report(nowMs);
    this.#uplink.tick(nowMs);
    if (nowMs >= this.#meter.dueMs) this.#meter.measure(nowMs);
    if (nowMs >= this.#rtcpPath.dueMs) this.#rtcpPath.report(nowMs, this.#meter.voipMetrics());
    if (this.#watches) this.#watch.check(nowMs, this.#uplink.silent);
  }

  #deliverHeld(nowMs: number): void {
    for (
      let next = this.#jitterBuffer.next(nowMs);
      next !== undefined;
      next = this.#jitterBuffer.next(nowMs)
    ) {
      if (next === 'lost') this.#conceal(nowMs);
      else this.#deliver(next.header, next.bytes, nowMs);
    }
  }

  #giveUpHole(nowMs: number): boolean {
    if (this.#jitterBuffer.packetsHeld === 0) return false;
    this.#jitterBuffer.giveUp();
    this.#deliverHeld(nowMs);
    return true;
  }

  #deliver(header: RtpHeader, bytes: Uint8Array, nowMs: number): void {
    this.#meter.bursts?.received();
    if (!this.#receives) return;
    const { payloadTypeReceive, dtmfPayloadTypeReceive, comfortNoisePayloadType } = this.#session!;
    const { payloadType } = header;
    if (payloadType === payloadTypeReceive) this.#uplink.deliver(header, bytes, nowMs);
    else if (payloadType === dtmfPayloadTypeReceive) this.#uplink.deliverEvent(header, bytes, nowMs);
    else if (payloadType === comfortNoisePayloadType) this.#uplink.deliverNoise(header, bytes, nowMs);
  }

  #conceal(nowMs: number): void {
    this.#meter.bursts?.lost();
    if (!this.#receives) return;
    const { following, earliest } = this.#jitterBuffer;
    const isAudio = earliest?.header.payloadType === this.#session!.payloadTypeReceive;
    this.#uplink.conceal(nowMs, isAudio ? earliest : undefined, isAudio && following === earliest);
  }

  /** The sender began anew: what waits is played, then nothing is compared with what was before. */
  #restart(nowMs: number): void {
    this.#jitterBuffer.flush();
    this.#deliverHeld(nowMs);
    this.#digits.flush();
    this.#uplink.restart();
  }

  #ignore(): void {
    this.#packetsIgnored++;
  }

  #ignoreStranger(): void {
    this.#ignore();
    if (!this.#guard.refused(this.#source.settled)) return;
    const message = 'many packets came from others than the phone: the system drops them unread from now on';
    this.#options.emit({ type: 'notice', endpointId: this.endpointId, code: 'rtp-strangers', message });
  }

  /** Of SRTP it opens nothing; some phones keep their NAT open with datagrams that are empty. */
  #refuse(): void {
    if (this.#srtp === undefined) return this.#ignore();
    if (this.#srtp.accepted > 0 || this.#srtp.forged !== forgedNoticed) return;
    const message = `${forgedNoticed} packets came and the key that the peer named opens none of them`;
    this.#options.emit({ type: 'notice', endpointId: this.endpointId, code: 'SRTPKEY', message });
  }

  // ---- Down: source → phone ----------------------------------------------------------------------------------

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#downlink.playBytes(bytes, offset, sizeBytes, nowMs);
  }

  play(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    this.#downlink.play(samples, offset, count, nowMs);
  }

  playMadeUp(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    this.#downlink.playMadeUp(samples, offset, count, nowMs);
  }

  noteArrival(aheadMs: number, nowMs: number): void {
    this.#downlink.noteArrival(aheadMs, nowMs);
  }

  /** On the wheel, once a ptime: the next packet. */
  send(nowMs: number): void {
    const session = this.#session;
    if (this.#closed || session === undefined) return;
    const downlink = this.#downlink;
    if (session.unanswered) return downlink.wait();
    if (!this.#sends) return downlink.skip(nowMs);
    const bareBytes = downlink.write(session, nowMs);
    if (bareBytes > 0) {
      const { packet } = downlink;
      const sizeBytes = this.#srtp === undefined ? bareBytes : this.#srtp.protect(packet, bareBytes);
      const { port, address } = this.#source;
      if (sizeBytes > 0) this.#socket!.send(packet, 0, sizeBytes, port, address);
    }
    downlink.sent();
  }

  /** Too late to be sent: the audio is given up, so that the call is not late for good. */
  skip(nowMs: number): void {
    if (this.#session !== undefined) this.#downlink.skip(nowMs);
  }

  /** Queues digits for the phone: as events where it takes them, else as their tones. */
  sendDigits(digits: string): void {
    this.#digits.send(digits, this.#session?.dtmfPayloadTypeSend !== undefined);
  }

  /** Whether digits are looked for in the phone's audio, and taken out of it. */
  detectDigits(options: { readonly listens: boolean; readonly mutes: boolean }): void {
    this.#digits.detect(options);
  }

  mark(mark: number): void {
    this.#downlink.reporting?.mark(mark);
  }

  forgetMarks(): void {
    this.#downlink.reporting?.forgetMarks();
  }

  watchDrained(): void {
    this.#downlink.reporting?.watchDrained();
  }

  pause(paused: boolean): void {
    this.#downlink.reporting?.pause(paused);
  }

  clear(): void {
    this.#downlink.clear();
  }

  // ---- Session -----------------------------------------------------------------------------------------------

  /** Starts it, or changes it after a re-INVITE. The caller puts the endpoint on the wheel, at `ptimeMs`. Throws
   *  `RangeError` for a codec that this build does not have. */
  setSession(session: RtpSession, nowMs: number): void {
    const watched = this.#watches;
    const { address, port } = this.#session?.remote ?? session.remote;
    const moved = address !== session.remote.address || port !== session.remote.port;
    this.#useCodec(session);
    this.#session = session;
    this.#srtp = session.srtp && new SrtpSession(session.srtp, this.#srtp, moved);
    this.#receives = session.direction === 'sendrecv' || session.direction === 'recvonly';
    const sends = session.direction === 'sendrecv' || session.direction === 'sendonly';
    this.#sends = sends && session.unanswered !== true;
    this.#source.expect(session.remote, session.symmetric, session.signalingAddress);
    this.#guard.follow(this.#source.settled);
    this.#rtcpPath.use(session, this.#srtp);
    if (!watched) this.#watch.expect(nowMs);
    if (session.voipMetrics) this.#meter.bursts ??= new LossBurstMeter();
    if (!this.#receives) this.#uplink.pause();
    this.#digits.expectEvents(session.dtmfPayloadTypeReceive !== undefined);
  }

  #useCodec(session: RtpSession): void {
    if (this.#coders?.serves(session, this.#sourceRateHz) !== true) {
      const coders = new CoderPair(session, this.#sourceRateHz, this.#options.encoding);
      this.#coders?.close();
      this.#coders = coders;
      this.#jitterBuffer.resize(coders.receivedBytesMax);
      this.#reception.changeClock(coders.codec.rtpClockRateHz);
      this.#uplink.use(coders);
    }
    this.#downlink.use(this.#coders!, session.ptimeMs);
    this.#meter.use(session.codec, this.ptimeMs);
  }

  receiveRtcp(datagram: Uint8Array, address: string, port: number, nowMs: number): void {
    if (this.#session === undefined || this.#closed) return;
    if (!this.#rtcpPath.receive(datagram, address, port, nowMs)) this.#ignore();
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    this.#uplink.addSink(sink);
  }

  removeSink(sink: AudioSink): void {
    this.#uplink.removeSink(sink);
  }

  addEar(ear: AudioSink): void {
    this.#downlink.addEar(ear);
  }

  removeEar(ear: AudioSink): void {
    this.#downlink.removeEar(ear);
  }

  plug(format: AudioFormat): void {
    this.#downlink.plug(format);
    this.#sourceRateHz = format.sampleRateHz;
    if (this.#session !== undefined) this.#useCodec(this.#session);
  }

  unplug(): void {
    this.#downlink.unplug();
  }

  get queuedMs(): number {
    return this.#downlink.queuedMs;
  }

  get droppedMs(): number {
    return this.#downlink.droppedMs;
  }

  get playedMs(): number {
    return this.#downlink.reporting?.playedMs ?? 0;
  }

  get line(): LineFigures | undefined {
    return this.#meter.line;
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  counters(): RtpCounters {
    return {
      ...this.#meter.counters(),
      bytesReceived: this.#bytesReceived,
      packetsIgnored: this.#packetsIgnored,
      packetsRefused: this.#srtp?.refused ?? 0,
      framesUnderrun: this.#downlink.framesUnderrun,
    };
  }

  /** Says RTCP BYE and closes the sockets. Idempotent. */
  close(nowMs: number): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#rtcpPath.bye(nowMs, this.#meter.voipMetrics());
    } finally {
      this.#socket?.close();
      this.#rtcpPath.close();
      this.#coders?.close();
    }
  }
}
