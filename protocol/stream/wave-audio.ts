import { ProtocolError } from '../protocol-error.ts';

const formatPcm = 1;

/** The samples of a WAV file of 16-bit mono PCM: a view on `bytes`. Throws `bad-field` for any other. */
export function readWave(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly sampleRateHz: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') throw unusable('no RIFF header');
  let sampleRateHz: number | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const content = at + 8;
    if (name(at) === 'fmt ' && size >= 16 && content + 16 <= bytes.length) {
      const [format, channels] = [view.getUint16(content, true), view.getUint16(content + 2, true)];
      const bits = view.getUint16(content + 14, true);
      if (format !== formatPcm || channels !== 1 || bits !== 16) {
        throw unusable(`format ${format}, ${channels} channels of ${bits} bits`);
      }
      sampleRateHz = view.getUint32(content + 4, true);
    } else if (name(at) === 'data') {
      if (sampleRateHz === undefined) throw unusable('data before its format');
      // A size that promises more than there is: writers that stream leave it open.
      const end = Math.min(content + size, bytes.length);
      return { bytes: bytes.subarray(content, end - ((end - content) & 1)), sampleRateHz };
    }
    // Chunks begin at even places.
    at = content + size + (size & 1);
  }
  throw unusable('no data');
}

function unusable(found: string): ProtocolError {
  return new ProtocolError('bad-field', `"audioContent" must be a WAV file of 16-bit mono PCM, got ${found}`);
}
