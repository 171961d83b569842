import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type AskedGateway, startAskedGateway } from '../support/peers/asked-gateway.ts';
import { mainFile } from '../support/peers/gateway-process.ts';
import { Processes, type Running } from '../support/peers/processes.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 10: the process of a stream server stands still. Its connection is up and takes what comes, as one does whose
 *  other end went without a word; only an answer to a ping tells them apart from one that has nothing to say. */

const noticedSecondsMax = 30;

const processes = new Processes();
const directory = mkdtempSync(join(tmpdir(), 'callwire-silent-'));
let asked: AskedGateway;
let phone: Phone;

beforeAll(async () => {
  asked = await startAskedGateway(processes, {}, { sampleRate: 8_000 });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await asked?.callbacks.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Never says anything but its answer. */
async function startBot(name: string): Promise<Running> {
  const bot = processes.start(process.execPath, [
    mainFile,
    'bot',
    'record',
    '--file',
    join(directory, `${name}.wav`),
    '--listen',
    '127.0.0.1:0',
    '--json',
  ]);
  const url = await bot.line((line) => (JSON.parse(line) as { url?: string }).url, 20_000);
  asked.endpoints.set(name, url);
  return bot;
}

describe.skipIf(process.platform !== 'linux')('a stream server that is gone without a word', () => {
  it('is noticed by ping, where one that is silent and lives goes on', async () => {
    const gone = await startBot('gone');
    await startBot('silent');
    const place = (name: string) =>
      phone.placeCall({ target: `sip:${name}@${asked.gateway.udp}`, codecs: ['pcmu'], recordSeconds: 1 });
    const [dead, alive] = await Promise.all([place('gone'), place('silent')]);
    await until(
      'both talk',
      async () => (await asked.gateway.calls()).filter(({ state }) => state === 'answered').length === 2,
    );
    gone.signal('SIGSTOP');
    const stoppedMs = performance.now();
    const result = await dead.ended;
    const seconds = (performance.now() - stoppedMs) / 1_000;
    gone.signal('SIGCONT');
    console.log(`figure row 10: noticed after ${seconds.toFixed(1)} s`);
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
    expect(result.reasonHeader).toContain('stream connection lost: PINGTIMEOUT');
    expect(seconds).toBeLessThan(noticedSecondsMax);
    await until('dice', () => asked.dice('gone') !== undefined);
    expect(asked.dice('gone')).toMatchObject({ result: 'ANSWERED', reason: 'CALLEEHANGUP' });
    expect(await asked.gateway.metric('callwire_stream_silences_total')).toBe(1);
    expect((await asked.gateway.calls()).length).toBe(1);
    alive.hangUp();
    expect(await alive.ended).toMatchObject({ endedBy: 'phone' });
    await asked.gateway.whenEmpty();
  });
});
