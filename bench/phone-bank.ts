import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { systemNetwork } from '../gateway/network.ts';
import { polledNetwork } from '../gateway/polled-network.ts';
import { openPolledSystem } from '../gateway/polled-system.ts';
import { DelayQueue } from './delay-queue.ts';
import type {
  CallCounters,
  PhoneMessage,
  PhonePhase,
  PhonePlan,
  PhoneReport,
  PhoneResult,
} from './load-messages.ts';
import { PacketPacer } from './packet-pacer.ts';
import { createVoice, type PhoneVoice } from './phone-audio.ts';
import { PhoneMeasures } from './phone-measures.ts';
import { type PhoneContext, RtpPhone } from './rtp-phone.ts';
import { sharedNowMs } from './shared-clock.ts';
import { literal, SipCaller } from './sip-caller.ts';
import { offerSdp, readAnswerSdp } from './sip-text.ts';

/** How long the loop sleeps between two readings of the sockets: the resolution of every arrival time. */
const TURN_MS = 0.5;
const RESEND_MS = 50;
const REPORT_MS = 1000;
const HANG_UPS_PER_SECOND = 300;
/** Placed in one turn after a stall. */
const PLACED_AT_ONCE = 5;
/** Nothing at all from the target for so long: nobody is there. */
const DEAF_TARGET_MS = 8000;
const FAREWELL_MS = 10_000;
/** From the last packet of a call to its BYE: what is still on the way is not cut off, and can be counted. */
const LINGER_MS = 100;

interface ActiveCall {
  readonly number: number;
  readonly phone: RtpPhone;
  sipCallId: string;
  invitedMs: number;
  state: 'inviting' | 'up' | 'leaving';
  readonly standing: boolean;
  hangUpMs: number;
}

/** All phones of one thread: places the calls, paces their packets, reads their sockets, hangs up. Runs by a loop
 *  that sleeps half a millisecond at a time, so that all I/O comes in batches. */
