import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FlacReader } from '../../../codecs/flac-decoder.ts';
import { OggOpusReader } from '../../../codecs/ogg-opus.ts';
import { parseWav } from '../../../codecs/wav.ts';
import { systemClock } from '../../../gateway/clock.ts';
import type { Log } from '../../../gateway/log.ts';
import { openNewFile } from '../../../gateway/recording/recording-file.ts';
import {
  createRecordings,
  type RecordingEvent,
  type RecordingFormat,
  type RecordingOptions,
  type Recordings,
  type RecordingsOptions,
} from '../../../gateway/recording/recordings.ts';
import { S3Server } from '../../support/s3-server.ts';

const formats: RecordingFormat[] = ['wav', 'flac', 'ogg'];
/** Back-off and the time between two looks pass in no time. */
const hurried = {
  ...systemClock,
  after: (delayMs: number, run: () => void) =>
    systemClock.after(delayMs > 20_000 ? 20_000 : delayMs / 100, run),
};

let directory = '';
let recordings: Recordings | undefined;
let logged: [string, Record<string, unknown>][] = [];
let changed: () => void = () => {};

const say = (fields: object, sentence: string) => {
  logged.push([sentence, fields as Record<string, unknown>]);
  changed();
};
const log: Log = {
  trace: say,
  debug: say,
  info: say,
  warn: say,
  error: say,
  fatal: say,
  child: () => log,
};

function start(options: Partial<RecordingsOptions> = {}): Recordings {
  recordings = createRecordings({ directory, log, thread: false, ...options });
  return recordings;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'recordings-'));
  logged = [];
});
afterEach(async () => {
  await recordings?.close();
  recordings = undefined;
  await rm(directory, { recursive: true });
});

async function until(met: () => boolean): Promise<void> {
  while (!met()) {
    await new Promise<void>((resolve) => {
      changed = resolve;
    });
  }
}

/** Nothing waits for the disk. */
async function written(): Promise<void> {
  while (recordings!.counters().waitingBytes > 0) await new Promise((resolve) => setImmediate(resolve));
}

function begin(options: Partial<RecordingOptions> = {}) {
  const events: RecordingEvent[] = [];
  const writer = recordings!.begin({
    callId: 'call-1',
    destination: undefined,
    format: 'wav',
    channels: 2,
    sampleRateHz: 8000,
    events: (event) => {
      events.push(event);
      changed();
    },
    ...options,
  });
  return {
    writer,
    events,
    heard: (type: string) => until(() => events.some((event) => event.type === type)),
  };
}

/** One second of stereo: a ramp on the left, silence on the right. */
function second(start: number): Int16Array {
  return Int16Array.from({ length: 16_000 }, (_, i) => (i % 2 === 0 ? (start + i / 2) % 20_000 : 0));
}

/** Frames of a recording, and its left side where it is lossless. */
async function play(path: string): Promise<{ frames: number; left?: () => number[] }> {
  const bytes = await readFile(path);
  if (path.endsWith('.wav')) {
    const { pcm, channels } = parseWav(bytes);
    return { frames: pcm.length / channels, left: () => [...pcm.filter((_, i) => i % 2 === 0)] };
  }
  if (path.endsWith('.flac')) {
    const reader = new FlacReader();
    const mono = [...reader.push(bytes), ...reader.finish()].flatMap((pcm) => [...pcm]);
    return { frames: mono.length };
  }
  const reader = new OggOpusReader();
  const frames = reader.push(bytes).reduce((sum, { length }) => sum + length, 0) / 6;
  reader.close();
  return { frames };
}

