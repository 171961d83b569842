/** Opus in Ogg files, RFC 7845. */

import type { AudioDecoder, AudioEncoder } from './codec.ts';
import { buildOggPage, type OggPage, OggPageReader } from './ogg-page.ts';
import { createOpusEncoder, opus } from './opus.ts';

const FRAME_MS = 20;
/** Granules of a frame: Ogg Opus counts at 48 kHz whatever the audio. */
const FRAME_GRANULES = 960;
/** Half a second a page: what a file that is cut off may lack at its end. */
const FRAMES_PER_PAGE = 25;
/** What libopus' encoder lags behind, in samples at 48 kHz, at any rate (`OPUS_GET_LOOKAHEAD` of its default mode). */
const PRE_SKIP = 312;
const PACKET_BYTES_MAX = 1276;
const rates = [8000, 12_000, 16_000, 24_000, 48_000];

export interface OggOpusOptions {
  /** 8000, 12000, 16000, 24000 or 48000. */
  readonly sampleRateHz: number;
  readonly channels: 1 | 2;
  readonly serial: number;
  /** Bits per second of each channel. */
  readonly bitrate?: number;
}

/** Two channels are two streams of their own (§5.1.1.2), so that nothing of one side is heard on the other. Throws
 *  where Opus is not available. */
export class OggOpusWriter {
  readonly #options: OggOpusOptions;
  readonly #encoders: readonly AudioEncoder[];
  readonly #frame: Int16Array;
  readonly #channelFrame: Int16Array;
  readonly #payload = new Uint8Array(PACKET_BYTES_MAX);
  #frameAt = 0;
  #packets: Uint8Array[] = [];
  #sequence = 2;
  #frames = 0;
  #samples = 0;

