import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it } from 'vitest';
import type { CallOptions } from '../../gateway/phone/phone.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult } from '../../gateway/phone/phone-call.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import type { MemoryStream } from '../support/memory-stream.ts';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';
import { appKey, type ControlWorld, leftovers, nothingLeft, openControl } from './control-world.ts';

/** Row 18: an hour's worth of calls of every kind and ending. Each user that is dialled stands for a kind. */

const calls = rounds(24, 10_000);
const everyMs = 3_600_000 / 10_000;
const failedMax = 1;
const growthMbMax = 16;
const limitMs = rounds(20_000, 1_800_000);

interface Kind {
  readonly call?: Partial<CallOptions>;
  /** What its stream server does once it has read `connect`. */
  readonly stream?: (stream: MemoryStream) => void;
  /** What the application says to its ICE. */
  readonly ice?: unknown;
  readonly outcome: CallResult['outcome'];
  readonly status?: number;
}

const answer = (stream: MemoryStream): void => stream.send({ command: 'answer' });
const stream = (endpoint = 'ws://127.0.0.1:7/', more: object = {}) => ({
  action: { name: 'connectStream', destination: { type: 'websocket', endpoint }, ...more },
});
const talks = { durationMs: 1_500 };

function kindsOf(callee: Phone): Readonly<Record<string, Kind>> {
  const conference = { action: { name: 'connectConf', conferenceId: 'room' } };
  const uri = `sip:bob@127.0.0.1:${callee.listening.port}`;
  return {
    echo: { stream: answer, ice: stream(), call: talks, outcome: 'completed', status: 200 },
    digits: { stream: answer, ice: stream(), call: { ...talks, dtmf: '12' }, outcome: 'completed' },
    hangup: {
      stream: (each) => {
        answer(each);
        each.receivedBinary = () => void (each.closedWith ?? each.close());
      },
      ice: stream(),
      outcome: 'completed',
    },
    lost: {
      stream: (each) => {
        answer(each);
        each.receivedBinary = () => each.close(1006);
      },
      ice: stream(),
      outcome: 'completed',
    },
    breach: { stream: (each) => each.violate(1009), ice: stream(), outcome: 'refused', status: 502 },
    busy: {
      stream: (each) => each.send({ command: 'busy' }),
      ice: stream(),
      outcome: 'refused',
      status: 486,
    },
    reject: {
      stream: (each) => each.send({ command: 'reject' }),
      ice: stream(),
      outcome: 'refused',
      status: 603,
    },
    silent: { ice: stream(), outcome: 'refused', status: 480 },
    cancel: { ice: stream(), call: { cancelAfterMs: 300 }, outcome: 'cancelled' },
    declined: { ice: stream('ws://127.0.0.2:403/'), outcome: 'refused', status: 603 },
    nobody: { ice: stream('ws://127.0.0.2:1/'), outcome: 'refused', status: 480 },
    inside: { ice: stream('ws://10.0.0.1/'), outcome: 'refused' },
    long: { stream: answer, ice: stream(undefined, { maxDuration: 1 }), outcome: 'completed' },
    recorded: {
      stream: answer,
      ice: { instructions: [{ name: 'startRecording', options: {} }], ...stream() },
      call: talks,
      outcome: 'completed',
    },
    said: {
      ice: {
        instructions: [{ name: 'answer' }, { name: 'playFiles', ids: ['https://x/600'] }],
        action: { name: 'hangup' },
      },
      outcome: 'completed',
    },
    parked: {
      ice: { action: { name: 'park', holdPrompt: '#tts[Wait]' } },
      call: talks,
      outcome: 'completed',
    },
    conference: { ice: conference, call: { durationMs: 3_000 }, outcome: 'completed' },
    menu: {
      ice: {
        action: {
          name: 'runMenu',
          menus: [{ id: 'main', mainPrompt: '#tts[Press]', options: [{ dtmf: '1', action: 'return(one)' }] }],
        },
      },
      call: { ...talks, dtmf: '1' },
      outcome: 'completed',
    },
    phone: {
      ice: { action: { name: 'connectSip', destination: { endpoint: uri } } },
      call: talks,
      outcome: 'completed',
    },
    broken: { ice: { action: { name: 'no such action' } }, outcome: 'refused', status: 500 },
    failing: { ice: 'fail', outcome: 'refused', status: 500 },
    refused: { ice: { action: { name: 'hangup' } }, outcome: 'refused' },
  };
}

let control: ControlWorld | undefined;
let callee: Phone | undefined;