describe('a recording', () => {
  it.each(formats)('as %s is exactly as long as what was written', async (format) => {
    start();
    const { writer, events, heard } = begin({ format, destination: 'kund/samtal' });
    for (let i = 0; i < 5; i++) writer.write(second(i * 8000));
    writer.write(new Int16Array(2 * 123));
    writer.finish();
    await heard('available');
    const path = join(directory, `kund/samtal.${format}`);
    expect(events).toEqual([
      { type: 'finished', path, durationMs: (40_123 / 8000) * 1000 },
      { type: 'available', url: `file://${path}` },
    ]);
    const { frames, left } = await play(path);
    expect(frames).toBe(40_123);
    if (left !== undefined) expect(left().slice(8000, 8004)).toEqual([8000, 8001, 8002, 8003]);
    expect(await readdir(join(directory, 'pending'))).toEqual([]);
    expect(recordings!.counters()).toEqual({
      active: 0,
      finished: 1,
      failedWrites: 0,
      failedUploads: 0,
      waitingBytes: 0,
    });
  });

  it('never replaces another', async () => {
    start();
    await writeFile(join(directory, 'a.wav'), 'something precious');
    const paths = [];
    for (let i = 0; i < 2; i++) {
      const { writer, events, heard } = begin({ destination: 'a.wav' });
      writer.write(second(0));
      writer.finish();
      await heard('available');
      paths.push(events[0]);
    }
    expect(paths).toMatchObject([{ path: join(directory, 'a-2.wav') }, { path: join(directory, 'a-3.wav') }]);
    expect(await readFile(join(directory, 'a.wav'), 'utf8')).toBe('something precious');
  });

  it('can be played while it grows', async () => {
    start();
    const { writer } = begin();
    writer.write(second(0));
    writer.write(second(8000));
    await written();
    const [part = ''] = (await readdir(join(directory, 'pending'))).filter((name) => name.endsWith('.part'));
    expect(part).toMatch(/^call-1-.*\.wav\.part$/);
    const { pcm } = parseWav(await readFile(join(directory, 'pending', part)));
    expect(pcm.length).toBe(32_000);
    writer.finish();
  });

  it('that nobody finished is finished when the gateway stops', async () => {
    start();
    const { writer, events } = begin();
    writer.write(second(0));
    await recordings!.close();
    expect(events.map(({ type }) => type)).toEqual(['finished', 'available']);
    expect(() => begin()).toThrow('the recorder is not running');
  });

  it('is refused where its format cannot be', () => {
    start();
    expect(() => begin({ format: 'ogg', sampleRateHz: 44_100 })).toThrow('ogg takes 8000');
    expect(() => begin({ destination: '../../etc/cron.d/x' })).toThrow('recording destination');
  });

  it('goes the same way through the thread', async () => {
    start({ thread: true });
    const { writer, events, heard } = begin({ format: 'flac' });
    const chunk = second(0);
    writer.write(chunk);
    writer.finish();
    await heard('available');
    expect(chunk.length).toBe(0);
    expect(events).toMatchObject([{ type: 'finished', durationMs: 1000 }, { type: 'available' }]);
    expect((await play(join(directory, 'call-1.flac'))).frames).toBe(8000);
  });
});

