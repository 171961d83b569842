import type { AudioDecoder, AudioEncoder, Codec } from '../../codecs/codec.ts';
import { isRtcp, RtpHeader, readRtpHeader, rtpHeaderBytes } from '../../protocol/rtp/packet.ts';
import { Reception } from '../../protocol/rtp/reception.ts';
import { RtpSender } from '../../protocol/rtp/sender.ts';
import { srtpGrowthBytesMax } from '../../protocol/rtp/srtp-keys.ts';
import {
  TelephoneEventReceiver,
  TelephoneEventSender,
  telephoneEventBytes,
} from '../../protocol/rtp/telephone-event.ts';
import type { Clock, Timer } from '../clock.ts';
import type { RtpSession } from '../media/media-messages.ts';
import type { Network, UdpSocket } from '../network.ts';
import { SrtpSession } from '../srtp-session.ts';
import { levelDbfs } from './audio-measures.ts';
import { HeardAudio } from './heard-audio.ts';
import { type AudioSource, silence } from './phone-audio.ts';
import { PhoneRtcp } from './phone-rtcp.ts';

export interface PhoneRtpOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Literal address to bind. */
  readonly address: string;
  /** Longest recording of what is heard. */
  readonly recordSeconds: number;
  readonly trouble: RtpTrouble;
  /** 0–1, for SSRC, sequence and timestamp. */
  readonly random: () => number;
}

export type PhoneRtpEvent =
  | { readonly type: 'firstPacket' }
  /** The first frame above -50 dBFS. */
  | { readonly type: 'firstSound' }
  | { readonly type: 'digit'; readonly digit: string };

/** What a phone can be told to do wrong, or to do as few phones do. Times are from the first packet sent. */
export interface RtpTrouble {
  /** 65500 wraps after half a second. */
  readonly sequenceFirst?: number;
  /** Begins anew with another sequence and timestamp, and another SSRC unless it is kept. */
  readonly restart?: { readonly afterMs: number; readonly keepSsrc?: boolean };
  /** Falls silent without a word. */
  readonly stopSendingAfterMs?: number;
  /** Goes on from another port, as after a NAT that forgot its binding. */
  readonly otherPortAfterMs?: number;
}

export interface PhoneRtpResult {
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsDuplicate: number;
  /** Not RTP, a payload type that was not agreed, a source that was not believed. */
  readonly packetsIgnored: number;
  /** SRTP with a wrong tag, or that came before. */
  readonly packetsRefused: number;
  /** How the far side hears us, 1–5, by its RTCP extended reports. */
  readonly mosRemote: number | undefined;
  /** Of ours, by the far side's last RTCP report. */
  readonly packetsLostRemote: number;
  readonly jitterMs: number;
  /** By RTCP; undefined in a call too short for reports. */
  readonly rttMs: number | undefined;
  /** Longest time between two packets. */
  readonly gapMsMax: number;
  /** RFC 4733 digits received. */
  readonly digits: string;
  readonly heard: Int16Array;
  readonly heardRateHz: number;
  /** First packet received and sent, on the phone's clock. */
  readonly heardFromMs: number | undefined;
  readonly spokenFromMs: number | undefined;
}

interface Running {
  session: RtpSession;
  srtp: SrtpSession | undefined;
  readonly codec: Codec;
  readonly encoder: AudioEncoder;
  readonly decoder: AudioDecoder;
  readonly reception: Reception;
  readonly heard: HeardAudio;
  readonly source: AudioSource;
  readonly digitsOut: TelephoneEventSender;
  readonly digitsIn: TelephoneEventReceiver;
  readonly rtcp: PhoneRtcp;
  readonly startedMs: number;
}

interface EarlyDatagram {
  readonly datagram: Uint8Array;
  readonly nowMs: number;
}

const earlyDatagramsMax = 50;
/** A phone that is later than this was suspended; it skips what it missed. */
const lateMsMax = 200;
const frameMsMax = 60;

/** The audio half of the test phone: one RTP socket, a sender with absolute deadlines, a record of all it heard.
 *  Not made for load; `bench` has its own. */
