import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildFlacHeader, FlacEncoder } from '../../../codecs/flac-encoder.ts';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { createTone } from '../../../codecs/tones.ts';
import { buildWav } from '../../../codecs/wav.ts';
import {
  type AudioLibrary,
  type AudioLibraryOptions,
  type AudioSource,
  createAudioLibrary,
} from '../../../gateway/audio/audio-library.ts';
import { createEndpointGuard } from '../../../gateway/routing/endpoint-guard.ts';

const fixtures = new URL('./fixtures/', import.meta.url).pathname;
const settings = { cacheMb: 8, fileMb: 1, maxSeconds: 60, downloads: 4, decoders: 4, timeoutMs: 2_000 };

let directory = '';
let library: AudioLibrary;
let counted: string[] = [];

function open(options: AudioLibraryOptions = {}): AudioLibrary {
  return createAudioLibrary({ settings, thread: false, counted: (code) => counted.push(code), ...options });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'audio-'));
  counted = [];
  library = open();
});
afterEach(async () => {
  await library.close();
  await rm(directory, { recursive: true });
});

interface HearOptions {
  readonly sampleRateHz?: number;
  readonly trusted?: boolean;
  readonly signal?: AbortSignal;
}

async function hear(
  source: AudioSource,
  { sampleRateHz = 8000, trusted = true, signal = new AbortController().signal }: HearOptions = {},
): Promise<Int16Array> {
  const chunks: Int16Array[] = [];
  for await (const chunk of library.open(source, { sampleRateHz, trusted, signal })) {
    expect(chunk.length).toBeLessThanOrEqual(sampleRateHz);
    chunks.push(chunk);
  }
  const pcm = new Int16Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    pcm.set(chunk, at);
    at += chunk.length;
  }
  return pcm;
}

/** As `toEqual` says it, in no time. */
function same(first: Int16Array, second: Int16Array): boolean {
  return first.length === second.length && first.every((sample, i) => sample === second[i]);
}

function wav(seconds: number, sampleRateHz = 8000, hz = 1000): Uint8Array {
  const pcm = new Int16Array(seconds * sampleRateHz);
  createTone(hz, sampleRateHz, -6).fill(pcm, 0, pcm.length);
  return buildWav({ sampleRateHz, channels: 1, pcm });
}