afterEach(async () => {
  const closed = callee?.close();
  await control?.world.close();
  await closed;
  control = undefined;
});

/** In MB, after everything that nobody holds is gone. */
function heapMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 1_048_576;
}

it(
  `${calls} calls of every kind: at most one failed, and nothing is left of them`,
  async () => {
    control = await openControl({ config: { sip: { maxCalls: 200 } } as never });
    const { world, callbacks, recordings } = control;
    const { clock, network, server, gateway, phone } = world;
    callee = await createPhone({
      address: '127.0.0.1',
      clock,
      network,
      random: createRandom(8),
      localAddressFor: async () => '127.0.0.1',
    });
    let calleeEnded = 0;
    callee.answerCalls({ durationMs: 1_000, recordSeconds: 0.1, ringMs: 100, ended: () => calleeEnded++ });
    const kinds = kindsOf(callee);
    const names = Object.keys(kinds);
    server.behave = ({ url }) =>
      url.includes(':403/')
        ? { decline: 403 }
        : url.includes('.2:1/')
          ? { refuse: 'ECONNREFUSED' }
          : 'accept';
    server.connected = (each) => {
      each.receivedBinary = () => {};
      each.receivedText = ({ command, to }) => {
        if (command === 'connect') kinds[String(to)]?.stream?.(each);
      };
      each.closed = () => server.streams.splice(server.streams.indexOf(each), 1);
    };
    callbacks.ice = (message) => kinds['to' in message ? (message.to?.endpoint ?? '') : '']?.ice ?? 'fail';
    const before = { sockets: network.openSockets, timers: clock.timers };

    const wrong: string[] = [];
    let over = 0;
    const place = async (number: number): Promise<void> => {
      const name = names[number % names.length]!;
      const kind = kinds[name]!;
      const placed = await world.call({
        recordSeconds: 0.1,
        ...kind.call,
        target: world.target.replace('bot@', `${name}@`),
      });
      const { outcome, status } = await placed.ended;
      if (outcome !== kind.outcome || (kind.status !== undefined && status !== kind.status))
        wrong.push(`${number} ${name}: ${outcome} ${status}`);
      over++;
    };
    const callOut = async (): Promise<void> => {
      const destination = { type: 'sip', endpoint: `sip:bob@127.0.0.1:${callee!.listening.port}` };
      const { callId } = await gateway.control.callout(
        appKey,
        checkCallout({
          method: 'conferenceCallout',
          conferenceCallout: { conferenceId: 'out', destination, enableDice: true },
        }),
      );
      const told = () => callbacks.dice.find(({ callid }) => callid === callId);
      for (let waits = 0; told() === undefined && waits < 300; waits++)
        await new Promise<void>((resolve) => void clock.after(100, resolve));
      if (told()?.result !== 'ANSWERED') wrong.push(`callout: ${JSON.stringify(told())}`);
      over++;
    };
    let heapBefore = 0;
    for (let number = 0; number < calls; number++) {
      if (number % names.length === 0) {
        // What the test itself remembers of calls.
        for (const kept of [
          world.log as unknown[],
          callbacks.asked,
          callbacks.urls,
          control.played,
          recordings,
        ])
          kept.splice(0);
        callbacks.told.splice(0, Math.max(0, callbacks.told.length - 100));
        if (number >= calls / 10 && heapBefore === 0) heapBefore = heapMb();
      }
      void (number % 20 === 19 ? callOut() : place(number)).catch((error: unknown) => {
        wrong.push(`${number}: ${error}`);
        over++;
      });
      await clock.advance(everyMs);
    }
    await clock.until(() => over === calls, 120_000, 200);
    expect(await leftovers(control)).toEqual(nothingLeft);
    const grownMb = heapMb() - heapBefore;
    console.log(
      `figure row 18: ${calls} calls of ${names.length + 1} kinds in ${(calls * everyMs) / 60_000} min of the fake clock, ` +
        `${wrong.length} failed, heap grew by ${grownMb.toFixed(1)} MB`,
    );
    expect(wrong.slice(0, wrong.length > failedMax ? 20 : 0)).toEqual([]);
    expect(calleeEnded).toBeGreaterThan(0);
    expect(gateway.counts()).toMatchObject({ calls: 0, sessions: 0, transactions: 0, dialogs: 0 });
    expect(phone.counts()).toEqual({ sessions: 0, transactions: 0, dialogs: 0, connections: 0 });
    expect({ sockets: network.openSockets, timers: clock.timers }).toEqual(before);
    expect(grownMb).toBeLessThan(growthMbMax);
  },
  limitMs,
);
