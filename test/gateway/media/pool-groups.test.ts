import { describe, expect, it } from 'vitest';
import type { MediaCommand, MediaEvent } from '../../../gateway/media/media-messages.ts';
import { noTotals } from '../../../gateway/media/media-totals.ts';
import { PoolGroups } from '../../../gateway/media/pool-groups.ts';

interface Posted {
  readonly worker: number;
  readonly command: MediaCommand;
}

function groupsOf(workers: number) {
  const posted: Posted[] = [];
  const groups = new PoolGroups(workers, (worker, command) => posted.push({ worker, command }));
  return { groups, posted };
}

/** The answer to the last report that `worker` was asked for. */
function answer(posted: readonly Posted[], worker: number, rtpPacketsSent: number): MediaEvent {
  const asked = posted.findLast(
    ({ worker: other, command }) => other === worker && command.type === 'report',
  );
  const { requestId } = asked!.command as Extract<MediaCommand, { type: 'report' }>;
  const counted = {
    endpoints: 0,
    latenessMsBounds: [],
    latenessMsBuckets: [0],
    latenessMsSum: 0,
    framesSkipped: 0,
    portsInUse: 0,
    ...noTotals(),
  };
  return { type: 'report', requestId, rtp: {}, streams: {}, worker: { ...counted, rtpPacketsSent } };
}

describe('a report', () => {
  it('does not wait for ever for a worker that hangs: it has what that one said last', async () => {
    const { groups, posted } = groupsOf(2);
    const first = groups.report();
    groups.receive(0, answer(posted, 0, 10));
    groups.receive(1, answer(posted, 1, 20));
    expect((await first).workers.map((worker) => worker.rtpPacketsSent)).toEqual([10, 20]);

    const limits: (() => boolean)[] = [];
    const second = groups.report((_worker, giveUp) => limits.push(giveUp));
    groups.receive(0, answer(posted, 0, 11));
    expect(limits.map((giveUp) => giveUp())).toEqual([false, true]);
    expect((await second).workers.map((worker) => worker.rtpPacketsSent)).toEqual([11, 20]);

    groups.receive(1, answer(posted, 1, 25));
    expect(limits.map((giveUp) => giveUp())).toEqual([false, false]);
  });
});

describe('a worker that died', () => {
  it('gets no calls until another is in its place, though it has the fewest', () => {
    const { groups } = groupsOf(2);
    const place = () => groups.open(() => {}).worker;
    expect([place(), place(), place()]).toEqual([0, 1, 0]);
    groups.lose(1);
    expect([place(), place()]).toEqual([0, 0]);
    groups.back(1);
    expect([place(), place()]).toEqual([1, 1]);
  });

  it('is better than none where all died', () => {
    const { groups } = groupsOf(1);
    groups.lose(0);
    expect(groups.open(() => {}).worker).toBe(0);
  });

  it('counts nothing', async () => {
    const { groups, posted } = groupsOf(1);
    const before = groups.report();
    groups.receive(0, answer(posted, 0, 10));
    await before;
    const after = groups.report();
    groups.lose(0);
    expect((await after).workers[0]?.rtpPacketsSent).toBe(0);
  });
});

describe('workers that run late', () => {
  const load = (overloaded: boolean) => ({ type: 'load', overloaded }) as const;
  const placed = (groups: PoolGroups) => {
    const group = groups.open(() => {});
    group.release();
    return group.worker;
  };

  it('get no new calls while another is in time; where all are late there is no room', () => {
    const groups = new PoolGroups(2, () => {});
    groups.receive(0, load(true));
    expect([groups.overloaded, placed(groups)]).toEqual([false, 1]);
    groups.receive(1, load(true));
    expect(groups.overloaded).toBe(true);
    groups.receive(0, load(false));
    expect([groups.overloaded, placed(groups)]).toEqual([false, 0]);
  });

  it('leave no room beside one that died, and begin anew when they die themselves', () => {
    const groups = new PoolGroups(2, () => {});
    groups.lose(0);
    expect(groups.overloaded).toBe(false);
    groups.receive(1, load(true));
    expect(groups.overloaded).toBe(true);
    groups.lose(1);
    groups.back(1);
    expect(groups.overloaded).toBe(false);
  });
});

describe('players, conference rooms, recorders and taps', () => {
  const opens: readonly MediaCommand[] = [
    { type: 'openPlayer', endpointId: 'player', sampleRateHz: 8000 },
    { type: 'openMixer', endpointId: 'mixer' },
    { type: 'openRecorder', endpointId: 'recorder', left: 'a', layout: 'stereo', sampleRateHz: 8000 },
    { type: 'openTap', endpointId: 'tap', left: 'a', sink: 'b', hears: 'left', sampleRateHz: 8000 },
  ];

  function openAll() {
    const { groups, posted } = groupsOf(1);
    const events: MediaEvent[] = [];
    const group = groups.open((event) => events.push(event));
    for (const command of opens) group.send(command);
    return { groups, posted, events, group };
  }

  it('are reported closed when their worker dies, each once', () => {
    const { groups, events } = openAll();
    expect(groups.endpoints).toBe(4);
    groups.lose(0);
    groups.lose(0);
    expect(events.map((event) => [event.type, 'endpointId' in event && event.endpointId])).toEqual([
      ['playerDone', 'player'],
      ['playerClosed', 'player'],
      ['mixerClosed', 'mixer'],
      ['recorderClosed', 'recorder'],
      ['tapClosed', 'tap'],
    ]);
    expect(groups.endpoints).toBe(0);
  });

  it('are closed with their group, except those that are closed already', () => {
    const { groups, posted, group } = openAll();
    groups.receive(0, { type: 'mixerClosed', endpointId: 'mixer' });
    group.release();
    expect(posted.slice(4).map(({ command }) => command)).toEqual([
      { type: 'closePlayer', endpointId: 'player' },
      { type: 'closeRecorder', endpointId: 'recorder' },
      { type: 'closeTap', endpointId: 'tap' },
    ]);
  });

  it('have a place beside another group, on whichever worker that is', () => {
    const { groups } = groupsOf(3);
    const places = Array.from({ length: 5 }, () => groups.open(() => {}));
    for (const place of places) expect(groups.open(() => {}, place).worker).toBe(place.worker);
  });
});