describe('a disk', () => {
  it('that fills up fails the recording, and keeps what there is, playable', async () => {
    let room = 200_000;
    start({
      openFile: async (path) => {
        const file = await openNewFile(path);
        return {
          sync: () => file.sync(),
          utimes: (...times) => file.utimes(...times),
          close: () => file.close(),
          async write(bytes, offset, length, position) {
            if (position > 0 && room <= 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
            const taken = Math.min(length, position > 0 ? room : length);
            if (position > 0) room -= taken;
            return file.write(bytes, offset, taken, position);
          },
        };
      },
    });
    const { writer, events, heard } = begin();
    for (let i = 0; i < 10; i++) writer.write(second(i * 8000));
    await heard('failed');
    writer.write(second(0));
    writer.finish();
    const kept = join(directory, 'call-1.wav');
    expect(events).toEqual([
      {
        type: 'failed',
        stage: 'write',
        message: `recording cannot be written to ${directory} (ENOSPC): the disk is full`,
        kept,
      },
    ]);
    expect((await play(kept)).frames).toBe(50_000);
    expect(recordings!.counters()).toMatchObject({ active: 0, failedWrites: 1, waitingBytes: 0 });
  });

  it('that is full from the beginning is told', async () => {
    start({ openFile: () => open('/dev/full', 'w') });
    const { writer, events, heard } = begin();
    writer.write(second(0));
    await heard('failed');
    expect(events).toMatchObject([
      { stage: 'write', message: expect.stringContaining('ENOSPC'), kept: undefined },
    ]);
  });

  it('that does not keep up fails the recording, and takes no more memory', async () => {
    let go = () => {};
    const waiting = new Promise<void>((resolve) => {
      go = resolve;
    });
    start({
      openFile: async (path) => {
        await waiting;
        return openNewFile(path);
      },
    });
    const { writer, events, heard } = begin();
    const chunk = second(0);
    for (let i = 0; i < 300; i++) writer.write(chunk);
    expect(recordings!.counters().waitingBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
    go();
    await heard('failed');
    expect(events).toMatchObject([{ stage: 'write', kept: join(directory, 'call-1.wav') }]);
    expect(events[0]).toMatchObject({ message: 'the disk does not keep up with the recordings' });
    expect((await play(join(directory, 'call-1.wav'))).frames).toBe(262 * 8000);
  });

  it('whose directory cannot be written to is named', async () => {
    await writeFile(join(directory, 'file'), '');
    start({ directory: join(directory, 'file') });
    const { events, heard } = begin();
    await heard('failed');
    expect(events).toMatchObject([{ message: expect.stringContaining(`${directory}/file (ENOTDIR)`) }]);
  });
});

describe('a gateway that was killed', () => {
  it('leaves recordings that can be played at once, and the next start completes them', async () => {
    const recorder = new URL('./fixtures/recorder.mjs', import.meta.url).pathname;
    const child = spawn(process.execPath, [recorder, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const parts = (await readdir(join(directory, 'pending'))).filter((name) => name.endsWith('.part'));
    expect(parts).toHaveLength(3);
    const wav = parts.find((name) => name.includes('.wav'))!;
    expect(parseWav(await readFile(join(directory, 'pending', wav))).pcm.length).toBeGreaterThan(16_000);
    // A last write that did not come to its end.
    for (const part of parts) {
      const file = await open(join(directory, 'pending', part), 'r+');
      await file.truncate((await file.stat()).size - 3);
      await file.close();
    }

    start();
    const completed = () => logged.filter(([sentence]) => sentence === 'recording completed');
    await until(() => completed().length === 3);
    expect(completed().map(([, { callId }]) => callId)).toEqual(['call-flac', 'call-ogg', 'call-wav']);
    expect(await readdir(join(directory, 'pending'))).toEqual([]);
    for (const format of formats) {
      const { frames } = await play(join(directory, 'kept', `${format}.${format}`));
      // 50,000 frames were handed over and most of them written; a block or a page of the last second may be missing.
      expect(frames, format).toBeGreaterThan(32_000);
    }
    const flac = await readFile(join(directory, 'kept', 'flac.flac'));
    const frames = (await play(join(directory, 'kept', 'flac.flac'))).frames;
    expect(flac.readUInt32BE(22)).toBe(frames);
  });

  it('leaves alone what another that lives is writing', async () => {
    start();
    const { writer, heard } = begin();
    writer.write(second(0));
    await written();
    const other = createRecordings({ directory, log, thread: false });
    await other.close();
    expect(logged).toEqual([]);
    writer.finish();
    await heard('available');
  });

  it('leaves nothing where nothing was recorded', async () => {
    const owner = { host: 'gone', pid: 1, token: 'x' };
    const shape = { callId: 'c', format: 'wav', channels: 1, sampleRateHz: 8000 };
    const target = { kind: 'file', path: 'c.wav' };
    await mkdir(join(directory, 'pending'));
    await writeFile(join(directory, 'pending', 'c.wav.json'), JSON.stringify({ ...shape, target, owner }));
    await writeFile(join(directory, 'pending', 'c.wav.part'), 'RIFF');
    await writeFile(join(directory, 'pending', 'notes.json'), '{ not ours');
    start({ clock: { ...systemClock, wallMs: () => Date.now() + 120_000 } });
    await until(() => logged.length > 0);
    expect(logged).toMatchObject([['empty recording removed', { callId: 'c' }]]);
    expect(await readdir(join(directory, 'pending'))).toEqual(['notes.json']);
  });
});

describe('S3', () => {
  let server: S3Server;
  beforeEach(async () => {
    server = await S3Server.start();
  });
  afterEach(() => server.close());

  const settings = () => ({
    endpoint: server.endpoint,
    region: server.region,
    bucket: 'calls',
    accessKeyId: server.accessKeyId,
    secretAccessKey: server.secretAccessKey,
  });

  async function record(seconds: number, expected: string) {
    const { writer, events, heard } = begin({ destination: "s3://calls/2026/möte (1)'*.wav" });
    for (let i = 0; i < seconds; i++) writer.write(second(0));
    writer.finish();
    await heard(expected);
    return events;
  }
  const name = "calls/2026/möte (1)'*.wav";

  it('gets the recording, and the file goes', async () => {
    start({ s3: settings() });
    const events = await record(2, 'available');
    expect(events).toMatchObject([
      { type: 'finished', durationMs: 2000 },
      { type: 'available', url: "s3://calls/2026/möte (1)'*.wav" },
    ]);
    const { body, contentType } = server.objects.get(name)!;
    expect(parseWav(body).pcm.length).toBe(32_000);
    expect(contentType).toBe('audio/wav');
    expect(await readdir(join(directory, 'pending'))).toEqual([]);
  });

  it('gets a long one in parts, of which each is tried again', async () => {
    start({ s3: { ...settings(), partBytes: 64_000 }, clock: hurried });
    let failures = 0;
    server.fail = ({ url }) =>
      url.searchParams.get('partNumber') === '2' && failures++ < 2 ? [503, 'SlowDown'] : undefined;
    const { writer, heard } = begin({ destination: 's3://calls/long.wav' });
    for (let i = 0; i < 5; i++) writer.write(second(0));
    writer.finish();
    await heard('available');
    expect(server.objects.get('calls/long.wav')!.body.length).toBe(80 + 5 * 32_000);
    expect(server.requests.map((request) => request.replace(/uploadId=.*/, 'ID'))).toEqual([
      'POST /calls/long.wav?uploads=',
      'PUT /calls/long.wav?partNumber=1&ID',
      'PUT /calls/long.wav?partNumber=2&ID',
      'PUT /calls/long.wav?partNumber=2&ID',
      'PUT /calls/long.wav?partNumber=2&ID',
      'PUT /calls/long.wav?partNumber=3&ID',
      'POST /calls/long.wav?ID',
    ]);
  });

  it.each([
    { name: 'refuses', failure: [403, 'AccessDenied'], requests: 1, says: 'may not write there' },
    { name: 'knows no such bucket', failure: [404, 'NoSuchBucket'], requests: 1, says: 'no such bucket' },
    { name: 'is overloaded for long', failure: [503, 'SlowDown'], requests: 5, says: '503 SlowDown' },
    { name: 'sends elsewhere', failure: [301, 'PermanentRedirect'], requests: 1, says: 'another region' },
  ] as const)(
    'that $name is told, and the file is kept for the next start',
    async ({ failure, requests, says }) => {
      start({ s3: settings(), clock: hurried });
      server.fail = () => failure;
      const events = await record(1, 'failed');
      expect(events).toMatchObject([
        { type: 'finished' },
        { type: 'failed', stage: 'upload', message: expect.stringContaining(says) },
      ]);
      expect(server.requests).toHaveLength(requests);
      const kept = (events[1] as { kept: string }).kept;
      expect((await play(kept)).frames).toBe(8000);
      expect(await readFile(`${kept}.json`, 'utf8')).not.toContain(server.secretAccessKey);
      expect(recordings!.counters().failedUploads).toBe(1);
      await recordings!.close();

      server.fail = () => undefined;
      start({ s3: settings() });
      await until(() => logged.some(([sentence]) => sentence === 'recording uploaded at last'));
      expect(server.objects.has(name)).toBe(true);
      expect(await readdir(join(directory, 'pending'))).toEqual([]);
    },
  );

  it('gives up a long one whole where a part cannot be stored', async () => {
    start({ s3: { ...settings(), partBytes: 64_000 }, clock: hurried });
    server.fail = ({ url }) =>
      url.searchParams.get('partNumber') === '2' ? [403, 'AccessDenied'] : undefined;
    const events = await record(3, 'failed');
    expect(events.at(-1)).toMatchObject({ stage: 'upload' });
    expect(server.open.size).toBe(0);
  });

  it('that talks without end is not listened to', async () => {
    let sent = 0;
    const talker = createServer((_request, response) => {
      const part = Buffer.alloc(65_536, 'x');
      const more = () => {
        while (sent < 200_000_000 && !response.destroyed && response.write(part)) sent += part.length;
      };
      response.writeHead(403).on('drain', more);
      more();
    });
    await new Promise<void>((resolve) => talker.listen(0, '127.0.0.1', resolve));
    const { port } = talker.address() as AddressInfo;
    start({ s3: { ...settings(), endpoint: `http://127.0.0.1:${port}` } });
    const events = await record(1, 'failed');
    expect(events[1]).toMatchObject({ message: expect.stringContaining('was refused with 403') });
    expect(sent).toBeLessThan(20_000_000);
    talker.closeAllConnections();
    await new Promise((resolve) => talker.close(resolve));
  });

  it('with a wrong secret says so', async () => {
    start({ s3: { ...settings(), secretAccessKey: 'another secret' } });
    const events = await record(1, 'failed');
    expect(events[1]).toMatchObject({
      message: expect.stringContaining('SignatureDoesNotMatch: the secret is another'),
    });
  });

  it('that cannot be reached is told', async () => {
    start({ s3: settings(), clock: hurried });
    await server.close();
    const events = await record(1, 'failed');
    expect(events[1]).toMatchObject({ message: expect.stringContaining('cannot be reached (ECONNREFUSED)') });
    server = await S3Server.start();
  });
});
