import { describe, expect, it } from 'vitest';
import type { AudioSink, AudioSource } from '../../../gateway/media/audio-route.ts';
import { PatchBay } from '../../../gateway/media/patch-bay.ts';

/** Sources that know their sinks, and sinks that are nothing but a name. */
class TestSource implements AudioSource {
  readonly sinks = new Set<AudioSink>();

  addSink(sink: AudioSink): void {
    if (this.sinks.has(sink)) throw new Error('added twice');
    this.sinks.add(sink);
  }

  removeSink(sink: AudioSink): void {
    this.sinks.delete(sink);
  }
}

function createSink(): AudioSink {
  return {
    plug: () => {},
    unplug: () => {},
    play: () => {},
    playBytes: () => {},
    clear: () => {},
    queuedMs: 0,
    droppedMs: 0,
  };
}

function createBay() {
  const [a, b, home] = [new TestSource(), new TestSource(), new TestSource()];
  const [sink, other, ear] = [createSink(), createSink(), createSink()];
  /** Whom `to` is fed by. */
  const feeds = (to: AudioSink) =>
    Object.entries({ a, b, home })
      .filter(([, source]) => source.sinks.has(to))
      .map(([name]) => name)
      .join();
  return { bay: new PatchBay(), a, b, home, sink, other, ear, feeds };
}

describe('the patch bay', () => {
  it('feeds a sink from one source, the last; a source any number of sinks', () => {
    const { bay, a, b, sink, other, feeds } = createBay();
    bay.route(a, sink);
    bay.route(a, sink);
    bay.route(a, other);
    bay.route(b, sink);
    expect([feeds(sink), feeds(other)]).toEqual(['b', 'a']);
    bay.unroute(a, sink);
    expect(feeds(sink)).toBe('b');
    bay.unroute(b, sink);
    expect(feeds(sink)).toBe('');
  });

  it('gives a sink back to its home when the other source is taken away or gone', () => {
    const { bay, a, b, home, sink, feeds } = createBay();
    bay.house(home, sink);
    bay.route(a, sink);
    expect(feeds(sink)).toBe('a');
    bay.unroute(a, sink);
    expect(feeds(sink)).toBe('home');
    bay.route(b, sink);
    bay.unplug(b);
    expect(feeds(sink)).toBe('home');
    bay.route(a, sink);
    bay.house(home, sink);
    expect(feeds(sink)).toBe('home');
    bay.evict(home, sink);
    expect(feeds(sink)).toBe('');
    bay.route(a, sink);
    bay.unroute(a, sink);
    expect(feeds(sink)).toBe('');
  });

  it('lets an ear hear whatever feeds a sink, until it is taken away', () => {
    const { bay, a, b, sink, ear, feeds } = createBay();
    bay.route(a, sink);
    const stop = bay.overhear(sink, ear);
    expect(feeds(ear)).toBe('a');
    bay.route(b, sink);
    expect(feeds(ear)).toBe('b');
    bay.unroute(b, sink);
    expect(feeds(ear)).toBe('');
    bay.route(a, sink);
    stop();
    stop();
    expect([feeds(ear), feeds(sink)]).toEqual(['', 'a']);
  });

  it('asks a sink that can tell what it plays', () => {
    const { bay, a, sink, ear, feeds } = createBay();
    const ears: AudioSink[] = [];
    const audible = {
      ...sink,
      addEar: (added: AudioSink) => ears.push(added),
      removeEar: () => ears.pop(),
    };
    bay.route(a, audible);
    const stop = bay.overhear(audible, ear);
    expect([ears.length, feeds(ear)]).toEqual([1, '']);
    stop();
    expect(ears).toHaveLength(0);
  });

  it('lets a listener wait until somebody else is there, who gets what the source kept', () => {
    const { bay, a, sink, ear, feeds } = createBay();
    const stop = bay.listen(a, ear);
    expect(feeds(ear)).toBe('');
    bay.route(a, sink);
    expect([...a.sinks]).toEqual([sink, ear]);
    stop();
    expect([...a.sinks]).toEqual([sink]);
    bay.unplug(a);
    const late = bay.listen(a, ear);
    late();
    bay.route(a, sink);
    expect(feeds(ear)).toBe('');
  });
});