export class PhoneBank {
  readonly #plan: PhonePlan;
  readonly #post: (message: PhoneMessage) => void;
  readonly #measures = new PhoneMeasures();
  readonly #voice: PhoneVoice;
  readonly #context: PhoneContext;
  readonly #pacer = new PacketPacer(this.#measures, sharedNowMs());
  readonly #leaving = new DelayQueue<string>();
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  readonly #calls = new Map<number, ActiveCall>();
  readonly #counters: CallCounters = {
    attempted: 0,
    answered: 0,
    active: 0,
    failed: {},
    endedEarly: 0,
    hangUpsLost: 0,
    retransmissions: 0,
  };
  /** Cheaper sockets where there are any: what the phones take is missing to the gateway. */
  readonly #polled = openPolledSystem();
  #caller: SipCaller | undefined;
  #rtcp: Socket | undefined;
  #localAddress = '';
  #phase: PhonePhase = 'ramp';
  #phaseMs = 0;
  #running = false;
  #nextNumber = 1;
  #standingPlaced = 0;
  #standingSettled = 0;
  #churnPlaced = 0;
  #churnFromMs = 0;
  #hungUp = 0;
  #nextTurnMs = 0;
  #lastTurnMs = 0;
  #nextResendMs = 0;
  #nextReportMs = 0;
  #callMs = 0;
  #markersUnknown = 0;

  /** Throws where the codec is missing. */
  constructor(plan: PhonePlan, post: (message: PhoneMessage) => void) {
    this.#plan = plan;
    this.#post = post;
    this.#voice = createVoice(plan.codec);
    this.#context = {
      network: this.#polled === undefined ? systemNetwork : polledNetwork(this.#polled, systemNetwork),
      voice: this.#voice,
      measures: this.#measures,
      mode: plan.mode,
      impairment: plan.impairment,
      random: seededRandom(plan.seed),
      now: sharedNowMs,
      delay: (phone, packet, dueMs) => this.#pacer.delay(phone, packet, dueMs),
    };
  }

  /** Resolves when the first turn has run. The end comes as a `result` message. */
  async start(): Promise<void> {
    const { host, port, target } = this.#plan;
    const { address } = await lookup(host);
    this.#localAddress = await addressFacing(address, port);
    this.#caller = await SipCaller.open(
      { host: address, port, target, localAddress: this.#localAddress },
      sharedNowMs,
    );
    this.#rtcp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', lookup: literal });
    // With such a lookup the events may come before `bind` and `connect` return.
    const listening = once(this.#rtcp, 'listening');
    this.#rtcp.bind(0, this.#localAddress);
    await listening;
    // Never read: RTCP of all calls ends here.
    this.#rtcp.on('error', () => {});
    const nowMs = sharedNowMs();
    this.#nextTurnMs = nowMs;
    this.#lastTurnMs = nowMs;
    this.#nextReportMs = nowMs + REPORT_MS;
    this.#running = true;
    this.#enter('ramp', nowMs);
    this.#turn();
  }

  stop(): void {
    if (this.#phase !== 'hangUp' && this.#phase !== 'done') this.#enter('hangUp', sharedNowMs());
  }

  readonly #turn = (): void => {
    if (!this.#running) return;
    const aheadMs = this.#nextTurnMs - sharedNowMs();
    if (aheadMs > 0) Atomics.wait(this.#cell, 0, 0, aheadMs);
    const nowMs = sharedNowMs();
    const gapMs = nowMs - this.#lastTurnMs;
    this.#measures.ownReadGap.record(gapMs);
    this.#lastTurnMs = nowMs;
    this.#nextTurnMs = Math.max(this.#nextTurnMs + TURN_MS, nowMs);
    if (this.#phase === 'steady') this.#callMs += gapMs * this.#counters.active;
    this.#polled?.poll();
    this.#pacer.sendDue(nowMs);
    this.#placeDue(nowMs);
    this.#hangUpDue(nowMs);
    if (nowMs >= this.#nextResendMs) {
      this.#nextResendMs = nowMs + RESEND_MS;
      this.#caller?.resend(nowMs);
    }
    this.#advance(nowMs);
    if (!this.#running) return;
    if (nowMs >= this.#nextReportMs) {
      this.#nextReportMs += REPORT_MS;
      this.#report(nowMs);
    }
    setImmediate(this.#turn);
  };

  #placeDue(nowMs: number): void {
    const { calls, callsPerSecond, churnPerSecond } = this.#plan;
    if (this.#phase === 'ramp') {
      const due = Math.min(calls, 1 + Math.floor(((nowMs - this.#phaseMs) * callsPerSecond) / 1000));
      for (let i = 0; i < PLACED_AT_ONCE && this.#standingPlaced < due; i++) {
        this.#standingPlaced++;
        this.#place(true);
      }
    } else if (churnPerSecond > 0 && (this.#phase === 'warmUp' || this.#phase === 'steady')) {
      const due = Math.floor(((nowMs - this.#churnFromMs) * churnPerSecond) / 1000);
      for (let i = 0; i < PLACED_AT_ONCE && this.#churnPlaced < due; i++) {
        this.#churnPlaced++;
        this.#place(false);
      }
    }
  }

  #place(standing: boolean): void {
    const number = this.#nextNumber++;
    this.#counters.attempted++;
    RtpPhone.open(number, this.#localAddress, this.#context).then(
      (phone) => this.#invite(number, phone, standing),
      (error: NodeJS.ErrnoException) => this.#fail(`no port (${error.code ?? error.message})`, standing),
    );
  }

  #invite(number: number, phone: RtpPhone, standing: boolean): void {
    const caller = this.#caller;
    if (caller === undefined) return;
    const call: ActiveCall = {
      number,
      phone,
      sipCallId: '',
      invitedMs: sharedNowMs(),
      state: 'inviting',
      standing,
      hangUpMs: Number.POSITIVE_INFINITY,
    };
    this.#calls.set(number, call);
    const { codec, payloadType } = this.#voice;
    const channels = codec.channels > 1 ? `/${codec.channels}` : '';
    const sdp = offerSdp({
      address: this.#localAddress,
      port: phone.port,
      rtcpPort: this.#rtcp?.address().port ?? phone.port + 1,
      payloadType,
      rtpmap: `${codec.encodingName}/${codec.rtpClockRateHz}${channels}`,
    });
    call.sipCallId = caller.invite(`bench-${number}`, sdp, {
      answered: (answer, nowMs) => this.#answered(call, answer, nowMs),
      failed: (reason) => {
        this.#drop(call);
        this.#fail(reason, standing);
      },
      ended: (cause) => {
        if (cause === 'far side' && call.state === 'up') this.#counters.endedEarly++;
        if (cause === 'hang-up lost') this.#counters.hangUpsLost++;
        this.#drop(call);
      },
    });
  }

  #answered(call: ActiveCall, answer: string, nowMs: number): void {
    this.#measures.setup.record(nowMs - call.invitedMs);
    const media = readAnswerSdp(answer);
    if (media === undefined) {
      call.state = 'leaving';
      this.#caller?.hangUp(call.sipCallId);
      this.#fail('no media', call.standing);
      return;
    }
    this.#counters.answered++;
    this.#counters.active++;
    call.state = 'up';
    if (call.standing) this.#standingSettled++;
    else call.hangUpMs = nowMs + this.#plan.holdMs;
    call.phone.connect(media.address, media.port);
    this.#pacer.add(call.phone);
  }

  #fail(reason: string, standing: boolean): void {
    this.#counters.failed[reason] = (this.#counters.failed[reason] ?? 0) + 1;
    if (standing) this.#standingSettled++;
  }

  #hangUpDue(nowMs: number): void {
    for (;;) {
      const sipCallId = this.#leaving.pop(nowMs);
      if (sipCallId === undefined) break;
      this.#caller?.hangUp(sipCallId);
    }
    if (this.#phase === 'hangUp') {
      const due = 1 + Math.floor(((nowMs - this.#phaseMs) * HANG_UPS_PER_SECOND) / 1000);
      for (const call of this.#calls.values()) {
        if (this.#hungUp >= due) break;
        if (call.state !== 'up') continue;
        this.#hungUp++;
        this.#hangUp(call);
      }
    } else if (this.#churnPlaced > 0) {
      // In order of their numbers, so nearly in order of their ends: the first that is not due ends the search.
      for (const call of this.#calls.values()) {
        if (call.standing || call.state !== 'up') continue;
        if (call.hangUpMs > nowMs) break;
        this.#hangUp(call);
      }
    }
  }

  #hangUp(call: ActiveCall): void {
    this.#silence(call);
    call.state = 'leaving';
    this.#leaving.push(call.sipCallId, sharedNowMs() + LINGER_MS + this.#plan.impairment.jitterMs);
  }

  /** No more packets from this call. */
  #silence(call: ActiveCall): void {
    if (call.state !== 'up') return;
    this.#counters.active--;
    this.#pacer.remove(call.phone);
  }

  #drop(call: ActiveCall): void {
    this.#silence(call);
    call.state = 'leaving';
    this.#markersUnknown += call.phone.markersUnknown;
    call.phone.close();
    this.#calls.delete(call.number);
  }

  #advance(nowMs: number): void {
    const inPhaseMs = nowMs - this.#phaseMs;
    if (inPhaseMs >= DEAF_TARGET_MS && this.#counters.attempted > 0 && this.#caller?.heardAny === false) {
      const { host, port } = this.#plan;
      this.#close();
      this.#post({
        type: 'failed',
        message: `nothing answers at ${host}:${port} (UDP) for ${DEAF_TARGET_MS / 1000} s; is the gateway running there?`,
      });
      return;
    }
    if (this.#phase === 'ramp' && this.#standingSettled >= this.#plan.calls) {
      // Where every call was refused there is nothing to measure.
      const idle = this.#counters.answered === 0 && this.#plan.churnPerSecond === 0;
      this.#enter(idle ? 'hangUp' : 'warmUp', nowMs);
    }
    if (this.#phase === 'warmUp' && inPhaseMs >= this.#plan.warmUpMs) this.#enter('steady', nowMs);
    else if (this.#phase === 'steady' && inPhaseMs >= this.#plan.durationMs) this.#enter('hangUp', nowMs);
    else if (this.#phase === 'hangUp' && (this.#calls.size === 0 || inPhaseMs >= this.#farewellMs()))
      this.#finish(nowMs);
  }

  #farewellMs(): number {
    return FAREWELL_MS + (this.#counters.attempted * 1000) / HANG_UPS_PER_SECOND;
  }

  #enter(phase: PhonePhase, nowMs: number): void {
    this.#phase = phase;
    this.#phaseMs = nowMs;
    if (phase === 'warmUp') this.#churnFromMs = nowMs;
    if (phase === 'steady') this.#measures.beginSteady();
    this.#post({ type: 'phase', phase, atMs: nowMs });
  }

  #report(nowMs: number): void {
    const measures = this.#measures;
    this.#counters.retransmissions = this.#caller?.retransmissions ?? 0;
    const report: PhoneReport = {
      type: 'report',
      atMs: nowMs,
      phase: this.#phase,
      calls: { ...this.#counters, failed: { ...this.#counters.failed } },
      packets: { ...measures.packets },
      callSeconds: this.#callMs / 1000,
      roundTripP50: measures.roundTripRecent.quantile(0.5),
      roundTripP99: measures.roundTripRecent.quantile(0.99),
      markersSent: measures.markersSent.take(),
      markersHeard: measures.markersHeard.take(),
      silences: measures.silences.take(),
    };
    measures.roundTripRecent.reset();
    this.#post(report);
  }

  #close(): void {
    this.#running = false;
    for (const call of [...this.#calls.values()]) this.#drop(call);
    this.#caller?.close();
    this.#rtcp?.close();
  }

  #finish(nowMs: number): void {
    this.#counters.hangUpsLost += this.#calls.size;
    this.#close();
    this.#enter('done', nowMs);
    this.#report(nowMs);
    const measures = this.#measures;
    const result: PhoneResult = {
      type: 'result',
      setup: measures.setup.data(),
      roundTrip: measures.roundTrip.data(),
      jitter: measures.jitter.data(),
      spacing: measures.spacing.data(),
      ownReadGap: measures.ownReadGap.data(),
      ownSendLate: measures.ownSendLate.data(),
      markersUnknown: this.#markersUnknown,
    };
    this.#post(result);
  }
}

/** The local address that the system would send from. */
async function addressFacing(address: string, port: number): Promise<string> {
  const probe = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', lookup: literal });
  const connected = once(probe, 'connect');
  probe.connect(port, address);
  await connected;
  const local = probe.address().address;
  probe.close();
  return local;
}

/** mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