describe('a file', () => {
  const files = [
    { name: 'tone-44100-stereo.mp3', extraMs: 80 },
    { name: 'tone-22050-vbr.mp3', extraMs: 80 },
    { name: 'tone-16000.flac', extraMs: 10 },
    { name: 'tone-16000-flac.ogg', extraMs: 10 },
    { name: 'tone-22050-vorbis.ogg', extraMs: 10 },
    { name: 'tone-opus-stereo.ogg', extraMs: 10 },
  ];
  it.each(files)('$name is half a second of 1 kHz at every rate', async ({ name, extraMs }) => {
    for (const sampleRateHz of [8000, 24_000, 44_100]) {
      const pcm = await hear({ kind: 'file', path: fixtures + name }, { sampleRateHz });
      const ms = (pcm.length * 1000) / sampleRateHz;
      expect(ms).toBeGreaterThanOrEqual(499);
      expect(ms).toBeLessThan(500 + extraMs);
      const middle = pcm.subarray(pcm.length * 0.2, pcm.length * 0.7);
      expect(toneLevel(middle, sampleRateHz, 1000)).toBeCloseTo(-6.2, 0);
    }
  });

  it.each([8000, 11_025, 12_000, 22_050, 32_000, 37_813, 88_200, 192_000])(
    'of %i Hz keeps its pitch and length',
    async (rateHz) => {
      await writeFile(join(directory, 'a.wav'), wav(1, rateHz));
      const pcm = await hear({ kind: 'file', path: join(directory, 'a.wav') }, { sampleRateHz: 16_000 });
      expect(pcm.length).toBeGreaterThanOrEqual(15_980);
      expect(pcm.length).toBeLessThan(16_200);
      expect(toneLevel(pcm.subarray(2000, 14_000), 16_000, 1000)).toBeGreaterThan(-7);
    },
  );

  it('is decoded once, until it changes', async () => {
    const path = join(directory, 'a.wav');
    const file = { kind: 'file', path } as const;
    await writeFile(path, wav(1));
    const first = await hear(file);
    expect(same(await hear(file), first)).toBe(true);
    expect(library.counters()).toMatchObject({ opened: 2, cached: 1, failed: 0, decoding: 0 });
    await writeFile(path, wav(2));
    await utimes(path, 1, 2);
    expect((await hear(file)).length).toBeGreaterThan(15_900);
    expect(library.counters().cached).toBe(1);
  });

  it("is the caller's own, chunk by chunk", async () => {
    await writeFile(join(directory, 'a.wav'), wav(1));
    const file = { kind: 'file', path: join(directory, 'a.wav') } as const;
    (await hear(file)).fill(0);
    for await (const chunk of library.open(file, {
      sampleRateHz: 8000,
      trusted: true,
      signal: new AbortController().signal,
    }))
      structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
    expect(toneLevel(await hear(file), 8000, 1000)).toBeCloseTo(-6, 0);
  });

  it('longer than the memory is decoded as it is heard, for each who hears it', async () => {
    await library.close();
    library = open({ settings: { ...settings, cacheMb: 1 } });
    await writeFile(join(directory, 'a.wav'), wav(14));
    const file = { kind: 'file', path: join(directory, 'a.wav') } as const;
    const [first, second] = await Promise.all([hear(file), hear(file)]);
    expect(first.length).toBe(112_000);
    expect(same(second, first)).toBe(true);
    expect(same(await hear(file), first)).toBe(true);
    expect(library.counters().cacheBytes).toBe(0);
  });

  it.each([
    {
      name: 'is not there',
      file: 'none.wav',
      code: 'audio-unreachable',
      says: 'none.wav cannot be read (ENOENT)',
    },
    { name: 'is a directory', file: '.', code: 'audio-unreachable', says: 'is no file' },
    { name: 'is text', file: 'text.mp3', code: 'audio-not-audio', says: 'text.mp3: it is no WAV, MP3' },
    { name: 'is empty', file: 'empty.wav', code: 'audio-not-audio', says: 'empty.wav: it is no WAV' },
    { name: 'holds no audio', file: 'silent.wav', code: 'audio-not-audio', says: 'it holds no audio' },
    {
      name: 'is too long',
      file: 'long.wav',
      code: 'audio-too-long',
      says: 'longer than 60 s (audio.maxSeconds)',
    },
  ])('that $name is named', async ({ file, code, says }) => {
    await writeFile(join(directory, 'text.mp3'), 'Not a song at all, whatever its name may say.');
    await writeFile(join(directory, 'empty.wav'), '');
    await writeFile(join(directory, 'silent.wav'), wav(0));
    await writeFile(join(directory, 'long.wav'), wav(61));
    const heard = hear({ kind: 'file', path: join(directory, file) });
    await expect(heard).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
    expect(counted).toEqual([code]);
    expect(library.counters()).toMatchObject({ failed: 1, decoding: 0 });
  });

  it('of 20 KB that holds a quarter of an hour is given up before it fills the memory', async () => {
    const encoder = new FlacEncoder({ channels: 1, sampleRateHz: 8000 });
    const frames = encoder.push(new Int16Array(8000 * 900));
    const file = Buffer.concat([buildFlacHeader({ channels: 1, sampleRateHz: 8000 }), ...frames]);
    expect(file.length).toBeLessThan(25_000);
    await writeFile(join(directory, 'bomb.flac'), file);
    const heard = hear({ kind: 'file', path: join(directory, 'bomb.flac') });
    await expect(heard).rejects.toMatchObject({ code: 'audio-too-long' });
  });

  it("is not for those who are not the gateway's operator", async () => {
    const heard = hear({ kind: 'file', path: `${fixtures}tone-16000.flac` }, { trusted: false });
    await expect(heard).rejects.toMatchObject({ code: 'audio-forbidden' });
  });

  it('cut off or damaged plays as far as it can', async () => {
    for (const { name } of files) {
      const whole = await readFile(fixtures + name);
      for (const cut of [whole.length * 0.8, whole.length - 1]) {
        await writeFile(join(directory, 'cut'), whole.subarray(0, cut));
        const pcm = await hear({ kind: 'file', path: join(directory, 'cut') }).catch(() => new Int16Array(0));
        expect(pcm.length).toBeLessThan(5000);
      }
      const damaged = Buffer.from(whole);
      for (let at = 1000; at < damaged.length; at += 97) damaged[at] = damaged[at]! ^ 0x55;
      await writeFile(join(directory, 'damaged'), damaged);
      await hear({ kind: 'file', path: join(directory, 'damaged') }).catch(({ code }) =>
        expect(code).toBe('audio-not-audio'),
      );
    }
  });
});

