import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseWav } from '../../../codecs/wav.ts';
import { type Bot, startBot } from '../../../gateway/bots/bot.ts';
import { defaultConfig } from '../../../gateway/config.ts';
import { type Gateway, startGateway } from '../../../gateway/gateway.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createPhone, type Phone } from '../../../gateway/phone/phone.ts';
import { openNewFile } from '../../../gateway/recording/recording-file.ts';
import { createRecordings, type RecordingsOptions } from '../../../gateway/recording/recordings.ts';
import { type CallbackServer, startCallbackServer } from '../../support/callback-server.ts';
import { S3Server } from '../../support/s3-server.ts';

/** Row 17: what becomes of a call whose recording fails. */

const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };
/** Long enough that the disk is full before the end. */
const talkMs = 1_500;

let directory: string;
let app: CallbackServer;
let bot: Bot;
let phone: Phone;
let gateway: Gateway | undefined;
let counted: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-recorded-'));
  counted = [];
  app = await startCallbackServer();
  bot = await startBot({ kind: 'echo' });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterEach(async () => {
  await phone.close();
  await gateway?.close();
  await Promise.all([bot.close(), app.close()]);
  await rm(directory, { recursive: true, force: true });
});

/** A call to the echo bot that is recorded into `destinationUrl`; what the phone made of it, and the notices. */
async function recordedCall(
  options: Partial<RecordingsOptions>,
  { durationMs = talkMs, destinationUrl }: { durationMs?: number; destinationUrl?: string } = {},
) {
  app.reply = ({ json }) => {
    if (json.event !== 'ice') return {};
    const recording = { notificationEvents: true, ...(destinationUrl !== undefined && { destinationUrl }) };
    return {
      body: {
        instructions: [{ name: 'startRecording', options: recording }],
        action: { name: 'connectStream', destination: { type: 'Websocket', endpoint: bot.url } },
      },
    };
  };
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['pcmu'] },
      http: { listen: '127.0.0.1:0' },
      media: { workers: 1 },
      applications: [{ ...application, callbackUrl: app.url }],
      routes: [{ to: '*', application: application.key }],
      stream: { endpoints: { allow: ['ws://127.0.0.1:*'] } },
    }),
    {
      log: silentLog,
      recordings: createRecordings({
        directory,
        thread: false,
        counted: (code) => counted.push(code),
        ...options,
      }),
    },
  );
  const placed = await phone.placeCall({
    target: `sip:bot@${gateway.listening.sip[0]!.replace('udp:', '')}`,
    codecs: ['pcmu'],
    playTone: { frequencyHz: 500, levelDbfs: -12 },
    durationMs,
  });
  const result = await placed.ended;
  const notices = () => app.requests.map(({ json }) => json).filter(({ event }) => event === 'notify');
  return { result, notices };
}

describe('the call goes on', () => {
  it('where the disk fills up: the failure is told at once, and what there is can be played', async () => {
    let room = 4_000;
    let failedAtMs = Number.POSITIVE_INFINITY;
    const { result, notices } = await recordedCall({
      openFile: async (path) => {
        const file = await openNewFile(path);
        return {
          sync: () => file.sync(),
          utimes: (...times) => file.utimes(...times),
          close: () => file.close(),
          async write(bytes, offset, length, position) {
            // The header has its place already.
            if (position === 0) return file.write(bytes, offset, length, position);
            if (room === 0) {
              failedAtMs = Math.min(failedAtMs, performance.now());
              throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
            }
            const taken = Math.min(room, length);
            room -= taken;
            return file.write(bytes, offset, taken, position);
          },
        };
      },
    });
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
    // To its end, not to where the disk was full.
    expect(failedAtMs).toBeLessThan(performance.now());
    expect(result.durationMs).toBeGreaterThanOrEqual(talkMs);
    expect(result.packetsReceived).toBeGreaterThan((talkMs / 20) * 0.7);
    await expect
      .poll(() => notices().map(({ type }) => type), { timeout: 10_000 })
      .toEqual(['recording_failed']);
    expect(notices()[0]).toMatchObject({ errorMsg: expect.stringContaining('the disk is full') });
    expect(counted).toEqual(['recording-write-failed']);
    const kept = (await readdir(directory)).find((name) => name.endsWith('.wav'));
    expect(parseWav(await readFile(join(directory, kept!))).pcm.length).toBeGreaterThan(500);
  });

  it('where the storage refuses: the failure is told, and the next start stores what was kept', async () => {
    const server = await S3Server.start();
    const s3 = {
      endpoint: server.endpoint,
      region: server.region,
      bucket: 'calls',
      accessKeyId: server.accessKeyId,
      secretAccessKey: server.secretAccessKey,
    };
    try {
      server.fail = () => [403, 'AccessDenied'];
      const { result, notices } = await recordedCall(
        { s3 },
        { durationMs: 500, destinationUrl: 's3://calls/kept.wav' },
      );
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
      await expect
        .poll(() => notices().map(({ type }) => type), { timeout: 10_000 })
        .toEqual(['recording_finished', 'recording_failed']);
      expect(notices()[1]).toMatchObject({ errorMsg: expect.stringContaining('may not write there') });
      expect(JSON.stringify(notices())).not.toContain(server.secretAccessKey);
      expect(counted).toEqual(['recording-upload-failed']);
      await gateway!.close();

      server.fail = () => undefined;
      const next = createRecordings({ directory, thread: false, s3 });
      await expect.poll(() => server.objects.has('calls/kept.wav'), { timeout: 10_000 }).toBe(true);
      await next.close();
      expect(parseWav(server.objects.get('calls/kept.wav')!.body).pcm.length).toBeGreaterThan(2_000);
    } finally {
      await server.close();
    }
  });
});
