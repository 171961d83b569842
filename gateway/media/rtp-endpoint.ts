import { randomInt } from 'node:crypto';
import type { EncoderSettings } from '../../codecs/codec.ts';
import { JitterBuffer } from '../../protocol/rtp/jitter-buffer.ts';
import { LossBurstMeter } from '../../protocol/rtp/loss-bursts.ts';
import { isRtcp, RtpHeader, readRtpHeader, rtpHeaderBytes } from '../../protocol/rtp/packet.ts';
import { Reception } from '../../protocol/rtp/reception.ts';
import { RtpSender } from '../../protocol/rtp/sender.ts';
import { srtpGrowthBytesMax } from '../../protocol/rtp/srtp-keys.ts';
import { telephoneEventBytes } from '../../protocol/rtp/telephone-event.ts';
import type { VoipMetrics } from '../../protocol/rtp/voip-metrics.ts';
import type { UdpSocket } from '../network.ts';
import { SrtpSession } from '../srtp-session.ts';
import type { AudioFormat, AudioSink, AudioSource, LineFigures } from './audio-route.ts';
import { CoderPair, type CoderSession } from './coder-pair.ts';
import { DigitPath } from './digit-path.ts';
import { LegMeter, type LegTotals } from './leg-meter.ts';
import { LivePlayout } from './live-playout.ts';
import type { EndpointId, MediaEvent, RtpCounters, RtpSession } from './media-messages.ts';
import type { Audible } from './patch-bay.ts';
import { bytesOf } from './pcm-bytes.ts';
import { Playout } from './playout.ts';
import { RtcpSession } from './rtcp-session.ts';
import { RtpWatch } from './rtp-watch.ts';
import { SourceLock } from './source-lock.ts';
import type { WheelMember } from './timing-wheel.ts';
import { Uplink } from './uplink.ts';

/** PCM of one frame that we send. Shared by all endpoints of the thread, as each is done with it before the next
 *  begins. */
const pcm = new Int16Array(5760);

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
 *  turn it arrived. Down: the source's audio waits in a playout until the wheel calls `send`. */
export class RtpEndpoint implements AudioSource, AudioSink, Audible, WheelMember {
  readonly endpointId: EndpointId;
  readonly #options: RtpEndpointOptions;
  readonly #source = new SourceLock();
  readonly #header = new RtpHeader();
  #jitterBuffer = new JitterBuffer({ payloadBytesMax: 0 });
  readonly #digits: DigitPath;
  readonly #uplink: Uplink;
  #playout: Playout | LivePlayout | undefined;
  /** The same, where its source waits and wants to know what became of its audio. */
  #reporting: Playout | undefined;
  /** Who hears what we send, as we send it. */
  #ears: readonly AudioSink[] = [];
  #socket: UdpSocket | undefined;
  #rtcpSocket: UdpSocket | undefined;
  #closed = false;

  #session: RtpSession | undefined;
  #receives = false;
  #sends = false;
  #coders: CoderPair | undefined;
  /** PCM rate of the source that we play. */
  #sourceRateHz: number | undefined;
  #rtpClockRateHz = 8000;
  #reception = new Reception({ rtpClockRateHz: 8000 });
  #sender: RtpSender;
  readonly #rtcp: RtcpSession;
  #rtcpPort = 0;
  #srtp: SrtpSession | undefined;
  #packet = new Uint8Array(rtpHeaderBytes);
  ptimeMs = 20;
  #frameSamples = 0;
  #frameTicks = 0;