describe('a tone', () => {
  it('goes on until nobody wants it', async () => {
    const hangUp = new AbortController();
    let samples = 0;
    const tone = library.open(
      { kind: 'tone', name: 'ringback', country: 'se' },
      { sampleRateHz: 8000, trusted: false, signal: hangUp.signal },
    );
    for await (const chunk of tone) {
      samples += chunk.length;
      if (samples >= 80_000) hangUp.abort();
    }
    expect(samples).toBe(80_000);
  });

  it('of a beep is over soon', async () => {
    expect((await hear({ kind: 'tone', name: 'beep' })).length).toBe(1600);
  });

  it('of music on hold is soft, never silent for long, and closes without a seam', async () => {
    const hangUp = new AbortController();
    const pcm: number[] = [];
    for await (const chunk of library.open(
      { kind: 'tone', name: 'music' },
      { sampleRateHz: 8000, trusted: false, signal: hangUp.signal },
    )) {
      pcm.push(...chunk);
      if (pcm.length >= 8000 * 30) hangUp.abort();
    }
    expect(Math.max(...pcm.map(Math.abs))).toBeLessThan(12_000);
    for (let at = 0; at < pcm.length - 4000; at += 4000)
      expect(Math.max(...pcm.slice(at, at + 4000).map(Math.abs))).toBeGreaterThan(500);
    const steps = pcm.slice(1).map((sample, i) => Math.abs(sample - pcm[i]!));
    expect(Math.max(...steps)).toBeLessThan(5000);
  });
});

