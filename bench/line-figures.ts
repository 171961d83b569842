/** What a bad line leaves of a tone, through everything that stands between a phone's packets and a sink. */

import { measureTone } from '../codecs/goertzel.ts';
import type { AudioFormat, AudioSink } from '../gateway/media/audio-route.ts';
import { CoderPair } from '../gateway/media/coder-pair.ts';
import { DigitPath } from '../gateway/media/digit-path.ts';
import { LivePlayout } from '../gateway/media/live-playout.ts';
import { Uplink } from '../gateway/media/uplink.ts';
import { JitterBuffer } from '../protocol/rtp/jitter-buffer.ts';
import { RtpHeader } from '../protocol/rtp/packet.ts';

export interface Line {
  readonly seconds: number;
  readonly random: () => number;
  readonly lossPercent?: number;
  /** Mean length of a loss, in packets. Default 1. */
  readonly burstPackets?: number;
  /** Each packet is up to so much earlier or later, whatever the others do: that also reorders. */
  readonly jitterMs?: number;
  /** Of the sender's clock against ours: 0.005 is 0.5 % fast. */
  readonly drift?: number;
  /** Linear where the line and not the codec is to be measured. Default pcmu. */
  readonly codec?: 'pcmu' | 'l16-8000';
}

export interface LineFigures {
  /** Share of windows of 100 ms in which the tone is, 0..1. */
  readonly present: number;
  /** What we add to the mean delay of the line; half of the packets, 99 % of them, and the longest. */
  readonly addedMs: { readonly median: number; readonly p99: number; readonly max: number };
  /** Of what was added, the mean of the third second, and the furthest that any later second is from it. */
  readonly startMs: number;
  readonly awayMs: number;
  readonly pcm: Int16Array;
}

interface Packet {
  readonly atMs: number;
  readonly index: number;
}

const packetMs = 20;
const packetSamples = 160;
const rateHz = 8000;
const toneHz = 1000;

/** A tone to a stream, which is served at once. */
export function toneToStream(line: Line): LineFigures {
  const heard = new HeardAtOnce(line.seconds);
  carry(line, heard, () => {});
  return heard.figures(line);
}

/** A tone to another phone, which plays at its own pace. */
export function toneToPhone(line: Line): LineFigures {
  const heard = new HeardInTime(line.seconds, line.drift ?? 0);
  carry(line, heard, (nowMs) => heard.take(nowMs));
  return heard.figures(line);
}

function carry(line: Line, sink: Heard, tick: (nowMs: number) => void): void {
  const digits = new DigitPath({ pressed: () => {}, dropped: () => {} });
  const giveUpHole = (nowMs: number): boolean => {
    if (jitterBuffer.packetsHeld === 0) return false;
    jitterBuffer.giveUp();
    drain(nowMs);
    return true;
  };
  const uplink = new Uplink({ digits, giveUpHole });
  const coders = new CoderPair({ codec: line.codec ?? 'pcmu' }, undefined);
  uplink.use(coders);
  uplink.addSink(sink);
  const jitterBuffer = new JitterBuffer();
  const header = new RtpHeader();
  const payload = new Uint8Array(coders.codec.payloadBytesMax);
  const said = new Int16Array(packetSamples);
  const deliver = (packet: RtpHeader, bytes: Uint8Array, nowMs: number) => {
    sink.noteDelay(nowMs - (packet.timestamp * 1000) / rateHz - lineMs);
    uplink.deliver(packet, bytes, nowMs);
  };
  const drain = (nowMs: number) => {
    for (let next = jitterBuffer.next(nowMs); next !== undefined; next = jitterBuffer.next(nowMs)) {
      if (next === 'lost') uplink.conceal(nowMs);
      else deliver(next.header, next.bytes, nowMs);
    }
  };
  let tickMs = 7;
  for (const { atMs, index } of arrivals(line)) {
    for (; tickMs <= atMs; tickMs += packetMs) {
      if (tickMs >= jitterBuffer.deadlineMs) drain(tickMs);
      tick(tickMs);
    }
    sine(said, index * packetSamples);
    header.payloadBytes = coders.encoder.encode(said, 0, packetSamples, payload, 0);
    header.sequence = index & 0xffff;
    header.timestamp = (index * packetSamples) >>> 0;
    uplink.arrived(header.timestamp, atMs);
    jitterBuffer.delayMsMax = uplink.holeMs;
    if (jitterBuffer.offer(header, payload, atMs) === 'deliver') deliver(header, payload, atMs);
    if (jitterBuffer.packetsHeld > 0) drain(atMs);
  }
}

