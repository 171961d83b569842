import {
  type CallControl,
  CallControlError,
  type CallDescription,
  type ControlEvent,
} from '../../../gateway/calls/call-control.ts';
import type { Callout } from '../../../protocol/svaml/callout.ts';
import type { Svaml } from '../../../protocol/svaml/svaml.ts';

export interface FakeCallControl extends CallControl {
  /** What was asked for, in order. */
  readonly asked: unknown[];
  readonly calls: Map<string, CallDescription>;
  /** Of a room: callIds of who is in it, by `applicationKey conferenceId`. */
  readonly rooms: Map<string, Set<string>>;
  readonly callouts: Callout[];
  readonly modified: Svaml[];
  /** Thrown by the next thing that is asked. */
  failing: Error | undefined;
  publish(event: Partial<ControlEvent>): void;
  readonly watchers: number;
}

export function describeCall(more: Partial<CallDescription> = {}): CallDescription {
  return {
    callId: 'call-1',
    applicationKey: 'app',
    from: '+4670',
    to: { type: 'sip', endpoint: 'sip:bob@127.0.0.1' },
    domain: 'sip',
    duration: 12,
    status: 'ONGOING',
    result: 'N/A',
    reason: 'N/A',
    timestamp: '2026-01-02T03:04:05.678Z',
    custom: undefined,
    ...more,
  };
}

/** Remembers what it was asked for; calls and rooms are as the test sets them. */
export function fakeCallControl(): FakeCallControl {
  const listeners = new Set<(event: ControlEvent) => void>();
  const place = (key: string, id: string) => `${key} ${id}`;
  const failIfAsked = () => {
    const { failing } = control;
    control.failing = undefined;
    if (failing !== undefined) throw failing;
  };
  const control: FakeCallControl = {
    asked: [],
    calls: new Map(),
    rooms: new Map(),
    callouts: [],
    modified: [],
    failing: undefined,
    get watchers() {
      return listeners.size;
    },
    publish: (event) => {
      const whole = {
        type: 'call.started',
        callId: 'call-1',
        applicationKey: 'app',
        timestamp: 't',
        ...event,
      };
      for (const listener of listeners) listener(whole as ControlEvent);
    },
    async callout(applicationKey, callout) {
      failIfAsked();
      control.callouts.push(callout);
      const callId = `call-${control.callouts.length}`;
      control.asked.push(['callout', applicationKey, callout.method]);
      control.calls.set(callId, describeCall({ callId, applicationKey }));
      if (callout.method === 'conferenceCallout') {
        const room = control.rooms.get(place(applicationKey, callout.conferenceId)) ?? new Set();
        control.rooms.set(place(applicationKey, callout.conferenceId), room.add(callId));
      }
      return { callId };
    },
    describe: (callId) => control.calls.get(callId),
    async modify(callId, svaml, leg) {
      failIfAsked();
      control.modified.push(svaml);
      control.asked.push(['modify', callId, leg]);
    },
    hangup: (callId) => control.calls.delete(callId),
    conference(applicationKey, id) {
      const room = control.rooms.get(place(applicationKey, id));
      if (room === undefined) return undefined;
      return {
        participants: [...room].map((callId) => ({
          cli: '+4670',
          id: callId,
          duration: 3,
          muted: false,
          onhold: false,
        })),
      };
    },
    commandMember({ applicationKey, conferenceId, callId }, command, moh) {
      failIfAsked();
      if (!control.rooms.get(place(applicationKey, conferenceId))?.has(callId)) {
        throw new CallControlError('not-found', `no call ${callId} in the room`, 'callId');
      }
      control.asked.push(['command', conferenceId, callId, command, moh]);
    },
    kick(applicationKey, id, callId) {
      const room = control.rooms.get(place(applicationKey, id));
      if (room === undefined) return 0;
      const out = callId === undefined ? [...room] : [...room].filter((member) => member === callId);
      for (const member of out) room.delete(member);
      if (room.size === 0) control.rooms.delete(place(applicationKey, id));
      if (out.length > 0) control.asked.push(['kick', id, ...out]);
      return out.length;
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return control;
}
