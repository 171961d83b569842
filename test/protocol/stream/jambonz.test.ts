import { describe, expect, it } from 'vitest';
import { jambonz } from '../../../protocol/stream/jambonz.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const session = () => jambonz.createSession(streamConnect);
const raw = Buffer.from([1, 0, 2, 0]);

function wave(rateHz: number, { channels = 1, bits = 16, extra = 0 } = {}): string {
  const bytes = Buffer.alloc(44 + extra + raw.length);
  bytes.write('RIFF', 0);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(rateHz, 24);
  bytes.writeUInt16LE(bits, 34);
  if (extra > 0) {
    bytes.write('LIST', 36);
    bytes.writeUInt32LE(extra - 8, 40);
  }
  bytes.write('data', 36 + extra);
  bytes.writeUInt32LE(raw.length, 40 + extra);
  raw.copy(bytes, 44 + extra);
  return bytes.toString('base64');
}

const playAudio = (data: object) => JSON.stringify({ type: 'playAudio', data });

describe('a server of the listen verb', () => {
  it('is told about the call, with the metadata on top', () => {
    const [told] = session().opening();
    expect(JSON.parse(told as string)).toMatchObject({
      sampleRate: 16000,
      mixType: 'mono',
      callSid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      direction: 'inbound',
      from: '+46700000001',
      to: '+46700000002',
      callStatus: 'in-progress',
      customer: '4711',
    });
  });

  it.each([
    ['{"type":"killAudio"}', [{ command: 'clear' }]],
    ['{"type":"disconnect"}', [{ command: 'hangup' }]],
    ['{"type":"clearMarks"}', [{ command: 'clearMarks' }]],
    ['{"type":"mark","data":{"name":"a"}}', [{ command: 'mark', name: 'm:a' }]],
  ])('may say %s', (text, commands) => {
    expect(session().receiveText(text)).toEqual(commands);
  });

  it('plays a piece in place of what plays, and hears when it is done', () => {
    const stream = session();
    const text = playAudio({ audioContent: raw.toString('base64'), sampleRate: '8000', id: 'a' });
    expect(stream.receiveText(text)).toEqual([
      { command: 'clear' },
      { command: 'audio', bytes: raw, sampleRateHz: 8000 },
      { command: 'mark', name: 'p:a' },
    ]);
    const told = stream.tell({ event: 'mark', name: 'p:a', status: 'played', playedMs: 1 });
    expect(JSON.parse(told as string)).toEqual({ type: 'playDone', data: { id: 'a' } });
  });

  it.each([{}, { extra: 26 }])('plays a WAV file at its own rate, after what is queued %j', (form) => {
    const audioContent = wave(24000, form);
    const data = { audioContent, audioContentType: 'wav', queuePlay: true };
    expect(session().receiveText(playAudio(data))).toEqual([
      { command: 'audio', bytes: raw, sampleRateHz: 24000 },
    ]);
  });

  it.each([
    [{ audioContent: '§' }, 'base64'],
    [{ audioContent: '', audioContentType: 'mp3' }, 'raw or wav'],
    [{ audioContent: '', sampleRate: 11025 }, 'one of 8000'],
    [{ audioContent: 'AAAA', audioContentType: 'wav' }, 'no RIFF header'],
    [{ audioContent: wave(8000, { channels: 2 }), audioContentType: 'wav' }, '2 channels of 16 bits'],
    [{ audioContent: wave(8000, { bits: 8 }), audioContentType: 'wav' }, '1 channels of 8 bits'],
    [{ audioContent: wave(11025), audioContentType: 'wav' }, 'got 11025'],
  ])('is told what is wrong with %j', (data, message) => {
    expect(() => session().receiveText(playAudio(data))).toThrow(message);
  });

  it.each([
    ['played', 'playout'],
    ['cleared', 'cleared'],
  ] as const)('hears that a mark was %s', (status, event) => {
    const told = session().tell({ event: 'mark', name: 'm:a', status, playedMs: 1 });
    expect(JSON.parse(told as string)).toEqual({ type: 'mark', data: { name: 'a', event } });
  });

  it('hears digits', () => {
    const told = session().tell({ event: 'dtmf', digit: '2', durationMs: 199.6, method: 'rfc4733' });
    expect(JSON.parse(told as string)).toEqual({ event: 'dtmf', dtmf: '2', duration: '200' });
  });
});
