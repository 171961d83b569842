import { afterEach, describe, expect, it } from 'vitest';
import { CallWorld } from '../support/call-world.ts';
import { BarePhone } from './bare-phone.ts';

let world: CallWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

describe('on a machine whose media worker is behind', () => {
  it.each([
    ['an ordinary call', undefined],
    ['a call with early media', true],
  ])('the first words of %s are heard, both ways', async (_what, earlyMedia) => {
    world = await CallWorld.open({
      workerDelayMs: 150,
      sampleRate: 8_000,
      ...(earlyMedia === undefined ? {} : { earlyMedia }),
    });
    const { clock, server, gateway } = world;
    const greeting = new Uint8Array(new Int16Array(1_600).fill(5_000).buffer);
    server.connected = (stream) => {
      stream.receivedText = ({ command }) => {
        if (command !== 'connect') return;
        stream.send({ command: 'answer' });
        stream.sendBinary(greeting);
      };
    };
    const phone = await BarePhone.open(world);
    await phone.call();
    phone.rtp.sayTone();
    await clock.advance(1_000);
    const { workers } = await gateway.mediaReport();
    expect(workers[0]?.rtpPacketsIgnored).toBe(0);
    // Of the second that went by, all but what the answer to the worker's news took.
    expect(server.last.binaries.length).toBeGreaterThanOrEqual(49);
    const loud = phone.rtp.heardPcm.filter((sample) => Math.abs(sample - 5_000) < 300).length;
    expect(loud).toBeGreaterThan(1_500);
    phone.rtp.close();
  });
});