  constructor(options: OggOpusOptions) {
    if (!rates.includes(options.sampleRateHz))
      throw new RangeError(`Opus takes ${rates.join(', ')} Hz, got ${options.sampleRateHz}`);
    this.#options = options;
    const { sampleRateHz, channels, bitrate } = options;
    const frameSamples = (sampleRateHz * FRAME_MS) / 1000;
    this.#frame = new Int16Array(frameSamples * channels);
    this.#channelFrame = new Int16Array(frameSamples);
    this.#encoders = Array.from({ length: channels }, () =>
      createOpusEncoder({ sampleRateHz, ...(bitrate === undefined ? {} : { bitrate }) }),
    );
  }

  /** The two pages that begin the file. */
  header(): Uint8Array {
    const { serial, channels, sampleRateHz } = this.#options;
    return joined([
      buildOggPage({
        serial,
        sequence: 0,
        granule: 0,
        first: true,
        packets: [opusHead(channels, sampleRateHz)],
      }),
      buildOggPage({ serial, sequence: 1, granule: 0, packets: [opusTags()] }),
    ]);
  }

  /** Interleaved samples in, whole pages out. */
  push(pcm: Int16Array): Uint8Array {
    const pages: Uint8Array[] = [];
    this.#samples += pcm.length / this.#options.channels;
    for (let at = 0; at < pcm.length; ) {
      const count = Math.min(pcm.length - at, this.#frame.length - this.#frameAt);
      this.#frame.set(pcm.subarray(at, at + count), this.#frameAt);
      this.#frameAt += count;
      at += count;
      if (this.#frameAt < this.#frame.length) break;
      this.#encodeFrame();
      if (this.#packets.length === FRAMES_PER_PAGE) pages.push(this.#page(false));
    }
    return joined(pages);
  }

  /** The last page, of exactly as many samples as came (§4.4). */
  finish(): Uint8Array {
    const wanted = this.#granules() + PRE_SKIP;
    const pages: Uint8Array[] = [];
    while (this.#frames * FRAME_GRANULES < wanted || this.#packets.length === 0) {
      this.#frame.fill(0, this.#frameAt);
      this.#encodeFrame();
      if (this.#packets.length === FRAMES_PER_PAGE && this.#frames * FRAME_GRANULES < wanted)
        pages.push(this.#page(false));
    }
    pages.push(this.#page(true));
    return joined(pages);
  }

  close(): void {
    for (const encoder of this.#encoders) encoder.close();
  }

  #granules(): number {
    return Math.round((this.#samples * 48_000) / this.#options.sampleRateHz);
  }

  #encodeFrame(): void {
    const { channels } = this.#options;
    const parts: Uint8Array[] = [];
    for (let channel = 0; channel < channels; channel++) {
      for (let i = 0; i < this.#channelFrame.length; i++)
        this.#channelFrame[i] = this.#frame[i * channels + channel]!;
      const bytes = this.#encoders[channel]!.encode(
        this.#channelFrame,
        0,
        this.#channelFrame.length,
        this.#payload,
        0,
      );
      const packet = this.#payload.slice(0, bytes);
      parts.push(channel < channels - 1 ? selfDelimited(packet) : packet);
    }
    this.#packets.push(joined(parts));
    this.#frames++;
    this.#frameAt = 0;
  }

  #page(last: boolean): Uint8Array {
    const granule = last ? this.#granules() + PRE_SKIP : this.#frames * FRAME_GRANULES;
    const page = buildOggPage({
      serial: this.#options.serial,
      sequence: this.#sequence++,
      granule,
      last,
      packets: this.#packets,
    });
    this.#packets = [];
    return page;
  }
}

/** The identification header, §5.1. */
function opusHead(channels: 1 | 2, sampleRateHz: number): Uint8Array {
  const head = new Uint8Array(channels === 1 ? 19 : 23);
  const view = new DataView(head.buffer);
  head.set(new TextEncoder().encode('OpusHead'));
  head[8] = 1;
  head[9] = channels;
  view.setUint16(10, PRE_SKIP, true);
  view.setUint32(12, sampleRateHz, true);
  // Mapping family 1: two streams, neither of them coupled, left and right.
  if (channels === 2) head.set([1, 2, 0, 0, 1], 18);
  return head;
}

/** The comment header, §5.2. */
function opusTags(): Uint8Array {
  const vendor = new TextEncoder().encode('callwire');
  const tags = new Uint8Array(8 + 4 + vendor.length + 4);
  tags.set(new TextEncoder().encode('OpusTags'));
  new DataView(tags.buffer).setUint32(8, vendor.length, true);
  tags.set(vendor, 12);
  return tags;
}

/** With its length behind the first byte, RFC 6716 Appendix B, for packets of one frame, which an encoder of 20 ms
 *  makes. */
function selfDelimited(packet: Uint8Array): Uint8Array {
  const frameBytes = packet.length - 1;
  const length =
    frameBytes < 252 ? [frameBytes] : [252 + (frameBytes & 3), (frameBytes - 252 - (frameBytes & 3)) / 4];
  return joined([packet.subarray(0, 1), Uint8Array.from(length), packet.subarray(1)]);
}

/** Reads such files while they arrive, whoever wrote them, as mono: channels of a coupled pair are added by the
 *  decoder, streams by us. */
export class OggOpusReader {
  readonly sampleRateHz = 48_000;
  readonly #pages = new OggPageReader();
  #serial: number | undefined;
  #decoders: readonly AudioDecoder[] = [];
  #partial: Uint8Array | undefined;
  #headers = 0;
  #skip = 0;
  #given = 0;
  #preSkip = 0;
  #gain = 1;
  readonly #pcm = new Int16Array(5760);

  push(bytes: Uint8Array): Int16Array[] {
    return this.#pages.push(bytes).flatMap((page) => this.#readPage(page));
  }

  close(): void {
    for (const decoder of this.#decoders) decoder.close();
    this.#decoders = [];
  }

  #readPage(page: OggPage): Int16Array[] {
    if (page.first && this.#serial === undefined) this.#serial = page.serial;
    if (page.serial !== this.#serial) return [];
    const audio: Int16Array[] = [];
    page.packets.forEach((part, index) => {
      let packet = part;
      if (index === 0 && page.continued) {
        if (this.#partial === undefined) return;
        packet = joined([this.#partial, part]);
      }
      this.#partial = undefined;
      if (index === page.packets.length - 1 && !page.complete) {
        if (packet.length < 1_000_000) this.#partial = packet;
        return;
      }
      const pcm = this.#readPacket(packet);
      if (pcm !== undefined && pcm.length > 0) audio.push(pcm);
    });
    return page.last && page.granule !== undefined ? this.#trim(audio, page.granule) : audio;
  }

  #readPacket(packet: Uint8Array): Int16Array | undefined {
    if (this.#headers < 2) {
      if (this.#headers === 0) this.#readHead(packet);
      this.#headers++;
      return undefined;
    }
    const sum = new Float32Array(this.#pcm.length);
    let longest = 0;
    let at = 0;
    this.#decoders.forEach((decoder, index) => {
      if (at < 0) return;
      const own = index === this.#decoders.length - 1 ? packet.subarray(at) : delimited(packet, at);
      if (own === undefined) {
        at = -1;
        return;
      }
      at += own.length + (own.length - 1 < 252 ? 1 : 2);
      const samples = decoder.decode(own, 0, own.length, this.#pcm, 0);
      longest = Math.max(longest, samples);
      for (let i = 0; i < samples; i++) sum[i] = sum[i]! + this.#pcm[i]!;
    });
    const skipped = Math.min(this.#skip, longest);
    this.#skip -= skipped;
    this.#given += longest - skipped;
    const scale = this.#gain / this.#decoders.length;
    return Int16Array.from(sum.subarray(skipped, longest), (sample) =>
      Math.max(-32_768, Math.min(32_767, Math.round(sample * scale))),
    );
  }

  #readHead(packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    const name = String.fromCharCode(...packet.subarray(0, 8));
    if (packet.length < 19 || name !== 'OpusHead' || packet[8]! > 15)
      throw new RangeError('an Ogg Opus file must begin with OpusHead of version 1');
    this.#preSkip = this.#skip = view.getUint16(10, true);
    this.#gain = 10 ** (view.getInt16(16, true) / 256 / 20);
    const streams = packet[18] === 0 ? 1 : (packet[19] ?? 0);
    if (streams < 1 || streams > 8)
      throw new RangeError(`an Ogg Opus file must have 1 to 8 streams, got ${streams}`);
    this.#decoders = Array.from({ length: streams }, () => opus.createDecoder(48_000));
  }

  /** What the encoder added to fill its last frame, §4.4. */
  #trim(audio: Int16Array[], granule: number): Int16Array[] {
    let surplus = this.#given - Math.max(0, granule - this.#preSkip);
    const kept: Int16Array[] = [];
    for (const pcm of audio.toReversed()) {
      const cut = Math.max(0, Math.min(surplus, pcm.length));
      surplus -= cut;
      if (cut < pcm.length) kept.unshift(pcm.subarray(0, pcm.length - cut));
    }
    return kept;
  }
}

/** A packet of one frame out of the self-delimited form; undefined for other packets. */
function delimited(packet: Uint8Array, at: number): Uint8Array | undefined {
  const toc = packet[at];
  const first = packet[at + 1];
  if (toc === undefined || first === undefined || (toc & 3) !== 0) return undefined;
  const long = first >= 252;
  const frameBytes = long ? 4 * (packet[at + 2] ?? 0) + first : first;
  const start = at + (long ? 3 : 2);
  return joined([packet.subarray(at, at + 1), packet.subarray(start, start + frameBytes)]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
