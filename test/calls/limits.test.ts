import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../gateway/config.ts';
import type { CallOptions } from '../../gateway/phone/phone.ts';
import { CallWorld } from '../support/call-world.ts';
import { askHttp } from '../support/http-ask.ts';
import type { MemoryStream } from '../support/memory-stream.ts';

/** Each limit that a call can run into, and what an operator sees of it. */

interface Limit {
  /** As docs/operations.md names it. */
  readonly setting: string;
  readonly config: ConfigInput;
  readonly maxDuration?: number;
  readonly calls?: number;
  readonly call?: Partial<CallOptions>;
  /** What the server does once it was asked. Default: it answers and echoes. */
  readonly server?: (stream: MemoryStream) => void;
  readonly hangs?: true;
  /** A sample of /metrics that is above zero. */
  readonly metric: string;
}

const address = '127.0.0.1';
const answer = (stream: MemoryStream): void => stream.send({ command: 'answer' });
const refused = (reason: string) => `callwire_refused_total{reason="${reason}"}`;
const ending = (reason: string) => `callwire_call_endings_total{ending="${reason}"}`;

const limits: readonly Limit[] = [
  { setting: 'sip.maxCalls', config: { sip: { maxCalls: 1 } }, calls: 2, metric: refused('overload') },
  {
    setting: 'rtp.ports',
    config: { rtp: { address, ports: [40_000, 40_001] } },
    calls: 2,
    metric: refused('overload'),
  },
  {
    setting: 'rtp.timeout',
    config: { rtp: { address, ports: [0, 0], timeout: 1 } },
    call: { trouble: { stopSendingAfterMs: 100 } },
    metric: ending('rtp-timeout'),
  },
  {
    setting: 'stream.connectTimeoutMs',
    config: { stream: { connectTimeoutMs: 500 } },
    hangs: true,
    metric: refused('connect-timeout'),
  },
  {
    setting: 'stream.answerTimeoutMs',
    config: { stream: { answerTimeoutMs: 500 } },
    server: () => {},
    metric: refused('answer-timeout'),
  },
  {
    setting: 'stream.idleTimeout',
    config: { stream: { idleTimeout: 1 } },
    server: answer,
    metric: ending('idle'),
  },
  {
    setting: 'stream.bufferBytes',
    config: { stream: { bufferBytes: 32_000 } },
    server: (stream) => {
      answer(stream);
      stream.sendBinary(new Uint8Array(31_000));
      stream.sendBinary(new Uint8Array(31_000));
    },
    call: { durationMs: 500 },
    metric: 'callwire_stream_dropped_ms_total',
  },
  { setting: 'action.maxDuration', config: {}, maxDuration: 1, metric: ending('max-duration') },
];

describe('a limit that is reached shows', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(limits)(
    '$setting in $metric',
    async ({ config, maxDuration, calls = 1, call, server, hangs, metric }) => {
      world = await CallWorld.open({ config, ...(maxDuration !== undefined && { maxDuration }) });
      if (hangs) world.server.behave = 'never';
      if (server !== undefined) {
        world.server.connected = (stream) => {
          stream.receivedText = ({ command }) => void (command === 'connect' && server(stream));
        };
      }
      const durationMs = calls > 1 ? 500 : undefined;
      const placed = [];
      for (let i = 0; i < calls; i++) {
        placed.push(await world.call({ ...(durationMs !== undefined && { durationMs }), ...call }));
        await world.clock.advance(50);
      }
      for (const each of placed) await world.finish(each);
      const { text } = await askHttp(`http://${world.gateway.listening.http}`, 'GET', '/metrics');
      const line = text.split('\n').find((each) => each.startsWith(`${metric} `));
      expect(Number(line?.split(' ').at(-1) ?? 0)).toBeGreaterThan(0);
    },
  );
});