function arrivals({
  seconds,
  random,
  lossPercent = 0,
  burstPackets = 1,
  jitterMs = 0,
  drift = 0,
}: Line): Packet[] {
  const packets: Packet[] = [];
  const share = lossPercent / 100;
  // Two states: out of a loss with 1 / burst, into one so often that the share comes out.
  const leave = 1 / burstPackets;
  const enter = share === 0 ? 0 : (leave * share) / (1 - share);
  let losing = false;
  const periodMs = packetMs / (1 + drift);
  for (let index = 0; index * periodMs < seconds * 1000; index++) {
    losing = losing ? random() >= leave : random() < enter;
    // The first packets are there, so that everything has begun.
    if (losing && index > 10) continue;
    const early = index <= 10 ? 0 : jitterMs * (2 * random() - 1);
    packets.push({ atMs: index * periodMs + lineMs + early, index });
  }
  return packets.sort((a, b) => a.atMs - b.atMs);
}

/** Mean delay of the line. */
const lineMs = 100;

function sine(pcm: Int16Array, from: number): void {
  for (let i = 0; i < pcm.length; i++)
    pcm[i] = Math.round(10_000 * Math.sin((2 * Math.PI * toneHz * ((from + i) % rateHz)) / rateHz));
}

abstract class Heard implements AudioSink {
  readonly pcm: Int16Array;
  /** Samples so far. */
  at = 0;
  readonly addedMs: number[] = [];
  readonly queuedMs = 0;
  readonly droppedMs = 0;

  constructor(seconds: number) {
    this.pcm = new Int16Array((seconds + 1) * rateHz);
  }

  plug(_format: AudioFormat): void {}
  unplug(): void {}
  clear(): void {}
  playBytes(): void {}
  /** A packet is delivered, so much later than on a line that delays all of them as much. */
  noteDelay(_addedMs: number): void {}
  abstract play(pcm: Int16Array, offset: number, samples: number, nowMs: number): void;

  figures({ seconds }: Line): LineFigures {
    const pcm = this.pcm.subarray(rateHz, Math.min(this.at, (seconds - 1) * rateHz));
    const sorted = [...this.addedMs].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    const { present } = measureTone(pcm, { sampleRateHz: rateHz, frequencyHz: toneHz, windowMs: 100 });
    const bySecond = meansOf(this.addedMs, 1000 / packetMs);
    const startMs = bySecond[2] ?? 0;
    const awayMs = Math.max(0, ...bySecond.slice(2).map((ms) => Math.abs(ms - startMs)));
    return { present, addedMs: { median: at(0.5), p99: at(0.99), max: at(1) }, startMs, awayMs, pcm };
  }
}

/** Means of `size` values each; a part that is left over does not count. */
function meansOf(values: readonly number[], size: number): number[] {
  return Array.from({ length: Math.floor(values.length / size) }, (_, i) => {
    const part = values.slice(i * size, (i + 1) * size);
    return part.reduce((sum, value) => sum + value, 0) / size;
  });
}

class HeardAtOnce extends Heard {
  override noteDelay(addedMs: number): void {
    this.addedMs.push(addedMs);
  }

  play(pcm: Int16Array, offset: number, samples: number): void {
    this.pcm.set(pcm.subarray(offset, offset + samples), this.at);
    this.at += samples;
  }
}

class HeardInTime extends Heard {
  #playout: LivePlayout | undefined;
  readonly #frame = new Int16Array(packetSamples);
  #pushedMs = 0;
  readonly #drift: number;

  constructor(seconds: number, drift: number) {
    super(seconds);
    this.#drift = drift;
  }

  override plug(format: AudioFormat): void {
    this.#playout = new LivePlayout(format, format.live!);
  }

  noteArrival(aheadMs: number, nowMs: number): void {
    this.#playout!.noteArrival(aheadMs, nowMs);
  }

  play(pcm: Int16Array, offset: number, samples: number): void {
    const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset);
    this.#playout!.push(bytes, offset * 2, samples * 2);
    this.#pushedMs += (samples * 1000) / rateHz;
  }

  playMadeUp(pcm: Int16Array, offset: number, samples: number): void {
    const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset);
    this.#playout!.pushMadeUp(bytes, offset * 2, samples * 2);
    this.#pushedMs += (samples * 1000) / rateHz;
  }

  take(nowMs: number): void {
    const playout = this.#playout!;
    const played = playout.take(this.#frame, packetSamples, rateHz, nowMs);
    this.pcm.set(this.#frame, this.at);
    this.at += packetSamples;
    // What is played next was said so much before all that has come.
    const saidMs = (this.#pushedMs - playout.queuedMs) / (1 + this.#drift);
    if (played) this.addedMs.push(nowMs + packetMs - saidMs - lineMs);
  }
}
