import { describe, expect, it } from 'vitest';
import { StreamCircuits } from '../../../gateway/calls/stream-circuits.ts';
import { StreamDialling, type StreamDiallingOptions } from '../../../gateway/calls/stream-dialling.ts';
import { StreamLeg } from '../../../gateway/calls/stream-leg.ts';
import { StreamResumption } from '../../../gateway/calls/stream-resumption.ts';
import type { MediaCommand, MediaEvent } from '../../../gateway/media/media-messages.ts';
import { checkConnectStream } from '../../../protocol/svaml/connect-stream.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const first = 'wss://first.test/calls';
const second = 'wss://second.test/calls';

function createDialling(changes: object = {}, options: Partial<StreamDiallingOptions> = {}) {
  const clock = new FakeClock();
  const circuits = new StreamCircuits({ clock, changed: () => {} });
  const { streamingOptions, ...rest } = changes as { streamingOptions?: object };
  const action = checkConnectStream(
    {
      name: 'connectStream',
      destination: { type: 'websocket', endpoint: first },
      streamingOptions: { fallbackEndpoints: [second], ...streamingOptions },
      ...rest,
    },
    'action',
  );
  const dialling = new StreamDialling({
    callId: 'call',
    applicationKey: 'app',
    action,
    addresses: ['192.0.2.1', undefined],
    circuits,
    clock,
    ...options,
  });
  return { clock, circuits, dialling };
}

describe('dialling of a stream', () => {
  it('tries the endpoint and then the others, each at its approved address', () => {
    const { dialling } = createDialling({ authorization: 'Bearer x' });
    expect(dialling.next()).toEqual({
      endpoint: first,
      target: { url: first, address: '192.0.2.1', headers: { Authorization: 'Bearer x' }, tls: undefined },
    });
    expect(dialling.ended('unreachable')).toBe(true);
    expect(dialling.next()).toMatchObject({ endpoint: second, target: { address: undefined } });
    expect(dialling.ended('connectTimeout')).toBe(true);
    expect(dialling.next()).toBeUndefined();
  });

  it.each(['declined', 'answerTimeout', 'closedEarly'] as const)('tries no other after %s', (reason) => {
    const { dialling } = createDialling();
    dialling.next();
    expect(dialling.ended(reason)).toBe(false);
  });

  it('tries no other once the server took the connection', () => {
    const { dialling } = createDialling();
    dialling.next();
    dialling.connected();
    expect(dialling.ended('unreachable')).toBe(false);
  });

  it('passes over endpoints whose circuit is open', () => {
    const { dialling, circuits } = createDialling();
    for (let index = 0; index < 5; index++) circuits.failed(first);
    expect(dialling.next()?.endpoint).toBe(second);
  });

  it('signs each attempt anew, in the header or in the query', () => {
    const secret = Buffer.from('secret');
    const inHeader = createDialling(
      { streamingOptions: { signing: { in: 'header' } } },
      { applicationSecret: secret },
    );
    const { target } = inHeader.dialling.next()!;
    expect(target.headers.Authorization).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    expect(target.url).toBe(first);
    const { dialling } = createDialling({
      streamingOptions: { signing: { in: 'query', secret: 'eight or more' } },
    });
    const signed = dialling.next()!;
    expect(signed.target.url).toMatch(/^wss:\/\/first\.test\/calls\?token=[\w-]+\.[\w-]+\.[\w-]+$/);
    // What is logged and shown.
    expect(signed.endpoint).toBe(first);
    expect(signed.target.headers).toEqual({});
  });
});

describe('a lost stream', () => {
  function createLost() {
    const { clock, dialling } = createDialling();
    const sent: MediaCommand[] = [];
    const over: unknown[] = [];
    let resumption: StreamResumption | undefined;
    const leg = new StreamLeg({
      endpointId: 'stream',
      endpoint: first,
      sampleRateHz: 8000,
      media: { worker: 0, send: (command) => sent.push(command), release: () => {} },
      handlers: {
        connected: () => {},
        answered: () => {},
        ended: (reason) => over.push(reason),
        closed: () => {},
        told: () => {},
        lost: (reason) => resumption!.lost(reason),
        resumed: () => resumption!.resumed(),
      },
    });
    resumption = new StreamResumption({
      clock,
      leg,
      dialling,
      resumeMs: 3_000,
      gaveUp: (reason) => over.push(reason),
    });
    const receive = (event: Record<string, unknown> & { readonly type: MediaEvent['type'] }) =>
      leg.receiveMedia({ endpointId: 'stream', ...event } as unknown as MediaEvent);
    const lose = (code = 'ECONNREFUSED') =>
      receive({ type: 'streamLost', end: { cause: 'unreachable', code, message: '' } });
    const limits = { connectTimeoutMs: 1, answerTimeoutMs: 1, idleTimeoutMs: 1, bufferBytes: 1 };
    const { target } = dialling.next()!;
    const connect = { callId: 'call' } as Parameters<StreamLeg['open']>[0]['connect'];
    leg.open({ ...target, dialect: 'sinch', connect, frameMs: 20, limits });
    dialling.connected();
    receive({ type: 'streamReplied', reply: 'answer' });
    const tried = () =>
      sent.flatMap((command) => (command.type === 'reopenStream' ? [new URL(command.url).host] : []));
    return { clock, leg, resumption, receive, lose, tried, over, sent };
  }

  it('is tried at every endpoint in turn, with growing pauses, until the time is over', async () => {
    const { clock, lose, tried, over } = createLost();
    lose();
    expect(tried()).toEqual(['first.test']);
    lose();
    expect(tried()).toEqual(['first.test', 'second.test']);
    lose();
    expect(tried()).toHaveLength(2);
    const times: number[] = [];
    for (let ms = 0; ms < 3_100; ms += 50) {
      const before = tried().length;
      await clock.advance(50);
      if (tried().length === before) continue;
      times.push(ms + 50);
      lose();
      if (tried().length > before + 1) lose();
    }
    expect(times).toEqual([100, 300, 700, 1_500]);
    expect(over).toEqual(['streamLost']);
    expect(clock.timers).toBe(0);
  });

  it('is as before once it is answered again, and may be lost another time', async () => {
    const { clock, lose, leg, receive, tried, resumption, sent } = createLost();
    leg.tell({ event: 'hold' });
    lose();
    leg.tell({ event: 'resume' });
    expect(sent.filter(({ type }) => type === 'tellStream')).toHaveLength(1);
    receive({ type: 'streamResumed', gapMs: 20, droppedMs: 0 });
    expect(resumption.going).toBe(false);
    leg.tell({ event: 'resume' });
    expect(sent.filter(({ type }) => type === 'tellStream')).toHaveLength(2);
    lose();
    expect(tried()).toEqual(['first.test', 'first.test']);
    resumption.stop();
    leg.end('callerHangup');
    expect(sent.at(-1)).toMatchObject({ type: 'closeStream', code: 1000, reason: 'CALLERHANGUP' });
    expect(clock.timers).toBe(0);
  });
});
