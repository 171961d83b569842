import type { Behaviour, Fields, RawLine } from './raw-bot.ts';

/** A bot for each rule that breaks it and no other. Made anew for each run, as some remember what happened. */

export interface BrokenBot {
  readonly rule: string;
  readonly how: string;
  behave(): Behaviour;
}

const nothing = (): void => {};

/** Answers, and then does this. */
function afterAnswer(what: (line: RawLine, fields: Fields) => void): () => Behaviour {
  return () => ({
    connect: (line, fields) => {
      line.say({ command: 'answer' });
      what(line, fields);
    },
  });
}

const offers = (fields: Fields, extension: string) => (fields.extensions as string[]).includes(extension);

export const brokenBots: readonly BrokenBot[] = [
  {
    rule: 'R1',
    how: 'a wrong Sec-WebSocket-Accept',
    behave: () => ({ accept: (right) => right.toLowerCase() }),
  },
  { rule: 'R2', how: 'no reply', behave: () => ({ connect: nothing, silent: true }) },
  {
    rule: 'R2',
    how: 'a close for a reply',
    behave: () => ({ connect: (line) => line.close(1000), silent: true }),
  },
  { rule: 'R3', how: 'audio at once', behave: () => ({ upgraded: (line) => line.audio(Buffer.alloc(320)) }) },
  {
    rule: 'R4',
    how: 'an odd byte at the end',
    behave: () => ({ ...afterAnswer((line) => line.audio(Buffer.alloc(321)))(), audio: nothing }),
  },
  {
    rule: 'R5',
    how: 'a prompt of 8000 Hz, whatever the rate',
    behave: () => ({ ...afterAnswer((line) => line.audio(Buffer.alloc(16_000)))(), audio: nothing }),
  },
  {
    rule: 'R6',
    how: 'a close on an unknown event',
    behave: () => ({
      text: (line, { event }) => {
        if (event === 'x-future') line.close(1002);
      },
    }),
  },
  {
    rule: 'R6',
    how: 'no call with unknown fields',
    behave: () => ({
      connect: (line, fields) => line.say({ command: 'media' in fields ? 'reject' : 'answer' }),
    }),
  },
  { rule: 'R7', how: 'no pong', behave: () => ({ ping: nothing }) },
  {
    rule: 'R7',
    how: 'a pong without the payload',
    behave: () => ({ ping: (line) => line.frame(0x8a, Buffer.alloc(0)) }),
  },
  { rule: 'R7', how: 'frames taken for messages', behave: () => ({ framesAreMessages: true }) },
  {
    rule: 'R8',
    how: 'no call at 44100 Hz',
    behave: () => ({
      connect: (line, { sampleRate }) => line.say({ command: sampleRate === 44_100 ? 'reject' : 'answer' }),
    }),
  },
  { rule: 'R9', how: 'no answer to a close', behave: () => ({ close: nothing }) },
  {
    rule: 'R10',
    how: 'a crash on an empty header',
    behave: () => ({
      connect: (line, { callHeaders }) =>
        Object.values(callHeaders as object).includes('')
          ? line.close(1011)
          : line.say({ command: 'answer' }),
    }),
  },
  {
    rule: 'R11',
    how: 'a text of 70,000 bytes',
    behave: afterAnswer((line) => line.say({ command: 'heartbeat', padding: 'x'.repeat(70_000) })),
  },
  { rule: 'R12', how: 'a command of its own', behave: afterAnswer((line) => line.say({ command: 'shout' })) },
  {
    rule: 'R12',
    how: 'text that is no JSON',
    behave: afterAnswer((line) => line.frame(0x81, Buffer.from('hello'))),
  },
  { rule: 'R13', how: 'nothing in a silent call', behave: () => ({ silent: true }) },
  {
    rule: 'R14',
    how: 'masked frames',
    behave: () => ({
      connect: (line) => line.frame(0x81, Buffer.from('{"command":"answer"}'), 0x80),
      silent: true,
    }),
  },
  { rule: 'R14', how: 'a reserved bit', behave: afterAnswer((line) => line.frame(0xc2, Buffer.alloc(2))) },
  {
    rule: 'R14',
    how: 'text that is no UTF-8',
    behave: afterAnswer((line) => line.frame(0x81, Buffer.from([0xff]))),
  },
  {
    rule: 'R15',
    how: 'an extension that nobody offered',
    behave: () => ({ connect: (line) => line.say({ command: 'answer', extensions: ['teleport'] }) }),
  },
  {
    rule: 'R16',
    how: 'a crash on an event that it asked for',
    behave: () => ({
      connect: (line, { extensions }) => line.say({ command: 'answer', extensions }),
      text: (line, { event }) => {
        if (event === 'flow') line.close(1011);
      },
    }),
  },
  {
    rule: 'R17',
    how: 'digits that are none',
    behave: afterAnswer((line, fields) => {
      if (offers(fields, 'dtmf')) line.say({ command: 'dtmf', digits: 'hello' });
    }),
  },
  {
    rule: 'R17',
    how: 'a mark without a name',
    behave: afterAnswer((line, fields) => {
      if (offers(fields, 'mark')) line.say({ command: 'mark' });
    }),
  },
  { rule: 'R18', how: 'a second reply', behave: afterAnswer((line) => line.say({ command: 'busy' })) },
  {
    rule: 'R19',
    how: 'marks that nobody offered',
    behave: afterAnswer((line) => line.say({ command: 'mark', name: 'greeting' })),
  },
  {
    rule: 'R20',
    how: 'no reply while a call is on',
    behave: () => {
      const lines = new Set<RawLine>();
      return {
        connect: (line) => {
          lines.add(line);
          if (lines.size === 1) line.say({ command: 'answer' });
        },
        gone: (line) => lines.delete(line),
      };
    },
  },
  {
    rule: 'R21',
    how: 'no reply ever after a cancelled call',
    behave: () => {
      let hurt = false;
      return {
        connect: (line) => {
          if (!hurt) line.say({ command: 'answer' });
        },
        close: (line, payload) => {
          if (payload.readUInt16BE(0) === 4005) hurt = true;
          line.close(payload.readUInt16BE(0));
        },
      };
    },
  },
  {
    rule: 'R22',
    how: 'six megabytes in a message',
    behave: afterAnswer((line) => line.frame(0x82, Buffer.alloc(64), 0, 6_000_000)),
  },
];