describe('a text', () => {
  // Says the voice's name and the length of what it was given, in the samples of a WAV.
  const speaker = `${process.execPath} ${fixtures}speaker.mjs {voice}`;
  const speech = { command: speaker, voice: 'en', timeoutMs: 5_000, atOnce: 2 };

  it('is spoken by the program, once for all who want it', async () => {
    await library.close();
    library = open({ speech });
    const text = { kind: 'speech', text: 'Hello; $(reboot) `x` "y"' } as const;
    const [first, second] = await Promise.all([hear(text), hear(text)]);
    expect([...first.subarray(0, 3)]).toEqual([101, 110, 0]);
    expect(first[3]).toBe(text.text.length + 1);
    expect(second).toEqual(first);
    expect(await hear(text)).toEqual(first);
    const other = await hear({ ...text, locale: 'sv-SE' });
    expect([...other.subarray(0, 5)].map((code) => String.fromCharCode(code)).join('')).toBe('sv-SE');
  });

  it.each([
    {
      name: 'without a program',
      speech: undefined,
      code: 'speech-not-configured',
      says: 'set speech.command',
    },
    {
      name: 'with a program that is not there',
      speech: { ...speech, command: '/no/such' },
      code: 'speech-failed',
      says: 'ENOENT',
    },
    {
      name: 'with a program that fails',
      speech: { ...speech, command: `${speaker} fail` },
      code: 'speech-failed',
      says: 'ended with 3: no such voice',
    },
    {
      name: 'with a program that is silent',
      speech: { ...speech, command: 'true' },
      code: 'speech-failed',
      says: 'said nothing',
    },
    {
      name: 'with a program that hangs',
      speech: { ...speech, command: 'sleep 60', timeoutMs: 100 },
      code: 'speech-failed',
      says: 'within 100 ms',
    },
  ])('$name is an error that helps', async ({ speech, code, says }) => {
    await library.close();
    library = open({ speech });
    await expect(hear({ kind: 'speech', text: 'Hello' })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
  });

  it('is spoken without our settings in the environment', async () => {
    await library.close();
    process.env.CALLWIRE_SECRET_OF_A_TEST = 'secret';
    try {
      library = open({ speech: { ...speech, command: `${speaker} env` } });
      const heard = hear({ kind: 'speech', text: 'Hello' });
      await expect(heard).rejects.toMatchObject({
        message: expect.stringContaining('ended with 4: 0 settings'),
      });
    } finally {
      delete process.env.CALLWIRE_SECRET_OF_A_TEST;
    }
  });

  it.each(['-f', '../x', 'a b', ''])(
    'is not spoken by a voice that could be an option or a path: %j',
    async (voice) => {
      await library.close();
      library = open({ speech });
      await expect(hear({ kind: 'speech', text: 'Hello', voice })).rejects.toMatchObject({
        code: 'audio-malformed',
      });
    },
  );
});

describe('a URL', () => {
  let server: Server;
  let url = '';
  let requests: IncomingMessage[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    requests = [];
    answer = (_request, response) => response.end(wav(1));
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.wav`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('is heard before all of it has arrived', async () => {
    let finish = () => {};
    answer = (_request, response) => {
      response.write(wav(2).subarray(0, 8000));
      finish = () => response.end(wav(2).subarray(8000));
    };
    const audio = library
      .open({ kind: 'url', url }, { sampleRateHz: 8000, trusted: true, signal: new AbortController().signal })
      [Symbol.asyncIterator]();
    const first = await audio.next();
    expect(first.done).toBe(false);
    finish();
    let samples = (first.value as Int16Array).length;
    for (let next = await audio.next(); next.done !== true; next = await audio.next())
      samples += next.value.length;
    expect(samples).toBe(16_000);
  });

  it('is fetched once for all who want it at a time, and kept as long as the server says', async () => {
    answer = (_request, response) => response.setHeader('Cache-Control', 'max-age=60').end(wav(1));
    const source = { kind: 'url', url } as const;
    await Promise.all([hear(source), hear(source), hear(source, { sampleRateHz: 16_000 })]);
    await hear(source);
    expect(requests).toHaveLength(1);
  });

  it('is asked about again by its ETag, and not fetched again where it did not change', async () => {
    let etag = '"1"';
    answer = (request, response) => {
      response.setHeader('Cache-Control', 'no-cache').setHeader('ETag', etag);
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.end(wav(etag === '"1"' ? 1 : 2));
    };
    const source = { kind: 'url', url } as const;
    expect(same(await hear(source), await hear(source))).toBe(true);
    expect(requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"1"']);
    etag = '"2"';
    expect((await hear(source)).length).toBe(16_000);
  });

  it('is still heard while its server is in trouble', async () => {
    let status = 200;
    answer = (_request, response) =>
      response.writeHead(status, { 'Cache-Control': 'max-age=0', ETag: '"1"' }).end(wav(1));
    const source = { kind: 'url', url } as const;
    await hear(source);
    status = 503;
    expect((await hear(source)).length).toBe(8000);
    expect(counted).toEqual(['audio-stale']);
  });

  it('is followed through three redirects', async () => {
    answer = (request, response) => {
      const step = Number(new URL(request.url!, url).searchParams.get('step') ?? 0);
      if (step < 3) response.writeHead(302, { Location: `/b?step=${step + 1}` }).end();
      else response.end(wav(1));
    };
    expect((await hear({ kind: 'url', url })).length).toBe(8000);
    expect(requests).toHaveLength(4);
  });

  it.each([
    { name: 'an error', code: 'audio-refused', says: 'answered 404', status: 404 },
    {
      name: 'redirects without end',
      code: 'audio-refused',
      says: 'redirects more than 3',
      status: 302,
      headers: { Location: '/' },
    },
    {
      name: 'a redirect to a file',
      code: 'audio-refused',
      says: 'no http',
      status: 302,
      headers: { Location: 'file:///etc/passwd' },
    },
    {
      name: 'a page, whatever its type says',
      code: 'audio-not-audio',
      says: 'it is no WAV',
      status: 200,
      headers: { 'Content-Type': 'audio/mpeg' },
    },
    {
      name: 'more than it should',
      code: 'audio-too-large',
      says: 'larger than 1 MB (audio.fileMb)',
      status: 200,
      headers: { 'Content-Length': '2000000' },
    },
    {
      name: 'what nobody asked for',
      code: 'audio-refused',
      says: 'compressed',
      status: 200,
      headers: { 'Content-Encoding': 'gzip' },
    },
  ])('that gives $name is named', async ({ status, headers = {}, code, says }) => {
    answer = (_request, response) => {
      response.on('error', () => {});
      response
        .writeHead(status, headers as Record<string, string>)
        .end('<html>no music today, come again</html>');
    };
    await expect(hear({ kind: 'url', url: `${url}?token=secret` })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
    await expect(hear({ kind: 'url', url: `${url}?token=secret` })).rejects.toMatchObject({
      message: expect.not.stringContaining('secret'),
    });
  });

  it('that sends more than it should is left', async () => {
    answer = (_request, response) => {
      response.write(wav(1));
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more).on('error', () => {});
      more();
    };
    await expect(hear({ kind: 'url', url })).rejects.toMatchObject({ code: 'audio-too-large' });
  });

  it('that says nothing, or stops in the midst of it, is given up', async () => {
    await library.close();
    library = open({ settings: { ...settings, timeoutMs: 100 } });
    answer = () => {};
    await expect(hear({ kind: 'url', url })).rejects.toMatchObject({
      code: 'audio-unreachable',
      message: expect.stringContaining('did not answer within 100 ms (audio.timeoutMs)'),
    });
    answer = (_request, response) => void response.write(wav(1).subarray(0, 5000));
    await expect(hear({ kind: 'url', url })).rejects.toMatchObject({
      code: 'audio-unreachable',
      message: expect.stringContaining('broke off (ETIMEDOUT)'),
    });
  });

  it('that nobody waits for any more is left', async () => {
    const hangUp = new AbortController();
    const gone = new Promise((resolve) => {
      answer = (_request, response) => {
        response.on('close', resolve);
        response.write(wav(1).subarray(0, 9000));
      };
    });
    const audio = library.open(
      { kind: 'url', url },
      { sampleRateHz: 8000, trusted: true, signal: hangUp.signal },
    );
    for await (const chunk of audio) {
      expect(chunk.length).toBeGreaterThan(0);
      hangUp.abort();
    }
    await gone;
    expect(library.counters().failed).toBe(0);
  });

  describe('of those who are not trusted', () => {
    const guarded = (addresses: Record<string, readonly string[]>) =>
      open({
        guard: createEndpointGuard({
          kind: 'web',
          allow: [],
          denyPrivate: true,
          resolve: async (host) => addresses[host] ?? [],
        }),
      });

    it.each([
      'http://127.0.0.1/a.wav',
      'http://2130706433/a.wav',
      'http://0x7f.1/a.wav',
      'http://[::1]/a.wav',
      'http://[::ffff:10.0.0.1]/a.wav',
      'http://169.254.169.254/latest/meta-data',
      'http://inside.example/a.wav',
    ])('%s is not asked', async (inside) => {
      await library.close();
      library = guarded({ 'inside.example': ['192.0.2.1', '10.0.0.1'] });
      await expect(hear({ kind: 'url', url: inside }, { trusted: false })).rejects.toMatchObject({
        code: 'audio-forbidden',
      });
    });

    it('the checked address is the one that is asked, and each redirect is checked anew', async () => {
      await library.close();
      const asked: string[] = [];
      const { port } = server.address() as AddressInfo;
      library = open({
        // Stands for a public address that this machine does not have.
        guard: {
          async approve(endpoint) {
            asked.push(endpoint);
            return endpoint.includes('public.example')
              ? { approved: true, address: '127.0.0.1' }
              : { approved: false, code: 'endpoint-private', message: 'is inside' };
          },
        },
      });
      answer = (request, response) => {
        if (request.url === '/a') response.writeHead(302, { Location: '/b' }).end();
        else if (request.url === '/c') response.writeHead(302, { Location: 'http://169.254.169.254/' }).end();
        else response.end(wav(1));
      };
      const base = `http://public.example:${port}`;
      expect((await hear({ kind: 'url', url: `${base}/a` }, { trusted: false })).length).toBe(8000);
      expect(requests.map(({ headers }) => headers.host)).toEqual([
        `public.example:${port}`,
        `public.example:${port}`,
      ]);
      await expect(hear({ kind: 'url', url: `${base}/c` }, { trusted: false })).rejects.toMatchObject({
        code: 'audio-forbidden',
      });
      expect(asked).toEqual([`${base}/a`, `${base}/b`, `${base}/c`, 'http://169.254.169.254/']);
    });

    it('what the operator may hear from the inside is not kept for them', async () => {
      answer = (_request, response) => response.setHeader('Cache-Control', 'max-age=60').end(wav(1));
      await hear({ kind: 'url', url });
      await expect(hear({ kind: 'url', url }, { trusted: false })).rejects.toMatchObject({
        code: 'audio-forbidden',
      });
    });
  });

  it('beyond so many at a time is told to come again', async () => {
    await library.close();
    library = open({ settings: { ...settings, downloads: 1 } });
    answer = () => {};
    const hangUp = new AbortController();
    const heard = Array.from({ length: 1_002 }, (_, i) =>
      hear({ kind: 'url', url: `${url}?${i}` }, { signal: hangUp.signal }).then(
        () => 'left',
        ({ code }) => code,
      ),
    );
    expect(await heard.at(-1)).toBe('audio-busy');
    hangUp.abort();
    expect(new Set(await Promise.all(heard.slice(0, -1)))).toEqual(new Set(['left']));
  });
});
