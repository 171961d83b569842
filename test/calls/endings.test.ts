import { afterEach, describe, expect, it, vi } from 'vitest';
import { SipLeg } from '../../gateway/calls/sip-leg.ts';
import { StreamLeg } from '../../gateway/calls/stream-leg.ts';
import { CallWorld } from '../support/call-world.ts';

/** How answered calls end, and the races on the way. */
describe('endings of an answered call', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    vi.restoreAllMocks();
    await world?.close();
    world = undefined;
  });

  function lastStream() {
    return world!.server.last;
  }

  it('the phone hangs up: the server is told CALLERHANGUP', async () => {
    world = await CallWorld.open();
    const result = await world.finish(await world.call({ durationMs: 1_000 }));
    expect(result.endedBy).toBe('phone');
    expect(lastStream().closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
    expect(world.said('call ended')).toMatchObject({
      result: 'ANSWERED',
      reason: 'CALLERHANGUP',
      durationSeconds: 1,
    });
  });

  it('the server closes: BYE with a Reason that carries code and text', async () => {
    world = await CallWorld.open();
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    await world.clock.advance(500);
    lastStream().close(4100, 'bot is done');
    const result = await world.finish(call);
    expect(result.endedBy).toBe('farSide');
    expect(result.reasonHeader).toMatch(/cause=16;text=".*4100 bot is done"/);
    expect(world.said('call ended')).toMatchObject({ result: 'ANSWERED', reason: 'CALLEEHANGUP' });
  });

  it('the socket is lost: BYE within a second, and no reconnection', async () => {
    world = await CallWorld.open();
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    const lostMs = world.clock.nowMs();
    lastStream().close(1006);
    const result = await world.finish(call);
    expect(world.clock.nowMs() - lostMs).toBeLessThan(1_000);
    expect(result.reasonHeader).toMatch(/connection lost/);
    expect(world.server.streams).toHaveLength(1);
  });

  it.each([1, 5])('maxDuration of %i s ends it within 100 ms, both sides told why', async (maxDuration) => {
    world = await CallWorld.open({ maxDuration, link: { delayMs: 10 } });
    const result = await world.finish(await world.call());
    expect(Math.abs(result.durationMs - maxDuration * 1_000)).toBeLessThan(100);
    expect(result.reasonHeader).toMatch(/cause=102;text="maxDuration reached"/);
    expect(lastStream().closedWith).toEqual({ code: 4001, reason: 'MAXDURATION' });
  });

  it('media fails in us: BYE, and the server is told ERROR', async () => {
    world = await CallWorld.open({ config: { rtp: { address: '127.0.0.1', ports: [40_000, 40_009] } } });
    const { network } = world;
    const openUdp = network.openUdp.bind(network);
    let broken = false;
    network.openUdp = async (options, receive) => {
      const socket = await openUdp(options, receive);
      if (options.port < 40_000 || options.port > 40_009) return socket;
      const send: typeof socket.send = (...packet) => {
        if (broken) throw new Error('broken');
        socket.send(...packet);
      };
      return { ...socket, send };
    };
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    await world.clock.advance(200);
    broken = true;
    const result = await world.finish(call, 5_000);
    expect(result.endedBy).toBe('farSide');
    expect(result.reasonHeader).toMatch(/cause=41;text="media could not be set up or was lost/);
    expect(lastStream().closedWith).toEqual({ code: 1011, reason: 'ERROR' });
    expect(world.gateway.counts()).toMatchObject({ calls: 0, dialogs: 0 });
  });

  it.each(['phone', 'server'])(
    'a fault while the %s is told of the end leaves the other side told',
    async (side) => {
      world = await CallWorld.open();
      const call = await world.call();
      await world.clock.until(() => world?.said('call answered') !== undefined);
      const fault = () => {
        throw new Error('a fault of ours');
      };
      if (side === 'phone') vi.spyOn(SipLeg.prototype, 'end').mockImplementationOnce(fault);
      else vi.spyOn(StreamLeg.prototype, 'end').mockImplementationOnce(fault);
      world.gateway.hangup([...(await world.gateway.calls())][0]!.callId);
      await world.clock.advance(10_000);
      expect(world.said('internal error while ending')).toBeDefined();
      if (side === 'phone') expect(lastStream().closedWith).toEqual({ code: 1000, reason: 'MANAGERHANGUP' });
      else expect((await call.ended).reasonHeader).toMatch(/ended over the API/);
      expect(world.gateway.activeCalls).toBe(0);
    },
  );

  it('a server from which nothing comes for 60 s: 4002 IDLE', async () => {
    world = await CallWorld.open();
    world.server.connected = (stream) => {
      stream.receivedText = () => stream.send({ command: 'answer' });
    };
    const result = await world.finish(await world.call());
    expect(result.durationMs).toBeGreaterThan(59_500);
    expect(result.durationMs).toBeLessThan(61_500);
    expect(lastStream().closedWith).toEqual({ code: 4002, reason: 'IDLE' });
  });

  it('a heartbeat keeps a silent server connected', async () => {
    world = await CallWorld.open();
    const { clock } = world;
    world.server.connected = (stream) => {
      stream.receivedText = () => {
        stream.send({ command: 'answer' });
        const beat = (): void => {
          stream.send({ command: 'heartbeat' });
          if (stream.end === undefined) clock.after(50_000, beat);
        };
        clock.after(50_000, beat);
      };
    };
    const result = await world.finish(await world.call({ durationMs: 130_000 }), 200_000);
    expect(result.endedBy).toBe('phone');
  });

  it('RTP that stops: 4003 RTPTIMEOUT after rtp.timeout', async () => {
    world = await CallWorld.open({ config: { rtp: { address: '127.0.0.1', ports: [0, 0], timeout: 10 } } });
    const result = await world.finish(await world.call({ trouble: { stopSendingAfterMs: 1_000 } }));
    expect(result.durationMs).toBeGreaterThan(10_500);
    expect(result.durationMs).toBeLessThan(12_500);
    expect(lastStream().closedWith).toEqual({ code: 4003, reason: 'RTPTIMEOUT' });
  });

  it('ended over the API: 1000 MANAGERHANGUP', async () => {
    world = await CallWorld.open();
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    const [live] = await world.gateway.calls();
    expect(live).toMatchObject({
      state: 'answered',
      codec: 'pcmu',
      from: 'phone',
      to: 'bot',
      stream: { sampleRate: 16_000 },
    });
    expect(world.gateway.hangup(live!.callId)).toBe(true);
    await world.finish(call);
    expect(lastStream().closedWith).toEqual({ code: 1000, reason: 'MANAGERHANGUP' });
    expect(world.gateway.hangup(live!.callId)).toBe(false);
  });

  it('drain: new calls get 503, live ones go on to the limit, then BYE and 1001 SHUTDOWN', async () => {
    world = await CallWorld.open();
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    const drained = world.gateway.drain(5_000);
    await world.clock.advance(1_000);
    const late = await world.call();
    await world.clock.advance(1_000);
    expect((await late.ended).status).toBe(503);
    const result = await world.finish(call);
    expect(result.endedBy).toBe('farSide');
    expect(result.reasonHeader).toMatch(/shut down/);
    expect(lastStream().closedWith).toEqual({ code: 1001, reason: 'SHUTDOWN' });
    await world.clock.advance(3_000);
    await drained;
    expect(world.gateway.state).toBe('closed');
  });
});

