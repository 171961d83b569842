import type { AudioSink, AudioSource } from './audio-route.ts';
import type { MediaCoreOptions } from './media-core.ts';
import type { EndpointId, MediaCommand } from './media-messages.ts';
import { Mixer } from './mixer.ts';
import type { PatchBay } from './patch-bay.ts';
import { Player } from './player.ts';
import { Recorder } from './recorder.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';
import { Tap } from './tap.ts';
import type { TimingWheel, WheelMember } from './timing-wheel.ts';
import type { CallSides, UnitCommand } from './unit-messages.ts';

type Unit = Player | Mixer | Recorder | Tap;
type OpenCommand = Command<'openPlayer' | 'openMixer' | 'openRecorder' | 'openTap'>;
type Command<Type extends UnitCommand['type']> = Extract<UnitCommand, { readonly type: Type }>;

const frameMs = 20;

const unitCommands: Readonly<Record<UnitCommand['type'], true>> = {
  route: true,
  unroute: true,
  openPlayer: true,
  playAudio: true,
  stopPlayer: true,
  closePlayer: true,
  openMixer: true,
  joinMixer: true,
  setMixerMember: true,
  leaveMixer: true,
  closeMixer: true,
  openRecorder: true,
  pauseRecorder: true,
  resumeRecorder: true,
  closeRecorder: true,
  openTap: true,
  closeTap: true,
};

export function isUnitCommand(command: MediaCommand): command is UnitCommand {
  return command.type in unitCommands;
}

/** Players, conference rooms, recorders and taps of one media worker, and the routes between all that is there. */
export class UnitDesk {
  readonly #options: MediaCoreOptions;
  readonly #wheel: TimingWheel;
  readonly #bay: PatchBay;
  readonly #fail: (endpointId: EndpointId, error: unknown) => void;
  readonly #endpoint: (endpointId: EndpointId) => (AudioSource & AudioSink) | undefined;
  readonly #units = new Map<EndpointId, Unit>();
  /** What recorders and taps hear; each entry undoes one. */
  readonly #listening = new Map<Unit, readonly (() => void)[]>();

  constructor(
    options: MediaCoreOptions,
    parts: {
      readonly wheel: TimingWheel;
      readonly bay: PatchBay;
      /** Ends what something in us threw at. */
      readonly fail: (endpointId: EndpointId, error: unknown) => void;
      /** A phone or a stream. */
      readonly endpoint: (endpointId: EndpointId) => (AudioSource & AudioSink) | undefined;
    },
  ) {
    this.#options = options;
    this.#wheel = parts.wheel;
    this.#bay = parts.bay;
    this.#fail = parts.fail;
    this.#endpoint = parts.endpoint;
  }

  get size(): number {
    return this.#units.size;
  }

  idOf(member: WheelMember): EndpointId | undefined {
    for (const unit of this.#units.values()) if (unit === member) return unit.endpointId;
    return undefined;
  }

  obey(command: UnitCommand, nowMs: number): void {
    switch (command.type) {
      case 'route':
      case 'unroute':
        return this.#route(command);
      case 'openPlayer':
      case 'openMixer':
      case 'openRecorder':
      case 'openTap':
        return this.#open(command, nowMs);
      case 'playAudio':
        return this.#player(command.endpointId)?.push(command.samples, command.last, nowMs);
      case 'stopPlayer':
        return this.#player(command.endpointId)?.stop(nowMs);
      case 'joinMixer':
        return this.#join(command, nowMs);
      case 'setMixerMember':
        return this.#setMember(command);
      case 'leaveMixer':
        return this.#leave(this.#mixer(command.mixer), command.member);
      case 'pauseRecorder':
        return this.#recorder(command.endpointId)?.pause(nowMs);
      case 'resumeRecorder':
        return this.#recorder(command.endpointId)?.resume(nowMs);
      case 'closePlayer':
      case 'closeMixer':
      case 'closeRecorder':
      case 'closeTap':
        return this.close(command.endpointId);
    }
  }

  #route({ type, source: sourceId, sink: sinkId }: Command<'route' | 'unroute'>): void {
    const source = this.#source(sourceId);
    const sink = this.#endpoint(sinkId);
    if (source === undefined || sink === undefined) return;
    if (type === 'route') this.#bay.route(source, sink);
    else this.#bay.unroute(source, sink);
  }

  // ---- Opening and closing -----------------------------------------------------------------------------------

