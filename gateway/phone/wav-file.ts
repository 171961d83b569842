import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { buildWav, buildWavHeader, mixDown, parseWav, WAV_HEADER_BYTES } from '../../codecs/wav.ts';
import { errorCode, errorMessage, GatewayError } from '../errors.ts';

/** Mono PCM. */
export interface Recording {
  readonly pcm: Int16Array;
  readonly sampleRateHz: number;
}

/** Reads a WAV; of several channels the mean. Rejects with a `GatewayError` that names the file. */
export async function loadWav(file: string): Promise<Recording> {
  try {
    const wav = parseWav(await readFile(file));
    return { pcm: mixDown(wav), sampleRateHz: wav.sampleRateHz };
  } catch (error) {
    throw fileError(file, 'read', error);
  }
}

/** Rejects with a `GatewayError` that names the file. */
export async function saveWav(file: string, { pcm, sampleRateHz }: Recording): Promise<void> {
  try {
    await writeFile(file, buildWav({ pcm, sampleRateHz, channels: 1 }));
  } catch (error) {
    throw fileError(file, 'write', error);
  }
}

/** A WAV that grows while it is heard and can be played at any time: its header says "to the end of the file" until
 *  `close` fills in the length. Blocks while it writes, which the sample bots may. Throws `GatewayError`. */
export class WavFile {
  readonly #file: string;
  readonly #sampleRateHz: number;
  #descriptor: number | undefined;
  #bytes = 0;

  constructor(file: string, sampleRateHz: number) {
    this.#file = file;
    this.#sampleRateHz = sampleRateHz;
    this.#attempt(() => {
      this.#descriptor = openSync(file, 'w');
      writeSync(this.#descriptor, buildWavHeader({ sampleRateHz, channels: 1 }));
    });
  }

  /** 16-bit little-endian PCM; a message that ends in half a sample is joined with the next. */
  append(pcm: Uint8Array): void {
    this.#attempt(() => {
      if (this.#descriptor === undefined) return;
      writeSync(this.#descriptor, pcm, 0, pcm.length, WAV_HEADER_BYTES + this.#bytes);
      this.#bytes += pcm.length;
    });
  }

  close(): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#descriptor = undefined;
    this.#attempt(() => {
      const dataBytes = this.#bytes - (this.#bytes % 2);
      const header = buildWavHeader({ sampleRateHz: this.#sampleRateHz, channels: 1, dataBytes });
      writeSync(descriptor, header, 0, header.length, 0);
      closeSync(descriptor);
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw fileError(this.#file, 'write', error);
    }
  }
}

function fileError(file: string, action: 'read' | 'write', cause: unknown): GatewayError {
  return new GatewayError(errorCode(cause), `cannot ${action} ${file}: ${errorMessage(cause)}`, { cause });
}
