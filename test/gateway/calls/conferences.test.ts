import { expect, it } from 'vitest';
import { Conferences } from '../../../gateway/calls/conferences.ts';
import type { MediaCommand, MediaEvent } from '../../../gateway/media/media-messages.ts';
import type { MediaPool } from '../../../gateway/media/media-pool.ts';

function pool() {
  const sent: string[] = [];
  const receivers: ((event: MediaEvent) => void)[] = [];
  const media = {
    openGroup(receive: (event: MediaEvent) => void) {
      receivers.push(receive);
      return {
        worker: receivers.length - 1,
        send: (command: MediaCommand) => sent.push(command.type),
        release: () => sent.push('release'),
      };
    },
  } as unknown as MediaPool;
  return { media, sent, receivers };
}

it('a room is found while somebody is in it, and opened once for all who are on their way', () => {
  const { media, sent } = pool();
  const conferences = new Conferences(media);
  const room = conferences.open('app', 'a');
  room.expected.add('call-1');
  expect(conferences.open('app', 'a')).toBe(room);
  expect(conferences.open('other', 'a')).not.toBe(room);
  expect(conferences.find('app', 'a')).toBeUndefined();
  room.members.set('call-1', {} as never);
  room.expected.delete('call-1');
  expect(conferences.find('app', 'a')).toBe(room);
  conferences.left(room);
  expect(sent).toEqual(['openMixer', 'openMixer']);
  room.members.clear();
  conferences.left(room);
  conferences.left(room);
  expect(sent).toEqual(['openMixer', 'openMixer', 'closeMixer', 'release']);
});

it('whose worker died is another room for the next one who comes', () => {
  const { media, sent, receivers } = pool();
  const conferences = new Conferences(media);
  const room = conferences.open('app', 'a');
  room.members.set('call-1', {} as never);
  receivers[0]!({ type: 'mixerClosed', endpointId: room.mixer });
  expect(conferences.find('app', 'a')).toBeUndefined();
  expect(conferences.open('app', 'a')).not.toBe(room);
  room.members.clear();
  conferences.left(room);
  expect(sent).toEqual(['openMixer', 'release', 'openMixer']);
});

it('names of applications and rooms cannot be made to look like each other', () => {
  const conferences = new Conferences(pool().media);
  expect(conferences.open('a","b', 'c')).not.toBe(conferences.open('a', 'b","c'));
});
