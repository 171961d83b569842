import { EventEmitter } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { ControlEvent } from '../../../gateway/calls/call-control.ts';
import { EventHub } from '../../../gateway/control/event-hub.ts';
import { type HttpServer, startHttpServer } from '../../../gateway/control/http-server.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics } from '../../../gateway/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { askHttp, basicHeaders } from '../../support/http-ask.ts';
import { fakeCallControl } from './fake-call-control.ts';

class FakeResponse extends EventEmitter {
  text = '';
  /** Full from now on: what is written is kept, but the writer is told to wait. */
  full = false;
  ended = false;

  writeHead(): this {
    return this;
  }

  write(text: string): boolean {
    this.text += text;
    return !this.full;
  }

  end(): void {
    this.ended = true;
    this.emit('close');
  }

  destroy(): void {
    this.end();
  }

  /** Names and data of the events so far, and forgets them. */
  take(): string[] {
    const lines = [...this.text.matchAll(/^event: (.*)\ndata: (.*)$/gm)];
    this.text = '';
    return lines.map(([, name, data]) => {
      const { callId, count } = JSON.parse(data!) as { callId?: string; count?: number };
      return `${name} ${callId ?? count}`;
    });
  }

  lastId(): string | undefined {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1];
  }
}

function rig({ eventClients = 10, eventQueue = 3, eventHistory = 5 } = {}) {
  const clock = new FakeClock();
  const counted: string[] = [];
  const limits = { eventClients, eventQueue, eventHistory };
  const hub = new EventHub({ clock, limits, counted: (code) => counted.push(code) });
  const add = (lastEventId?: string, sees: (key: string) => boolean = () => true) => {
    const response = new FakeResponse();
    hub.add(response as unknown as ServerResponse, sees, lastEventId);
    return response;
  };
  const publish = (callId: string, applicationKey = 'app') =>
    hub.publish({ type: 'call.started', callId, applicationKey, timestamp: 't' } as ControlEvent);
  return { clock, counted, hub, add, publish };
}

describe('a reader of events', () => {
  test('gets what happens from now on', () => {
    const { add, publish } = rig();
    publish('before');
    const reader = add();
    publish('a');
    publish('b');
    expect(reader.text).toMatch(/^retry: 2000\n\nid: [0-9a-f]{8}-2\nevent: call.started\ndata: \{/);
    expect(reader.take()).toEqual(['call.started a', 'call.started b']);
  });

  test('gets nothing of other applications', () => {
    const { add, publish } = rig();
    const reader = add(undefined, (key) => key === 'app');
    publish('a', 'other');
    publish('b');
    expect(reader.take()).toEqual(['call.started b']);
    const again = add('x-0', (key) => key === 'app');
    expect(again.take()).toEqual(['call.started b']);
  });

  test('who comes back gets what he missed, and how much of it is gone', () => {
    const { add, publish } = rig({ eventHistory: 5 });
    const first = add();
    publish('1');
    const id = first.lastId();
    for (const callId of ['2', '3', '4']) publish(callId);
    expect(add(id).take()).toEqual(['call.started 2', 'call.started 3', 'call.started 4']);
    for (const callId of ['5', '6', '7', '8']) publish(callId);
    expect(add(id).take()).toEqual([
      'dropped 2',
      ...['4', '5', '6', '7', '8'].map((each) => `call.started ${each}`),
    ]);
    // Of a gateway that was restarted meanwhile: everything is new.
    expect(add('ffffffff-7').take()).toEqual([
      'dropped 3',
      ...['4', '5', '6', '7', '8'].map((each) => `call.started ${each}`),
    ]);
    expect(add('rubbish').take()).toHaveLength(6);
    expect(add(first.lastId()).take()).toEqual([]);
  });

  test('who is slow misses the oldest, and is told how many', () => {
    const { add, publish, counted } = rig({ eventQueue: 3 });
    const reader = add();
    const quick = add();
    reader.full = true;
    for (const callId of ['1', '2', '3', '4', '5', '6']) publish(callId);
    expect(reader.take()).toEqual(['call.started 1']);
    expect(counted).toEqual(['events-dropped', 'events-dropped']);
    reader.full = false;
    reader.emit('drain');
    expect(reader.take()).toEqual(['dropped 2', 'call.started 4', 'call.started 5', 'call.started 6']);
    expect(quick.take()).toHaveLength(6);
    publish('7');
    expect(reader.take()).toEqual(['call.started 7']);
  });

  test('hears that the connection lives; one that takes nothing is given up', async () => {
    const { clock, add, counted, hub, publish } = rig();
    const reader = add();
    const stuck = add();
    stuck.full = true;
    publish('1');
    await clock.advance(15_000);
    expect(reader.text.endsWith(': heartbeat\n\n')).toBe(true);
    expect(stuck.text).not.toContain('heartbeat');
    await clock.advance(60_000);
    expect([stuck.ended, reader.ended, hub.readers, counted]).toEqual([true, false, 1, ['events-stalled']]);
    reader.end();
    expect([hub.readers, clock.timers]).toEqual([0, 0]);
  });

  test('is sent away at the end', () => {
    const { clock, add, hub } = rig();
    const reader = add();
    hub.close();
    expect([reader.ended, hub.full, clock.timers]).toEqual([true, true, 0]);
  });

  test('a million events leave no more than the history', () => {
    const { publish, add } = rig({ eventHistory: 2 });
    for (let i = 0; i < 20_000; i++) publish(String(i));
    expect(add('x-0').take()).toEqual(['dropped 19998', 'call.started 19998', 'call.started 19999']);
  });
});

describe('GET /events', () => {
  const app = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };
  const other = { key: 'other', secret: 'b3RoZXItc2VjcmV0' };
  let server: HttpServer;

  afterEach(() => server.close());

  test('is a stream of events to so many readers at a time, each its own', async () => {
    const control = fakeCallControl();
    const metrics = createMetrics();
    server = await startHttpServer({
      listen: { address: '127.0.0.1', port: 0 },
      applications: [app, other],
      view: { calls: async () => [], hangup: () => false, drain: () => {}, state: () => 'ready' },
      control,
      limits: {
        requestsPerSecond: 0,
        burst: 1,
        connectionsPerSource: 250,
        eventClients: 2,
        eventQueue: 10,
        eventHistory: 10,
      },
      metrics,
      log: silentLog,
    });
    const follow = (who: typeof app) =>
      new Promise<IncomingMessage>((resolve) => {
        const headers = { ...basicHeaders(who), 'last-event-id': 'x-0' };
        request(`${server.url}/events`, { headers, agent: false }, resolve).end();
      });
    const until = async (response: IncomingMessage, wanted: string) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) {
        text += String(chunk);
        if (text.includes(wanted)) break;
      }
      return text;
    };
    const [mine, theirs] = [await follow(app), await follow(other)];
    expect(mine.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const refused = await askHttp(server.url, 'GET', '/events', basicHeaders(app));
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10']);
    expect(await metrics.text()).toContain('callwire_refused_total{reason="events-refused"} 1');
    control.publish({ callId: 'a' });
    control.publish({ callId: 'b', applicationKey: 'other' });
    control.publish({ callId: 'c' });
    const [text, others] = await Promise.all([until(mine, '"c"'), until(theirs, '"b"')]);
    expect(text).not.toContain('"b"');
    expect(others).not.toContain('"a"');
    await server.close();
    expect(control.watchers).toBe(0);
  });
});
