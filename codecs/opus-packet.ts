/** The outside of an Opus packet, RFC 6716 §3: how long it plays, and whether its framing can be true. */

const FRAME_BYTES_MAX = 1275;
const PACKET_MS_MAX = 120;

const SILK_FRAME_MS = [10, 20, 40, 60] as const;
const HYBRID_FRAME_MS = [10, 20] as const;
const CELT_FRAME_MS = [2.5, 5, 10, 20] as const;

/** Length of each frame of a packet that begins with `toc`, §3.1. */
export function opusFrameMs(toc: number): number {
  const config = (toc >> 3) & 31;
  if (config < 12) return SILK_FRAME_MS[config & 3]!;
  if (config < 16) return HYBRID_FRAME_MS[config & 1]!;
  return CELT_FRAME_MS[config & 3]!;
}

/** What the packet plays, 2.5 to 120 ms; undefined where it breaks one of the rules R1 to R7 of §3.4. */
export function opusPacketMs(
  payload: Uint8Array,
  payloadOffset: number,
  sizeBytes: number,
): number | undefined {
  const end = payloadOffset + sizeBytes;
  if (sizeBytes < 1 || end > payload.length) return undefined;
  const toc = payload[payloadOffset]!;
  const frameMs = opusFrameMs(toc);
  const bodyBytes = sizeBytes - 1;
  switch (toc & 3) {
    case 0:
      return bodyBytes <= FRAME_BYTES_MAX ? frameMs : undefined;
    case 1:
      return bodyBytes % 2 === 0 && bodyBytes / 2 <= FRAME_BYTES_MAX ? 2 * frameMs : undefined;
    case 2: {
      const length = readLength(payload, payloadOffset + 1, end);
      if (length === undefined) return undefined;
      const restBytes = bodyBytes - length.headerBytes - length.frameBytes;
      return restBytes >= 0 && restBytes <= FRAME_BYTES_MAX ? 2 * frameMs : undefined;
    }
    default: {
      const frames = countedFrames(payload, payloadOffset + 1, end, frameMs);
      return frames === undefined ? undefined : frames * frameMs;
    }
  }
}

/** Whether the packet says something of the one before it too: the LBRR flag, behind the voice activity flags at the
 *  very start of what SILK wrote, for each channel (§4.2.3). CELT has none. */
export function opusHasFec(payload: Uint8Array, payloadOffset: number, sizeBytes: number): boolean {
  if (opusPacketMs(payload, payloadOffset, sizeBytes) === undefined) return false;
  const toc = payload[payloadOffset]!;
  if (toc >> 3 >= 16) return false;
  const at = firstFrameAt(payload, payloadOffset, payloadOffset + sizeBytes);
  if (at === undefined) return false;
  const voiceFlags = Math.max(1, opusFrameMs(toc) / 20);
  const flags = payload[at]!;
  const ofMid = (flags >> (7 - voiceFlags)) & 1;
  const ofSide = (toc & 4) === 0 ? 0 : (flags >> (6 - 2 * voiceFlags)) & 1;
  return ofMid + ofSide > 0;
}

/** Of a packet whose framing holds; undefined where its first frame is empty. */
function firstFrameAt(payload: Uint8Array, start: number, end: number): number | undefined {
  const code = payload[start]! & 3;
  if (code < 2) return start + 1 < end ? start + 1 : undefined;
  if (code === 2) {
    const { headerBytes, frameBytes } = readLength(payload, start + 1, end)!;
    return frameBytes === 0 ? undefined : start + 1 + headerBytes;
  }
  const header = payload[start + 1]!;
  let at = start + 2;
  let paddingBytes = 0;
  for (let more = (header & 64) !== 0; more; ) {
    const lengthByte = payload[at++]!;
    more = lengthByte === 255;
    paddingBytes += more ? 254 : lengthByte;
  }
  const lengths = (header & 128) === 0 ? 0 : (header & 63) - 1;
  let firstBytes = end - at - paddingBytes;
  for (let i = 0; i < lengths; i++) {
    const length = readLength(payload, at, end)!;
    if (i === 0) firstBytes = length.frameBytes;
    at += length.headerBytes;
  }
  return firstBytes > 0 && at < end ? at : undefined;
}

/** Code 3, §3.2.5: the number of frames, if the lengths add up. */
function countedFrames(payload: Uint8Array, start: number, end: number, frameMs: number): number | undefined {
  if (start >= end) return undefined;
  const header = payload[start]!;
  const frames = header & 63;
  if (frames === 0 || frames * frameMs > PACKET_MS_MAX) return undefined;
  let at = start + 1;
  let paddingBytes = 0;
  if (header & 64) {
    let lengthByte: number;
    do {
      if (at >= end) return undefined;
      lengthByte = payload[at++]!;
      paddingBytes += lengthByte === 255 ? 254 : lengthByte;
    } while (lengthByte === 255);
  }
  if ((header & 128) === 0) {
    const restBytes = end - at - paddingBytes;
    const frameBytes = restBytes / frames;
    return restBytes >= 0 && Number.isInteger(frameBytes) && frameBytes <= FRAME_BYTES_MAX
      ? frames
      : undefined;
  }
  let framesBytes = 0;
  for (let i = 0; i < frames - 1; i++) {
    const length = readLength(payload, at, end);
    if (length === undefined) return undefined;
    at += length.headerBytes;
    framesBytes += length.frameBytes;
  }
  const lastBytes = end - at - paddingBytes - framesBytes;
  return lastBytes >= 0 && lastBytes <= FRAME_BYTES_MAX ? frames : undefined;
}

/** One or two bytes, §3.2.1. */
function readLength(
  payload: Uint8Array,
  at: number,
  end: number,
): { readonly headerBytes: number; readonly frameBytes: number } | undefined {
  const first = payload[at];
  if (at >= end || first === undefined) return undefined;
  if (first < 252) return { headerBytes: 1, frameBytes: first };
  const second = payload[at + 1];
  if (at + 1 >= end || second === undefined) return undefined;
  return { headerBytes: 2, frameBytes: 4 * second + first };
}
