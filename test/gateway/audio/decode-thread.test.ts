import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { DecodeThread } from '../../../gateway/audio/decode-thread.ts';

const fixtures = new URL('./fixtures/', import.meta.url).pathname;
const options = { sampleRateHz: 8000, secondsMax: 60 };
let thread: DecodeThread | undefined;

afterEach(() => thread?.close());

function worker(code: string): URL {
  return new URL(
    `data:text/javascript,import { parentPort } from 'node:worker_threads';${encodeURIComponent(code)}`,
  );
}

async function decode(name: string): Promise<number[]> {
  const decoding = thread!.open(options);
  const file = new Uint8Array(await readFile(fixtures + name));
  const samples: number[] = [];
  for (let at = 0; at < file.length; at += 1000)
    for (const chunk of await decoding.push(file.slice(at, at + 1000))) samples.push(...chunk);
  for (const chunk of await decoding.finish()) samples.push(...chunk);
  decoding.close();
  return samples;
}

describe('the decoder thread', () => {
  it('decodes several files at a time', async () => {
    thread = new DecodeThread();
    const names = [
      'tone-44100-stereo.mp3',
      'tone-16000.flac',
      'tone-22050-vorbis.ogg',
      'tone-opus-stereo.ogg',
    ];
    for (const samples of await Promise.all(names.map(decode))) {
      expect(samples.length).toBeGreaterThanOrEqual(3990);
      expect(toneLevel(Int16Array.from(samples.slice(800, 3600)), 8000, 1000)).toBeCloseTo(-6.2, 0);
    }
  });

  it('says what is wrong with a file', async () => {
    thread = new DecodeThread();
    const decoding = thread.open(options);
    await expect(decoding.push(Buffer.from('Not a song at all'))).rejects.toMatchObject({
      code: 'audio-not-audio',
      message: expect.stringContaining('it is no WAV'),
    });
  });

  it.each([
    { name: 'hangs', code: "parentPort.on('message', ({ type }) => { while (type === 'decode'); })" },
    {
      name: 'dies',
      code: "parentPort.on('message', ({ type }) => { if (type === 'decode') throw new Error(); })",
    },
  ])('that $name over a file is replaced', async ({ code }) => {
    thread = new DecodeThread({ answerLimitMs: 50, url: worker(code) });
    const first = thread.open(options);
    await expect(first.push(new Uint8Array(10))).rejects.toMatchObject({ code: 'audio-not-audio' });
    await expect(first.push(new Uint8Array(10))).rejects.toMatchObject({ code: 'audio-not-audio' });
    first.close();
    const second = thread.open(options);
    await expect(second.push(new Uint8Array(10))).rejects.toMatchObject({ code: 'audio-not-audio' });
  });

  it('that ends with a question open answers it', async () => {
    thread = new DecodeThread({ url: worker("parentPort.on('message', () => {})") });
    const answer = thread.open(options).push(new Uint8Array(10));
    const refused = expect(answer).rejects.toMatchObject({ code: 'audio-not-audio' });
    await thread.close();
    await refused;
  });
});
