import { afterEach, expect, it } from 'vitest';
import { CallControlError } from '../../gateway/calls/call-control.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { checkSvaml } from '../../protocol/svaml/svaml.ts';
import { closeAgents } from '../gateway/signaling/agents.ts';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';
import type { CalleePhone } from './callee-phone.ts';
import {
  appKey,
  type ControlWorld,
  callee,
  caller,
  leftovers,
  nothingLeft,
  openControl,
} from './control-world.ts';

/** Everything at once, at random moments, over a line that loses a tenth: nothing may throw, every call of an application
 *  ends with exactly one DICE, and nothing is left behind. */

let control: ControlWorld;

afterEach(async () => {
  await closeAgents();
  await control.world.close();
});

it.each(Array.from({ length: rounds(3, 100) }, (_, index) => index + 1))(
  'calls, menus, rooms, bridges, streams, changes and hang-ups in any order (seed %i)',
  async (seed) => {
    const random = createRandom(seed * 7_919);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    control = await openControl({ workers: 2, link: { lossPercent: 10, delayMs: 10, seed } });
    const { world, callbacks } = control;
    const { control: calls } = world.gateway;
    // Two echo servers that are joined send each other the same audio for ever; in no time, that would be no end.
    world.server.delayMs = 20;
    const phones: CalleePhone[] = [];
    for (let at = 0; at < 4; at++) phones.push(await callee(control, 50 + at));
    const stream = {
      name: 'connectStream',
      destination: { type: 'websocket', endpoint: 'ws://127.0.0.1:7/' },
    };
    const programme = (): unknown => {
      const instructions = [
        { name: 'answer' },
        { name: 'playFiles', ids: ['https://x/600;https://x/none'] },
        { name: 'startRecording' },
        { name: 'sendDtmf', value: '1w2' },
        { name: 'setCookie', key: 'a', value: 'b' },
        { name: 'stopRecording' },
      ].filter(() => random() < 0.3);
      const action = pick<object>([
        { name: 'connectSip', destination: { endpoint: pick(phones).uri() }, timeout: 5, moh: 'music1' },
        {
          name: 'connectSip',
          destination: { endpoint: pick(phones).uri() },
          ringback: 'se',
          keepCaller: true,
        },
        { name: 'connectConf', conferenceId: pick(['a', 'b']), moh: 'music1' },
        { name: 'runMenu', menus: [{ id: 'main', mainPrompt: 'https://x/700', timeoutMills: 500 }] },
        { name: 'park', holdPrompt: 'https://x/800', maxDuration: 5 },
        stream,
        { name: 'hangup' },
        { name: 'continue' },
      ]);
      return { instructions, action };
    };
    const said = () => (random() < 0.1 ? 'fail' : programme());
    Object.assign(callbacks, { ice: said, ace: said, pie: said });

    const placed: string[] = [];
    const alices = [await caller(control, 61), await caller(control, 62), await caller(control, 63)];
    for (let step = 0; step < 60; step++) {
      callbacks.delayMs = pick([0, 50, 1_000]);
      for (const phone of phones) phone.reply = pick(['answer', 'answer', 'answer', 'early', 'never', 486]);
      const live = (await world.gateway.calls()).map(({ callId }) => callId);
      const callId = pick(live.length === 0 ? ['none'] : live);
      try {
        switch (Math.floor(random() * 9)) {
          case 0:
          case 1: {
            const alice = pick(alices);
            if (alice.session === undefined || alice.session.state === 'ended') {
              alice.dial();
              placed.push('inbound');
            } else {
              alice.session.end({ status: 487 });
            }
            break;
          }
          case 2:
          case 3: {
            const destination = { type: 'sip', endpoint: pick(phones).uri() };
            const body = pick<Record<string, unknown>>([
              { method: 'customCallout', customCallout: { destination } },
              {
                method: 'conferenceCallout',
                conferenceCallout: { destination, conferenceId: 'a', enableDice: true },
              },
              { method: 'ttsCallout', ttsCallout: { destination, text: 'Hello', enableDice: true } },
              { method: 'customCallout', customCallout: { ice: JSON.stringify({ action: stream }) } },
            ]);
            placed.push((await calls.callout(appKey, checkCallout(body))).callId);
            break;
          }
          case 4:
            await calls.modify(callId, checkSvaml(programme()));
            break;
          case 5:
            await calls.modify(
              callId,
              checkSvaml({ instructions: [{ name: 'say', text: 'x' }] }),
              pick(['caller', 'callee', 'both']),
            );
            break;
          case 6:
            calls.hangup(callId);
            break;
          case 7:
            calls.commandMember(
              { applicationKey: appKey, conferenceId: 'a', callId },
              pick(['mute', 'unmute', 'onhold', 'resume']),
              'music1',
            );
            break;
          default: {
            const phone = pick(phones);
            if (phone.session?.state === 'confirmed') phone.hangUp();
            if (random() < 0.3) calls.kick(appKey, pick(['a', 'b']));
            if (random() < 0.3 && world.server.streams.length > 0)
              pick(world.server.streams).close(pick([1_000, 1_006]));
          }
        }
      } catch (error) {
        if (!(error instanceof CallControlError)) throw error;
      }
      await world.clock.advance(pick([20, 200, 1_000]));
    }
    for (const { callId } of await world.gateway.calls()) calls.hangup(callId);
    for (const alice of alices) alice.session?.end({ status: 487 });
    expect(await leftovers(control)).toEqual(nothingLeft);
    // A stream cannot leave its worker: the one thing that is allowed to fail in us.
    const errors = world.log.filter(
      ({ level, reason }) => level === 'error' && reason !== 'conferenceElsewhere',
    );
    expect(errors).toEqual([]);
    const dice = callbacks.dice.map(({ callid }) => callid);
    expect(new Set(dice).size).toBe(dice.length);
    const ended = world.log.filter(({ msg }) => msg === 'call ended').length;
    expect(ended).toBe(
      world.log.filter(({ msg }) => msg === 'call received' || msg === 'call placed').length,
    );
    for (const callId of placed.filter((id) => id !== 'inbound'))
      expect(calls.describe(callId)?.status).toBe('FINAL');
    for (const { finished } of control.recordings) expect(finished).toBe(true);
  },
);
