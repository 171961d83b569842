export type AudioFormat = 'wav' | 'mp3' | 'flac' | 'ogg-vorbis' | 'ogg-opus' | 'ogg-flac';

/** What decides is the file itself, never what its server says it is. `'more'` where it has not shown yet. */
export function sniffAudio(bytes: Uint8Array): AudioFormat | 'more' | 'unknown' {
  if (bytes.length < 12) return 'more';
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString('latin1');
  if (/^(?:RIFF|RF64)....WAVE/s.test(start)) return 'wav';
  if (start.startsWith('fLaC')) return 'flac';
  if (start.startsWith('OggS')) return sniffOgg(bytes);
  if (start.startsWith('ID3')) return 'mp3';
  return mp3FrameBytes(bytes, 0) === undefined ? 'unknown' : sniffMp3(bytes, 0);
}

/** By the first packet, which every codec begins with its name. */
function sniffOgg(bytes: Uint8Array): AudioFormat | 'more' | 'unknown' {
  const body = 27 + (bytes[26] ?? 0);
  if (bytes.length < body + 8) return bytes.length > 27 + 255 + 8 ? 'unknown' : 'more';
  const name = Buffer.from(bytes.subarray(body, body + 8)).toString('latin1');
  if (name.startsWith('\x01vorbis')) return 'ogg-vorbis';
  if (name === 'OpusHead') return 'ogg-opus';
  return name.startsWith('\x7fFLAC') ? 'ogg-flac' : 'unknown';
}

/** Two headers in a row, as eleven bits of ones are in every file. */
function sniffMp3(bytes: Uint8Array, at: number): AudioFormat | 'more' | 'unknown' {
  const next = at + mp3FrameBytes(bytes, at)!;
  if (bytes.length < next + 4) return 'more';
  return mp3FrameBytes(bytes, next) === undefined ? 'unknown' : 'mp3';
}

const bitratesKbps = {
  1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const;
const ratesHz = [44_100, 48_000, 32_000];

/** Length of the layer III frame at `at`, ISO 11172-3 §2.4.2.3; undefined where no such frame can be. */
function mp3FrameBytes(bytes: Uint8Array, at: number): number | undefined {
  const [first, second, third] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!];
  if (first !== 0xff || (second & 0xe0) !== 0xe0 || (second & 0x06) !== 0x02) return undefined;
  const version = (second >> 3) & 3;
  const rateHz = ratesHz[(third >> 2) & 3];
  if (version === 1 || rateHz === undefined) return undefined;
  const kbps = bitratesKbps[version === 3 ? 1 : 2][third >> 4] ?? 0;
  if (kbps === 0) return undefined;
  const scale = version === 3 ? 1 : version === 2 ? 2 : 4;
  return Math.floor(((version === 3 ? 144_000 : 72_000) * kbps) / (rateHz / scale)) + ((third >> 1) & 1);
}