export class PhoneRtp {
  /** Told of what happens; set by the call that this belongs to. */
  report: (event: PhoneRtpEvent) => void = () => {};
  readonly #options: PhoneRtpOptions;
  readonly #header = new RtpHeader();
  #socket: UdpSocket | undefined;
  #otherSocket: UdpSocket | undefined;
  #running: Running | undefined;
  #early: EarlyDatagram[] = [];
  #sender: RtpSender | undefined;
  #restarted = false;
  #packetsSent = 0;
  #packetsIgnored = 0;
  #framesDue = 0;
  #timer: Timer | undefined;
  #packet = new Uint8Array(0);
  #frame = new Int16Array(0);
  #decoded = new Int16Array(48 * 2 * frameMsMax);
  #arrivedMs: number | undefined;
  #gapMsMax = 0;
  #soundHeard = false;
  #digits = '';

  /** Rejects with the system's error where no port can be bound. */
  static async open(options: PhoneRtpOptions): Promise<PhoneRtp> {
    const phone = new PhoneRtp(options);
    const bind = { address: options.address, port: 0 };
    phone.#socket = await options.network.openUdp(bind, (datagram) => phone.#receive(datagram));
    if (options.trouble.otherPortAfterMs !== undefined)
      phone.#otherSocket = await options.network.openUdp(bind, (datagram) => phone.#receive(datagram));
    return phone;
  }

  private constructor(options: PhoneRtpOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#socket!.port;
  }

  get packetsSent(): number {
    return this.#packetsSent;
  }

  get packetsReceived(): number {
    return this.#running?.reception.packetsReceived ?? 0;
  }

  /** Speaks and listens from now on. `createSource` gets the codec's rate. */
  start(session: RtpSession, codec: Codec, createSource: (sampleRateHz: number) => AudioSource): void {
    const { clock, recordSeconds } = this.#options;
    const nowMs = clock.nowMs();
    const { rtpClockRateHz, sampleRateHz } = codec;
    const reception = new Reception({ rtpClockRateHz });
    this.#running = {
      session,
      srtp: session.srtp && new SrtpSession(session.srtp),
      codec,
      encoder: codec.createEncoder(),
      decoder: codec.createDecoder(),
      reception,
      heard: new HeardAudio({ sampleRateHz, rtpClockRateHz, secondsMax: recordSeconds }),
      source: createSource(sampleRateHz),
      digitsOut: new TelephoneEventSender({ rtpClockRateHz, ptimeMs: session.ptimeMs }),
      digitsIn: new TelephoneEventReceiver({ rtpClockRateHz }),
      rtcp: new PhoneRtcp({
        clock,
        random: this.#options.random,
        reception,
        currentSender: () => this.#sender,
        send: (datagram) => this.#sendReport(datagram),
      }),
      startedMs: nowMs,
    };
    this.#frame = new Int16Array((sampleRateHz * session.ptimeMs) / 1_000);
    const payloadBytesMax = codec.payloadBytesMax * Math.ceil(session.ptimeMs / 20);
    this.#packet = new Uint8Array(rtpHeaderBytes + payloadBytesMax + srtpGrowthBytesMax);
    for (const { datagram, nowMs: arrivedMs } of this.#early) this.#take(datagram, arrivedMs);
    this.#early = [];
    this.#sendDue();
  }

  /** After a re-INVITE; codec and ptime stay. */
  changeSession(session: RtpSession): void {
    const running = this.#running;
    if (running === undefined) return;
    running.session = { ...session, ptimeMs: running.session.ptimeMs };
    running.srtp = session.srtp && new SrtpSession(session.srtp, running.srtp);
  }

