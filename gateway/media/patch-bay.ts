import type { AudioSink, AudioSource } from './audio-route.ts';

/** A sink that lets others hear what it plays out, in the moment it does. */
export interface Audible {
  addEar(ear: AudioSink): void;
  removeEar(ear: AudioSink): void;
}

/** Who feeds whom. A sink is fed by one source, a new one replaces it; a sink that has a *home* goes back to that one
 *  when the other is taken away; *shadows* of a sink hear whatever feeds it. */
export class PatchBay {
  readonly #sourceOf = new Map<AudioSink, AudioSource>();
  readonly #homeOf = new Map<AudioSink, AudioSource>();
  readonly #shadowsOf = new Map<AudioSink, readonly AudioSink[]>();
  /** Listeners of sources that feed nobody yet. */
  readonly #waitingFor = new Map<AudioSource, readonly AudioSink[]>();

  route(source: AudioSource, sink: AudioSink): void {
    const previous = this.#sourceOf.get(sink);
    if (previous === source) return;
    if (previous !== undefined) this.#part(previous, sink);
    this.#sourceOf.set(sink, source);
    source.addSink(sink);
    for (const shadow of this.#shadows(sink)) source.addSink(shadow);
    for (const listener of this.#waitingFor.get(source) ?? none) source.addSink(listener);
    this.#waitingFor.delete(source);
  }

  unroute(source: AudioSource, sink: AudioSink): void {
    if (this.#sourceOf.get(sink) !== source) return;
    this.#part(source, sink);
    const home = this.#homeOf.get(sink);
    if (home !== undefined && home !== source) this.route(home, sink);
  }

  /** Feeds the sink from its home now, and whenever nothing else does. */
  house(home: AudioSource, sink: AudioSink): void {
    this.#homeOf.set(sink, home);
    this.route(home, sink);
  }

  /** Without effect where the sink has another home. */
  evict(home: AudioSource, sink: AudioSink): void {
    if (this.#homeOf.get(sink) === home) this.#homeOf.delete(sink);
    this.unroute(home, sink);
  }

  /** Hears what the source says, once somebody else does. The answer ends it. */
  listen(source: AudioSource, listener: AudioSink): () => void {
    if ([...this.#sourceOf.values()].includes(source)) source.addSink(listener);
    else this.#waitingFor.set(source, [...(this.#waitingFor.get(source) ?? none), listener]);
    return () => {
      const others = (this.#waitingFor.get(source) ?? none).filter((other) => other !== listener);
      if (others.length === 0) this.#waitingFor.delete(source);
      else this.#waitingFor.set(source, others);
      source.removeSink(listener);
    };
  }

  /** Hears what the sink hears, from whatever source: where the sink can tell, just as it plays it. The answer ends it. */
  overhear(sink: AudioSink & Partial<Audible>, ear: AudioSink): () => void {
    if (sink.addEar !== undefined) {
      sink.addEar(ear);
      return () => sink.removeEar?.(ear);
    }
    this.#shadowsOf.set(sink, [...this.#shadows(sink), ear]);
    this.#sourceOf.get(sink)?.addSink(ear);
    return () => this.#unshadow(sink, ear);
  }

  /** Takes all plugs out of something that is gone. */
  unplug(unit: Partial<AudioSource & AudioSink>): void {
    this.#homeOf.delete(unit as AudioSink);
    for (const [sink, source] of [...this.#sourceOf]) {
      if (source === unit || sink === unit) this.unroute(source, sink);
    }
    this.#shadowsOf.delete(unit as AudioSink);
    this.#waitingFor.delete(unit as AudioSource);
  }

  #unshadow(sink: AudioSink, shadow: AudioSink): void {
    const others = this.#shadows(sink).filter((other) => other !== shadow);
    if (others.length === this.#shadows(sink).length) return;
    if (others.length === 0) this.#shadowsOf.delete(sink);
    else this.#shadowsOf.set(sink, others);
    this.#sourceOf.get(sink)?.removeSink(shadow);
  }

  #part(source: AudioSource, sink: AudioSink): void {
    this.#sourceOf.delete(sink);
    source.removeSink(sink);
    for (const shadow of this.#shadows(sink)) source.removeSink(shadow);
  }

  #shadows(sink: AudioSink): readonly AudioSink[] {
    return this.#shadowsOf.get(sink) ?? none;
  }
}

const none: readonly AudioSink[] = [];
