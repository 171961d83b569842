import type { SvamlAction } from '../../protocol/svaml/svaml.ts';
import type { EndpointId, MediaEvent } from '../media/media-messages.ts';
import type { MediaGroup, MediaPool } from '../media/media-pool.ts';
import type { ConferenceMembership } from './actions/connect-conf.ts';
import type { Call } from './call.ts';

/** A conference room: a mixer on one worker, the calls that are in it, and those that are on their way. */
export class Room {
  readonly applicationKey: string;
  readonly conferenceId: string;
  readonly group: MediaGroup;
  readonly mixer: EndpointId;
  /** By callId, in the order in which they came. */
  readonly members = new Map<string, ConferenceMembership>();
  /** Calls whose media were placed here for its sake. */
  readonly expected = new Set<string>();

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

/** Every conference room of this gateway. A room is there while somebody is in it or on the way to it; rooms of different
 *  applications have nothing to do with each other, whatever their names. */
export class Conferences {
  readonly #pool: MediaPool;
  readonly #rooms = new Map<string, Room>();
  #opened = 0;

  constructor(pool: MediaPool) {
    this.#pool = pool;
  }

  /** A room with somebody in it. */
  find(applicationKey: string, conferenceId: string): Room | undefined {
    const room = this.#rooms.get(keyOf(applicationKey, conferenceId));
    return room === undefined || room.members.size === 0 ? undefined : room;
  }

  /** The room of that name; where there is none yet, on the worker of `first`, or else the one with the fewest calls. */
  open(applicationKey: string, conferenceId: string, first?: MediaGroup): Room {
    const key = keyOf(applicationKey, conferenceId);
    const found = this.#rooms.get(key);
    if (found !== undefined) return found;
    const receive = (event: MediaEvent): void => {
      // Unasked for: its worker died, and with it the legs of its members, whose calls end by themselves.
      if (event.type !== 'mixerClosed' || this.#rooms.get(key) !== room) return;
      this.#rooms.delete(key);
      group.release();
    };
    const group = this.#pool.openGroup(receive, ...(first === undefined ? [] : [first]));
    const room = new Room({ applicationKey, conferenceId, group, mixer: `conference/${this.#opened++}` });
    this.#rooms.set(key, room);
    return room;
  }

  /** Somebody has left, or will not come: a room for nobody is closed. */
  left(room: Room): void {
    const key = keyOf(room.applicationKey, room.conferenceId);
    if (room.members.size > 0 || room.expected.size > 0 || this.#rooms.get(key) !== room) return;
    this.#rooms.delete(key);
    room.group.send({ type: 'closeMixer', endpointId: room.mixer });
    room.group.release();
  }
}

/** Where the call's media have to be for this action: beside the room that it leads to. Of several calls on their way to
 *  a new room the first decides. */
export function besideRoom(call: Call, action: SvamlAction | undefined): MediaGroup | undefined {
  if (action?.name !== 'connectConf') return undefined;
  const { conferences } = call.context;
  const room = conferences.open(call.owner.applicationKey, action.conferenceId);
  room.expected.add(call.callId);
  call.releases.push(() => {
    room.expected.delete(call.callId);
    conferences.left(room);
  });
  return room.group;
}

function keyOf(applicationKey: string, conferenceId: string): string {
  return JSON.stringify([applicationKey, conferenceId]);
}
