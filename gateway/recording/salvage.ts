import { open } from 'node:fs/promises';
import {
  buildFlacHeader,
  FLAC_BLOCK_SAMPLES,
  FLAC_HEADER_BYTES,
  flacCrc16,
} from '../../codecs/flac-encoder.ts';
import { asLastOggPage, oggPageBytes, oggPageIntact } from '../../codecs/ogg-page.ts';
import { buildGrowingWavHeader, GROWING_WAV_HEADER_BYTES } from '../../codecs/wav-stream.ts';
import type { RecordingShape } from './recording-encoder.ts';
import type { RecordingFormat } from './recording-messages.ts';

type File = Awaited<ReturnType<typeof open>>;

/** More than two pages of Ogg, and more than two frames of FLAC, as they are written here. */
const tailBytes = 256 * 1024;

/** Completes the file of a recording whose writer was killed: what is cut off at its end goes, its header says what
 *  there is. Returns its length in ms; 0 where nothing in it can be played. */
export async function salvageRecording(
  path: string,
  format: RecordingFormat,
  shape: RecordingShape,
): Promise<number> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    if (size === 0) return 0;
    const durationMs = await salvages[format](file, size, shape);
    await file.sync();
    return durationMs;
  } finally {
    await file.close();
  }
}

const salvages: Readonly<
  Record<RecordingFormat, (file: File, sizeBytes: number, shape: RecordingShape) => Promise<number>>
> = { wav: salvageWav, flac: salvageFlac, ogg: salvageOgg };

async function salvageWav(
  file: File,
  sizeBytes: number,
  { channels, sampleRateHz }: RecordingShape,
): Promise<number> {
  const frameBytes = 2 * channels;
  const frames = Math.max(0, Math.floor((sizeBytes - GROWING_WAV_HEADER_BYTES) / frameBytes));
  const dataBytes = frames * frameBytes;
  const header = buildGrowingWavHeader({ sampleRateHz, channels, dataBytes });
  await file.write(header, 0, header.length, 0);
  await file.truncate(GROWING_WAV_HEADER_BYTES + dataBytes);
  return (frames * 1000) / sampleRateHz;
}

/** The last page that is whole becomes the last. */
async function salvageOgg(file: File, sizeBytes: number, _shape: RecordingShape): Promise<number> {
  const { tail, start } = await readTail(file, sizeBytes);
  for (let at = tail.lastIndexOf('OggS'); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf('OggS', at - 1)) {
    const pageBytes = oggPageBytes(tail, at);
    if (pageBytes === undefined) continue;
    const page = tail.subarray(at, at + pageBytes);
    if (!oggPageIntact(page)) continue;
    await file.write(asLastOggPage(page), 0, pageBytes, start + at);
    await file.truncate(start + at + pageBytes);
    const head = Buffer.alloc(12);
    // The pre-skip of the identification header, RFC 7845 §5.1, behind 28 bytes of the first page.
    await file.read(head, 0, head.length, 28);
    const granule = Number(new DataView(page.buffer, page.byteOffset).getBigUint64(6, true));
    return Math.max(0, (granule - head.readUInt16LE(10)) / 48);
  }
  return 0;
}

/** The last frame whose checksum is right is the last; its number tells how many samples there are. */
async function salvageFlac(file: File, sizeBytes: number, shape: RecordingShape): Promise<number> {
  const { tail, start } = await readTail(file, sizeBytes);
  const starts = frameStarts(tail);
  for (let i = starts.length - 1; i >= 0; i--) {
    const { at, frame } = starts[i]!;
    const end = starts[i + 1]?.at ?? tail.length;
    const bytes = tail.subarray(at, end);
    const whole =
      bytes.length > 8 && flacCrc16(bytes.subarray(0, -2)) === bytes.readUInt16BE(bytes.length - 2);
    if (!whole) continue;
    const samples = (frame + 1) * FLAC_BLOCK_SAMPLES;
    await file.write(buildFlacHeader({ ...shape, samples }), 0, FLAC_HEADER_BYTES, 0);
    await file.truncate(start + end);
    return (samples * 1000) / shape.sampleRateHz;
  }
  await file.write(buildFlacHeader(shape), 0, FLAC_HEADER_BYTES, 0);
  await file.truncate(FLAC_HEADER_BYTES);
  return 0;
}

/** Frames of full length, in a row: each has the number behind that of the one before. */
function frameStarts(bytes: Buffer): { readonly at: number; readonly frame: number }[] {
  const starts: { at: number; frame: number }[] = [];
  const sync = Buffer.of(0xff, 0xf8);
  for (let at = bytes.indexOf(sync); at >= 0; at = bytes.indexOf(sync, at + 1)) {
    if (bytes[at + 2]! >> 4 !== 0b1100) continue;
    const frame = frameNumber(bytes, at + 4);
    const before = starts.at(-1);
    if (frame === undefined || (before !== undefined && frame !== before.frame + 1)) continue;
    starts.push({ at, frame });
  }
  return starts;
}

/** Coded as UTF-8 codes a character, RFC 9639 §9.1.5. */
function frameNumber(bytes: Buffer, at: number): number | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return first;
  const count = Math.clz32(~(first << 24));
  if (count < 2 || count > 7 || at + count > bytes.length) return undefined;
  let value = count === 7 ? 0 : first & (0x7f >> count);
  for (let i = 1; i < count; i++) value = value * 64 + (bytes[at + i]! & 63);
  return value;
}

async function readTail(
  file: File,
  sizeBytes: number,
): Promise<{ readonly tail: Buffer; readonly start: number }> {
  const start = Math.max(0, sizeBytes - tailBytes);
  const tail = Buffer.alloc(sizeBytes - start);
  const { bytesRead } = await file.read(tail, 0, tail.length, start);
  return { tail: tail.subarray(0, bytesRead), start };
}