describe('races', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it('CANCEL crosses the 200: the call ends once, whoever wins', async () => {
    for (let cancelAfterMs = 80; cancelAfterMs <= 140; cancelAfterMs += 5) {
      world = await CallWorld.open({ link: { delayMs: 30 } });
      world.server.delayMs = 10;
      const result = await world.finish(await world.call({ cancelAfterMs, durationMs: 1_000 }));
      expect(['completed', 'cancelled']).toContain(result.outcome);
      expect(world.log.filter((line) => line.msg === 'call ended')).toHaveLength(1);
      await world.clock.advance(40_000);
      expect(world.gateway.counts()).toEqual({
        calls: 0,
        sessions: 0,
        transactions: 0,
        dialogs: 0,
        connections: 0,
      });
      await world.close();
    }
  });

  it('BYE crosses the server closing: the call ends once', async () => {
    world = await CallWorld.open({ link: { delayMs: 30 } });
    const call = await world.call();
    await world.clock.until(() => world?.said('call answered') !== undefined);
    await world.clock.advance(500);
    call.hangUp();
    await world.clock.advance(10);
    world.server.last.close();
    await world.finish(call);
    await world.clock.advance(40_000);
    expect(world.log.filter((line) => line.msg === 'call ended')).toHaveLength(1);
    expect(world.gateway.counts()).toEqual({
      calls: 0,
      sessions: 0,
      transactions: 0,
      dialogs: 0,
      connections: 0,
    });
  });

  it('every ACK lost: 200 repeated, BYE after 32 s, the server told', async () => {
    world = await CallWorld.open({
      link: {
        filter: (datagram) => (Buffer.from(datagram.subarray(0, 4)).toString() === 'ACK ' ? 'drop' : 'pass'),
      },
    });
    const call = await world.call();
    const result = await world.finish(call, 60_000);
    expect(result.endedBy).toBe('farSide');
    expect(result.durationMs).toBeGreaterThan(31_500);
    expect(result.durationMs).toBeLessThan(33_000);
    expect(result.reasonHeader).toMatch(/no ACK/);
    expect(world.server.last.closedWith).toEqual({ code: 1011, reason: 'ERROR' });
  });

  it('one ACK lost: the repeated 200 mends it', async () => {
    let dropped = 0;
    world = await CallWorld.open({
      link: {
        filter: (datagram) => {
          if (Buffer.from(datagram.subarray(0, 4)).toString() !== 'ACK ' || dropped > 0) return 'pass';
          dropped++;
          return 'drop';
        },
      },
    });
    const result = await world.finish(await world.call({ durationMs: 40_000 }));
    expect(dropped).toBe(1);
    expect(result.endedBy).toBe('phone');
  });

  it('20 % of all datagrams lost: calls are set up and end on both sides', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      world = await CallWorld.open({ link: { lossPercent: 20, delayMs: 20, jitterMs: 20, seed } });
      const result = await world.finish(await world.call({ durationMs: 5_000 }));
      expect(result.outcome).toBe('completed');
      await world.clock.advance(40_000);
      expect(world.gateway.counts()).toEqual({
        calls: 0,
        sessions: 0,
        transactions: 0,
        dialogs: 0,
        connections: 0,
      });
      await world.close();
    }
  });
});