  #open(command: OpenCommand, nowMs: number): void {
    const { endpointId } = command;
    try {
      this.#units.set(endpointId, this.#create(command, nowMs));
    } catch (error) {
      this.#sayClosed(command.type, endpointId);
      throw error;
    }
  }

  #create(command: OpenCommand, nowMs: number): Unit {
    const { emit } = this.#options;
    switch (command.type) {
      case 'openPlayer':
        return new Player({ ...command, wheel: this.#wheel, emit });
      case 'openMixer':
        return new Mixer({ ...command, wheel: this.#wheel, failed: this.#fail });
      case 'openRecorder': {
        const recorder = new Recorder({ ...command, nowMs, emit });
        this.#listen(recorder, command);
        this.#wheel.add(recorder, frameMs, nowMs);
        return recorder;
      }
      case 'openTap': {
        const tap = new Tap({ ...command, nowMs });
        this.#listen(tap, command);
        const sink = this.#endpoint(command.sink);
        if (sink !== undefined) this.#bay.route(tap, sink);
        this.#wheel.add(tap, frameMs, nowMs);
        return tap;
      }
    }
  }

  /** Idempotent. */
  close(endpointId: EndpointId): void {
    const unit = this.#units.get(endpointId);
    if (unit === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    this.#units.delete(endpointId);
    this.#wheel.remove(unit);
    for (const undo of this.#listening.get(unit) ?? []) undo();
    this.#listening.delete(unit);
    if (unit instanceof Mixer) {
      for (const { member } of unit.seats) this.#leave(unit, member);
      this.#sayClosed('openMixer', endpointId);
    } else if (unit instanceof Recorder) {
      unit.pause(nowMs);
      this.#sayClosed('openRecorder', endpointId, unit.durationMs);
    } else {
      if (unit instanceof Player) unit.stop(nowMs);
      this.forget(endpointId);
      this.#bay.unplug(unit);
      this.#sayClosed(unit instanceof Player ? 'openPlayer' : 'openTap', endpointId);
    }
  }

  closeAll(): void {
    for (const endpointId of [...this.#units.keys()]) this.close(endpointId);
  }

  #sayClosed(opened: OpenCommand['type'], endpointId: EndpointId, durationMs = 0): void {
    const { emit } = this.#options;
    if (opened === 'openPlayer') emit({ type: 'playerClosed', endpointId });
    else if (opened === 'openMixer') emit({ type: 'mixerClosed', endpointId });
    else if (opened === 'openRecorder') emit({ type: 'recorderClosed', endpointId, durationMs });
    else emit({ type: 'tapClosed', endpointId });
  }

  #listen(unit: Recorder | Tap, { left: leftId, right: rightId }: CallSides): void {
    const left = this.#endpoint(leftId);
    const { tracks } = unit;
    const undo: (() => void)[] = [];
    if (left !== undefined) undo.push(this.#hear(left, tracks.left));
    if (rightId !== undefined) {
      const right = this.#endpoint(rightId);
      if (right !== undefined) undo.push(this.#hear(right, tracks.right));
    } else if (left !== undefined) {
      undo.push(this.#bay.overhear(left, tracks.right));
    }
    this.#listening.set(unit, undo);
  }

  /** A stream keeps what it says until somebody is there to play it, who must not be us. */
  #hear(source: AudioSource, track: AudioSink): () => void {
    if (!(source instanceof RtpEndpoint)) return this.#bay.listen(source, track);
    source.addSink(track);
    return () => source.removeSink(track);
  }

  // ---- Conferences -------------------------------------------------------------------------------------------

  #join({ mixer: mixerId, member, sampleRateHz, mode }: Command<'joinMixer'>, nowMs: number): void {
    const mixer = this.#mixer(mixerId);
    if (mixer === undefined || this.#source(member) === undefined) return;
    if (mixer.seatOf(member) === undefined) {
      this.forget(member);
      mixer.add(member, { sampleRateHz, mode }, nowMs);
    }
    this.#setMember({ type: 'setMixerMember', mixer: mixerId, member, mode });
  }

  #setMember({ mixer, member, mode }: Command<'setMixerMember'>): void {
    const seat = this.#mixer(mixer)?.seatOf(member);
    const source = this.#source(member);
    if (seat === undefined || source === undefined) return;
    seat.mode = mode;
    this.#bay.route(source, seat);
    const sink = this.#endpoint(member);
    if (sink === undefined) return;
    if (mode.hears) this.#bay.house(seat, sink);
    else this.#bay.evict(seat, sink);
  }

  #leave(mixer: Mixer | undefined, member: EndpointId): void {
    const seat = mixer?.seatOf(member);
    if (mixer === undefined || seat === undefined) return;
    const sink = this.#endpoint(member);
    if (sink !== undefined) this.#bay.evict(seat, sink);
    this.#bay.unplug(seat);
    mixer.remove(seat);
  }

  /** Out of every conference. */
  forget(member: EndpointId): void {
    for (const unit of this.#units.values()) if (unit instanceof Mixer) this.#leave(unit, member);
  }

  // ---- What there is -----------------------------------------------------------------------------------------

  #source(endpointId: EndpointId): AudioSource | undefined {
    const unit = this.#units.get(endpointId);
    return unit instanceof Player || unit instanceof Tap ? unit : this.#endpoint(endpointId);
  }

  #player(endpointId: EndpointId): Player | undefined {
    const unit = this.#units.get(endpointId);
    return unit instanceof Player ? unit : undefined;
  }

  #mixer(endpointId: EndpointId): Mixer | undefined {
    const unit = this.#units.get(endpointId);
    return unit instanceof Mixer ? unit : undefined;
  }

  #recorder(endpointId: EndpointId): Recorder | undefined {
    const unit = this.#units.get(endpointId);
    return unit instanceof Recorder ? unit : undefined;
  }
}