  /** Audio is due from the peer: one that holds us may play music or nothing at all. */
  get #watches(): boolean {
    return this.#receives && this.#sends;
  }

  readonly #watch: RtpWatch;
  readonly #meter: LegMeter;
  #packetsIgnored = 0;
  #bytesReceived = 0;
  #framesUnderrun = 0;
  /** Counted before the codec changed. */
  readonly #before = { packetsReceived: 0, packetsLost: 0, packetsDuplicate: 0, packetsLate: 0 };

  constructor(options: RtpEndpointOptions) {
    this.endpointId = options.endpointId;
    this.#options = options;
    this.#watch = new RtpWatch({ ...options, timeoutMs: options.rtpTimeoutMs });
    this.#meter = new LegMeter(options.nowMs);
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
    this.#sender = new RtpSender({
      ssrc: randomInt(0x1_0000_0000),
      // The lower half, as a receiver that misses the first SRTP packets could not tell a rollover (RFC 3711 §3.3.1).
      sequence: randomInt(0x8000),
      timestamp: randomInt(0x1_0000_0000),
      rtpClockRateHz: 8000,
    });
    this.#rtcp = new RtcpSession({
      sender: this.#sender,
      reception: this.#reception,
      // A name that says nothing and is new for every call, RFC 7022.
      cname: randomInt(2 ** 47).toString(36),
      nowMs: options.nowMs,
      wallMs: options.wallMs,
    });
  }

  /** False while its ports are being bound. */
  get attached(): boolean {
    return this.#socket !== undefined;
  }

  /** `rtcp` is undefined where RTCP comes over the RTP port. */
  attach(rtp: UdpSocket, rtcp: UdpSocket | undefined): void {
    this.#socket = rtp;
    this.#rtcpSocket = rtcp;
  }

  // ---- Up: phone → sinks -------------------------------------------------------------------------------------

  receivePacket(datagram: Uint8Array, address: string, port: number, nowMs: number): void {
    const session = this.#session;
    if (session === undefined || this.#closed) return this.#ignore();
    if (session.rtcpMux && isRtcp(datagram)) return this.receiveRtcp(datagram, address, port, nowMs);

    // Cheap refusals first; nothing of a packet is believed before it is known to be the peer's.
    if (!this.#source.admits(address, port)) return this.#ignore();
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
    if (!this.#source.locked) {
      if (!known) return;
      this.#source.lock(address, port);
      this.#options.emit({ type: 'rtpStarted', endpointId: this.endpointId, source: { address, port } });
    }
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

  /** On the wheel: gives up on holes, ends digits whose end was lost, and looks after RTCP and silence. */
  deliver(nowMs: number): void {
    if (this.#closed || this.#session === undefined) return;
    if (nowMs >= this.#jitterBuffer.deadlineMs) this.#deliverHeld(nowMs);
    this.#digits.report(nowMs);
    this.#uplink.tick(nowMs);
    if (nowMs >= this.#meter.dueMs) this.#meter.measure(nowMs, this.#totals());
    if (nowMs >= this.#rtcp.dueMs) this.#sendRtcp(this.#rtcp.report(nowMs, this.#voipMetrics()));
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
    const next = this.#jitterBuffer.following;
    const isAudio = next?.header.payloadType === this.#session!.payloadTypeReceive;
    if (this.#receives) this.#uplink.conceal(nowMs, isAudio ? next : undefined);
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

  #refuse(): void {
    if (this.#srtp!.accepted > 0 || this.#srtp!.forged !== forgedNoticed) return;
    const message = `${forgedNoticed} packets came and the key that the peer named opens none of them`;
    this.#options.emit({ type: 'notice', endpointId: this.endpointId, code: 'SRTPKEY', message });
  }

  // ---- Down: source → phone ----------------------------------------------------------------------------------

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#playout?.push(bytes, offset, sizeBytes, nowMs);
  }

  noteArrival(aheadMs: number, nowMs: number): void {
    if (this.#playout instanceof LivePlayout) this.#playout.noteArrival(aheadMs, nowMs);
  }

  play(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    this.playBytes(bytesOf(samples), samples.byteOffset + offset * 2, count * 2, nowMs);
  }

  playMadeUp(samples: Int16Array, offset: number, count: number, nowMs: number): void {
    const playout = this.#playout;
    if (!(playout instanceof LivePlayout)) return this.play(samples, offset, count, nowMs);
    playout.pushMadeUp(bytesOf(samples), samples.byteOffset + offset * 2, count * 2);
  }

  /** On the wheel, once a ptime: the next packet, of silence where nothing waits, so that timestamps, NAT bindings
   *  and carriers see an unbroken stream. */
  send(nowMs: number): void {
    if (this.#closed || this.#session === undefined) return;
    if (this.#session.unanswered) return this.#sender.skip(this.#frameTicks);
    if (!this.#sends) return this.#skipFrame(nowMs);
    if (this.#sendDigit(nowMs)) return;
    const { encoder } = this.#coders!;
    const samples = this.#frameSamples;
    const played = this.#playout?.take(pcm, samples, encoder.sampleRateHz, nowMs) ?? this.#silence(samples);
    if (!played) this.#framesUnderrun++;
    this.#digits.sound(pcm, samples, encoder.sampleRateHz);
    if (this.#ears.length > 0) for (const ear of this.#ears) ear.play(pcm, 0, samples, nowMs);
    const packet = this.#packet;
    const payloadBytes = encoder.encode(pcm, 0, samples, packet, rtpHeaderBytes);
    if (payloadBytes === 0) {
      this.#reporting?.sent();
      return this.#sender.skip(this.#frameTicks);
    }
    const { payloadTypeSend } = this.#session;
    this.#sender.writeAudioHeader(packet, 0, payloadTypeSend, payloadBytes, this.#frameTicks, nowMs);
    this.#sendPacket(rtpHeaderBytes + payloadBytes);
    if (this.#reporting !== undefined) this.#reporting.sent();
  }

  /** An event takes the place of the frame; the audio of that time is not heard. */
  #sendDigit(nowMs: number): boolean {
    const payloadType = this.#session!.dtmfPayloadTypeSend;
    if (payloadType === undefined) return false;
    const packet = this.#packet;
    const event = this.#digits.nextEvent(this.#sender.timestampNext, packet, rtpHeaderBytes);
    if (event === undefined) return false;
    this.#sender.writeEventHeader(packet, 0, payloadType, telephoneEventBytes, this.#frameTicks, event);
    this.#sendPacket(rtpHeaderBytes + telephoneEventBytes);
    this.#playout?.skip(this.#frameSamples, this.#coders!.encoder.sampleRateHz, nowMs);
    return true;
  }

  #sendPacket(bareBytes: number): void {
    const packet = this.#packet;
    const sizeBytes = this.#srtp === undefined ? bareBytes : this.#srtp.protect(packet, bareBytes);
    if (sizeBytes > 0) this.#socket!.send(packet, 0, sizeBytes, this.#source.port, this.#source.address);
  }

  /** Too late to be sent: the audio is given up, so that the call is not late for good. */
  skip(nowMs: number): void {
    if (this.#session !== undefined) this.#skipFrame(nowMs);
  }

  #skipFrame(nowMs: number): void {
    this.#sender.skip(this.#frameTicks);
    this.#playout?.skip(this.#frameSamples, this.#coders!.encoder.sampleRateHz, nowMs);
  }

  #silence(samples: number): false {
    pcm.fill(0, 0, samples);
    return false;
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
    this.#reporting?.mark(mark);
  }

  forgetMarks(): void {
    this.#reporting?.forgetMarks();
  }

  watchDrained(): void {
    this.#reporting?.watchDrained();
  }

  pause(paused: boolean): void {
    this.#reporting?.pause(paused);
  }

  clear(): void {
    this.#playout?.clear();
    this.#coders?.encoder.reset();
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
    this.#source.expect(session.remote, session.symmetric);
    this.#rtcpPort = session.remoteRtcp.port;
    if (!watched) this.#watch.expect(nowMs);
    if (session.voipMetrics) this.#meter.bursts ??= new LossBurstMeter();
    if (!this.#receives) this.#uplink.pause();
    this.#setFrame();
  }

  #useCodec(session: CoderSession): void {
    if (this.#coders?.serves(session, this.#sourceRateHz)) return;
    const coders = new CoderPair(session, this.#sourceRateHz, this.#options.encoding);
    this.#coders?.close();
    this.#coders = coders;
    this.#before.packetsLate += this.#jitterBuffer.packetsLate;
    this.#jitterBuffer = new JitterBuffer({ payloadBytesMax: coders.receivedBytesMax });
    if (coders.codec.rtpClockRateHz !== this.#rtpClockRateHz) this.#changeClock(coders.codec.rtpClockRateHz);
    this.#uplink.use(coders);
  }

  #setFrame(): void {
    const { codec, encoder } = this.#coders!;
    this.ptimeMs = this.#coders!.ptimeMs(this.#session!.ptimeMs);
    this.#frameSamples = (encoder.sampleRateHz * this.ptimeMs) / 1000;
    this.#frameTicks = (codec.rtpClockRateHz * this.ptimeMs) / 1000;
    this.#digits.use(codec.rtpClockRateHz, this.ptimeMs);
    const payloadBytesMax = codec.payloadBytesMax * Math.ceil(this.ptimeMs / 20);
    this.#packet = new Uint8Array(rtpHeaderBytes + payloadBytesMax + srtpGrowthBytesMax);
    for (const ear of this.#ears) this.#plugEar(ear);
  }

  /** Same SSRC, sequence and counters, another unit of time. */
  #changeClock(rtpClockRateHz: number): void {
    this.#rtpClockRateHz = rtpClockRateHz;
    const { ssrc, sequence, timestampNext, packetCount, octetCount } = this.#sender;
    const first = packetCount === 0 ? sequence : sequence + 1;
    this.#sender = new RtpSender({ ssrc, sequence: first, timestamp: timestampNext, rtpClockRateHz });
    this.#sender.packetCount = packetCount;
    this.#sender.octetCount = octetCount;
    this.#before.packetsReceived += this.#reception.packetsReceived;
    this.#before.packetsLost += this.#reception.packetsLost;
    this.#before.packetsDuplicate += this.#reception.packetsDuplicate;
    this.#reception = new Reception({ rtpClockRateHz });
    this.#rtcp.replace(this.#sender, this.#reception);
  }

  receiveRtcp(datagram: Uint8Array, address: string, port: number, nowMs: number): void {
    const session = this.#session;
    if (session === undefined || this.#closed) return;
    const expected = this.#source.locked ? this.#source.address : session.remoteRtcp.address;
    if (address !== expected) return this.#ignore();
    const sizeBytes = this.#srtp === undefined ? datagram.length : this.#srtp.unprotectRtcp(datagram);
    if (sizeBytes === 0) return;
    try {
      this.#rtcp.receive(datagram.subarray(0, sizeBytes), nowMs);
    } catch {
      return this.#ignore();
    }
    // Behind the NAT from which its RTP was learned, the peer's RTCP has another port than it knows.
    if (this.#source.address !== session.remote.address) this.#rtcpPort = port;
  }

  #sendRtcp(plain: Uint8Array): void {
    const session = this.#session;
    const report = this.#srtp === undefined ? plain : this.#srtp.protectRtcp(plain);
    if (session === undefined || report === undefined) return;
    const learned = this.#source.address !== session.remote.address;
    const address = learned ? this.#source.address : session.remoteRtcp.address;
    if (session.rtcpMux) this.#socket?.send(report, 0, report.length, this.#source.port, address);
    else this.#rtcpSocket?.send(report, 0, report.length, this.#rtcpPort, address);
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    this.#uplink.addSink(sink);
  }

  removeSink(sink: AudioSink): void {
    this.#uplink.removeSink(sink);
  }

  addEar(ear: AudioSink): void {
    this.#ears = [...this.#ears, ear];
    this.#plugEar(ear);
  }

  removeEar(ear: AudioSink): void {
    this.#ears = this.#ears.filter((other) => other !== ear);
    ear.unplug();
  }

  #plugEar(ear: AudioSink): void {
    const sampleRateHz = this.#coders?.encoder.sampleRateHz;
    // A second: it gets each frame as it is sent.
    if (sampleRateHz !== undefined) ear.plug({ sampleRateHz, queueBytesMax: sampleRateHz * 2 });
  }

  plug(format: AudioFormat): void {
    this.unplug();
    this.#playout = format.live === undefined ? new Playout(format) : new LivePlayout(format, format.live);
    if (format.playout?.listener !== undefined && this.#playout instanceof Playout) {
      this.#reporting = this.#playout;
    }
    this.#sourceRateHz = format.sampleRateHz;
    if (this.#session === undefined) return;
    this.#useCodec(this.#session);
    this.#setFrame();
  }

  unplug(): void {
    this.#reporting?.forgetMarks();
    this.#reporting = undefined;
    this.#playout = undefined;
  }

  get queuedMs(): number {
    return this.#playout?.queuedMs ?? 0;
  }

  get droppedMs(): number {
    return this.#playout?.droppedMs ?? 0;
  }

  get playedMs(): number {
    return this.#reporting?.playedMs ?? 0;
  }

  get line(): LineFigures | undefined {
    const quality = this.#meter.recent;
    if (quality === undefined) return undefined;
    const { lossIn, lossOut, jitterMs, rttMs, mos, codec } = quality;
    return { lossUp: lossIn, lossDown: lossOut, jitterMs, rttMs, mos, codec };
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  #totals(): LegTotals {
    return {
      codec: this.#session?.codec ?? '',
      ptimeMs: this.ptimeMs,
      packetsReceived: this.#before.packetsReceived + this.#reception.packetsReceived,
      packetsLost: this.#before.packetsLost + this.#reception.packetsLost,
      packetsLate: this.#jitterBuffer.packetsLate,
      packetsSent: this.#sender.packetCount,
      packetsLostRemote: this.#rtcp.packetsLostRemote,
      lossRemote: this.#rtcp.lossRemote,
      jitterMs: this.#reception.jitterMs,
      rttMs: this.#rtcp.rttMs,
    };
  }

  #voipMetrics(): VoipMetrics | undefined {
    return this.#meter.voipMetrics(this.#reception.ssrc, this.#totals());
  }

  counters(): RtpCounters {
    return {
      packetsReceived: this.#before.packetsReceived + this.#reception.packetsReceived,
      bytesReceived: this.#bytesReceived,
      packetsSent: this.#sender.packetCount,
      bytesSent: this.#sender.octetCount,
      packetsLost: this.#before.packetsLost + this.#reception.packetsLost,
      packetsDuplicate: this.#before.packetsDuplicate + this.#reception.packetsDuplicate,
      packetsLate: this.#before.packetsLate + this.#jitterBuffer.packetsLate,
      packetsIgnored: this.#packetsIgnored,
      packetsRefused: this.#srtp?.refused ?? 0,
      jitterMs: this.#reception.jitterMs,
      rttMs: this.#rtcp.rttMs,
      packetsLostRemote: this.#rtcp.packetsLostRemote,
      quality: this.#meter.recent,
      qualityWhole: this.#meter.whole,
      mosRemote: this.#rtcp.mosRemote,
      framesUnderrun: this.#framesUnderrun,
    };
  }

  /** Says RTCP BYE and closes the sockets. Idempotent. */
  close(nowMs: number): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#session !== undefined) this.#sendRtcp(this.#rtcp.bye(nowMs, this.#voipMetrics()));
    } finally {
      this.#socket?.close();
      this.#rtcpSocket?.close();
      this.#coders?.close();
    }
  }
}
