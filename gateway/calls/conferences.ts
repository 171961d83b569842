import type { SvamlAction } from '../../protocol/svaml/svaml.ts';
import type { EndpointId } from '../media/media-messages.ts';
import type { MediaGroup, MediaPool } from '../media/media-pool.ts';
import type { ConferenceMembership } from './actions/connect-conf.ts';
import type { Call } from './call.ts';

/** A conference room: a mixer on one worker, and the calls that are in it. */
export class Room {
  readonly applicationKey: string;
  readonly conferenceId: string;
  readonly group: MediaGroup;
  readonly mixer: EndpointId;
  /** By callId, in the order in which they came. */
  readonly members = new Map<string, ConferenceMembership>();

  constructor(options: {
    readonly applicationKey: string;
    readonly conferenceId: string;
    readonly group: MediaGroup;
    readonly mixer: EndpointId;
  }) {
    this.applicationKey = options.applicationKey;
    this.conferenceId = options.conferenceId;
    this.group = options.group;
    this.mixer = options.mixer;
    this.group.send({ type: 'openMixer', endpointId: this.mixer });
  }
}

/** Every conference room of this gateway. A room is there while somebody is in it; rooms of different applications have
 *  nothing to do with each other, whatever their names. */
export class Conferences {
  readonly #pool: MediaPool;
  readonly #rooms = new Map<string, Room>();
  #opened = 0;

  constructor(pool: MediaPool) {
    this.#pool = pool;
  }

  get size(): number {
    return this.#rooms.size;
  }

  find(applicationKey: string, conferenceId: string): Room | undefined {
    return this.#rooms.get(keyOf(applicationKey, conferenceId));
  }

  /** The room of that name, opened beside `first` where nobody is in it yet. */
  enter(applicationKey: string, conferenceId: string, first: MediaGroup): Room {
    const found = this.find(applicationKey, conferenceId);
    if (found !== undefined) return found;
    const group = this.#pool.openGroup((event) => {
      // Unasked for: its worker died, and with it the legs of its members, whose calls end by themselves.
      if (event.type === 'mixerClosed') this.#forget(room);
    }, first);
    const mixer = `conference/${this.#opened++}`;
    const room = new Room({ applicationKey, conferenceId, group, mixer });
    this.#rooms.set(keyOf(applicationKey, conferenceId), room);
    return room;
  }

  /** Somebody has left: the last one closes the room. */
  left(room: Room): void {
    if (room.members.size > 0 || !this.#forget(room)) return;
    room.group.send({ type: 'closeMixer', endpointId: room.mixer });
    room.group.release();
  }

  #forget(room: Room): boolean {
    const key = keyOf(room.applicationKey, room.conferenceId);
    return this.#rooms.get(key) === room && this.#rooms.delete(key);
  }
}

/** Where the call's media have to be for this action: beside the room that it leads to, if that is there already. */
export function besideRoom(call: Call, action: SvamlAction | undefined): MediaGroup | undefined {
  if (action?.name !== 'connectConf') return undefined;
  return call.context.conferences.find(call.owner.applicationKey, action.conferenceId)?.group;
}

function keyOf(applicationKey: string, conferenceId: string): string {
  return JSON.stringify([applicationKey, conferenceId]);
}