  /** Queues RFC 4733 digits; false where telephone-event was not agreed. */
  sendDigits(digits: string): boolean {
    if (this.#running?.session.dtmfPayloadTypeSend === undefined) return false;
    this.#running.digitsOut.queue(digits);
    return true;
  }

  /** Frees the sockets and says what became of it all. */
  close(): PhoneRtpResult {
    this.#timer?.cancel();
    this.#running?.rtcp.close();
    this.#socket?.close();
    this.#otherSocket?.close();
    const running = this.#running;
    running?.encoder.close();
    running?.decoder.close();
    return {
      packetsSent: this.#packetsSent,
      packetsReceived: running?.reception.packetsReceived ?? 0,
      packetsLost: running?.reception.packetsLost ?? 0,
      packetsDuplicate: running?.reception.packetsDuplicate ?? 0,
      packetsIgnored: this.#packetsIgnored,
      packetsRefused: running?.srtp?.refused ?? 0,
      mosRemote: running?.rtcp.mosRemote,
      packetsLostRemote: running?.rtcp.packetsLostRemote ?? 0,
      jitterMs: running?.reception.jitterMs ?? 0,
      rttMs: running?.rtcp.rttMs,
      gapMsMax: this.#gapMsMax,
      digits: this.#digits,
      heard: running?.heard.pcm ?? new Int16Array(0),
      heardRateHz: running?.codec.sampleRateHz ?? 8_000,
      heardFromMs: running?.heard.startedMs,
      spokenFromMs: running?.startedMs,
    };
  }

  #receive(datagram: Uint8Array): void {
    const nowMs = this.#options.clock.nowMs();
    if (this.#running !== undefined) this.#take(datagram, nowMs);
    // The callee's audio may overtake its 200.
    else if (this.#early.length < earlyDatagramsMax) this.#early.push({ datagram: datagram.slice(), nowMs });
  }

  #take(datagram: Uint8Array, nowMs: number): void {
    const { session, reception, decoder, heard, rtcp, srtp } = this.#running!;
    if (isRtcp(datagram)) {
      const rtcpBytes = srtp === undefined ? datagram.length : srtp.unprotectRtcp(datagram);
      if (rtcpBytes > 0) rtcp.receive(datagram.subarray(0, rtcpBytes), nowMs);
      return;
    }
    const header = this.#header;
    const sizeBytes = srtp === undefined ? datagram.length : srtp.unprotect(datagram);
    const isRtp = readRtpHeader(datagram, header, sizeBytes);
    const isDigit = isRtp && header.payloadType === session.dtmfPayloadTypeReceive;
    if (!isDigit && (!isRtp || header.payloadType !== session.payloadTypeReceive)) {
      this.#packetsIgnored++;
      return;
    }
    const verdict = reception.receive(header, nowMs);
    if (verdict !== 'accepted' && verdict !== 'restarted') {
      if (verdict !== 'duplicate') this.#packetsIgnored++;
      return;
    }
    if (verdict === 'restarted') decoder.reset();
    this.#noteArrival(nowMs);
    if (isDigit) {
      this.#takeDigit(datagram, nowMs);
      return;
    }
    const samples = decoder.decode(datagram, header.payloadOffset, header.payloadBytes, this.#decoded, 0);
    heard.place(this.#decoded, samples, header.ssrc, header.timestamp, nowMs);
    if (!this.#soundHeard && levelDbfs(this.#decoded.subarray(0, samples)) > -50) {
      this.#soundHeard = true;
      this.report({ type: 'firstSound' });
    }
  }

  #takeDigit(datagram: Uint8Array, nowMs: number): void {
    const { digitsIn } = this.#running!;
    digitsIn.receive(this.#header, datagram, nowMs);
    for (;;) {
      const received = digitsIn.next(nowMs);
      if (received === undefined) return;
      this.#digits += received.digit;
      this.report({ type: 'digit', digit: received.digit });
    }
  }

  #noteArrival(nowMs: number): void {
    if (this.#arrivedMs === undefined) this.report({ type: 'firstPacket' });
    else this.#gapMsMax = Math.max(this.#gapMsMax, nowMs - this.#arrivedMs);
    this.#arrivedMs = nowMs;
  }

  #sendDue(): void {
    const { clock } = this.#options;
    const { startedMs, session } = this.#running!;
    const elapsedMs = clock.nowMs() - startedMs;
    const { ptimeMs } = session;
    // A system timer may fire a fraction of a millisecond before its time.
    while (this.#framesDue * ptimeMs <= elapsedMs + 0.5) {
      this.#sendFrame(elapsedMs - this.#framesDue * ptimeMs > lateMsMax);
      this.#framesDue++;
    }
    this.#timer = clock.after(this.#framesDue * ptimeMs - elapsedMs, () => this.#sendDue());
  }

  #sendFrame(skip: boolean): void {
    const { session, codec, source, srtp } = this.#running!;
    const { trouble } = this.#options;
    const atMs = this.#framesDue * session.ptimeMs;
    const ticks = (codec.rtpClockRateHz * session.ptimeMs) / 1_000;
    const sender = this.#senderAt(atMs, codec.rtpClockRateHz);
    const sends = session.direction === 'sendrecv' || session.direction === 'sendonly';
    (sends ? source : silence).fill(this.#frame);
    if (skip || !sends || atMs >= (trouble.stopSendingAfterMs ?? Number.POSITIVE_INFINITY)) {
      sender.skip(ticks);
      return;
    }
    const payloadBytes = this.#writePacket(sender, ticks);
    const other = atMs >= (trouble.otherPortAfterMs ?? Number.POSITIVE_INFINITY);
    const socket = other ? this.#otherSocket! : this.#socket!;
    const { address, port } = session.remote;
    const bareBytes = rtpHeaderBytes + payloadBytes;
    const sizeBytes = srtp === undefined ? bareBytes : srtp.protect(this.#packet, bareBytes);
    socket.send(this.#packet, 0, sizeBytes, port, address);
    this.#packetsSent++;
  }

  /** A packet of a digit where one is being sent, else of audio; returns the size of its payload. */
  #writePacket(sender: RtpSender, ticks: number): number {
    const { session, encoder, digitsOut } = this.#running!;
    const packet = this.#packet;
    const { dtmfPayloadTypeSend } = session;
    if (
      dtmfPayloadTypeSend !== undefined &&
      digitsOut.nextFrame(sender.timestampNext, packet, rtpHeaderBytes)
    ) {
      sender.writeEventHeader(packet, 0, dtmfPayloadTypeSend, telephoneEventBytes, ticks, digitsOut);
      return telephoneEventBytes;
    }
    const payloadBytes = encoder.encode(this.#frame, 0, this.#frame.length, packet, rtpHeaderBytes);
    const nowMs = this.#options.clock.nowMs();
    sender.writeAudioHeader(packet, 0, session.payloadTypeSend, payloadBytes, ticks, nowMs);
    return payloadBytes;
  }

  #sendReport(plain: Uint8Array): void {
    const { srtp, session } = this.#running!;
    const { address, port } = session.remoteRtcp;
    const datagram = srtp === undefined ? plain : srtp.protectRtcp(plain);
    if (datagram === undefined) return;
    this.#socket?.send(datagram, 0, datagram.length, port, address);
  }

  #senderAt(atMs: number, rtpClockRateHz: number): RtpSender {
    const { restart, sequenceFirst } = this.#options.trouble;
    if (this.#sender === undefined) return this.#beginSource(rtpClockRateHz, undefined, sequenceFirst);
    if (restart !== undefined && !this.#restarted && atMs >= restart.afterMs) {
      this.#restarted = true;
      return this.#beginSource(rtpClockRateHz, restart.keepSsrc ? this.#sender.ssrc : undefined);
    }
    return this.#sender;
  }

  #beginSource(rtpClockRateHz: number, ssrc?: number, sequence?: number): RtpSender {
    const { random } = this.#options;
    this.#sender = new RtpSender({
      ssrc: ssrc ?? Math.floor(random() * 0x1_0000_0000),
      sequence: sequence ?? Math.floor(random() * 0x1_0000),
      timestamp: Math.floor(random() * 0x1_0000_0000),
      rtpClockRateHz,
    });
    return this.#sender;
  }
}
