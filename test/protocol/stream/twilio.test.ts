import { describe, expect, it } from 'vitest';
import { twilio } from '../../../protocol/stream/twilio.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const session = () => twilio.createSession(streamConnect);
const parsed = (messages: readonly (string | Uint8Array)[] = []) =>
  messages.map((message) => JSON.parse(message as string));

describe('what a Twilio server is told', () => {
  it('opens with connected and start, as Media Streams do', () => {
    const [connected, start] = parsed(session().opening());
    expect(connected).toEqual({ event: 'connected', protocol: 'Call', version: '1.0.0' });
    expect(start).toEqual({
      event: 'start',
      sequenceNumber: '1',
      start: {
        accountSid: expect.stringMatching(/^AC[0-9a-f]{32}$/),
        streamSid: expect.stringMatching(/^MZ[0-9a-f]{32}$/),
        callSid: expect.stringMatching(/^CA[0-9a-f]{32}$/),
        tracks: ['inbound'],
        mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
        customParameters: { customer: '4711' },
      },
      streamSid: start.start.streamSid,
    });
  });

  it('names the same call the same way on every connection', () => {
    expect(session().opening()).toEqual(session().opening());
    const other = twilio.createSession({ ...streamConnect, callId: 'gw-1.18' }).opening();
    expect(other).not.toEqual(session().opening());
  });

  it('numbers audio by chunk and by its time in the stream, and all messages in one row', () => {
    const stream = session();
    stream.opening();
    const audio = new Uint8Array(160).fill(0xff);
    const messages = parsed([stream.encodeAudio!(audio), stream.encodeAudio!(audio)]);
    expect(messages.map(({ event, sequenceNumber }) => [event, sequenceNumber])).toEqual([
      ['media', '2'],
      ['media', '3'],
    ]);
    expect(messages.map(({ media }) => [media.track, media.chunk, media.timestamp])).toEqual([
      ['inbound', '1', '0'],
      ['inbound', '2', '20'],
    ]);
    expect(Buffer.from(messages[0].media.payload, 'base64')).toEqual(Buffer.from(audio));
  });

  it.each(['played', 'cleared'] as const)('gives a mark back when its audio was %s', (status) => {
    const told = session().tell({ event: 'mark', name: 'end', status, playedMs: 20 });
    expect(JSON.parse(told as string)).toMatchObject({ event: 'mark', mark: { name: 'end' } });
  });

  it('tells digits', () => {
    const told = session().tell({ event: 'dtmf', digit: '5', durationMs: 100, method: 'rfc4733' });
    expect(JSON.parse(told as string)).toMatchObject({
      event: 'dtmf',
      dtmf: { track: 'inbound_track', digit: '5' },
    });
  });

  it('says stop before it closes as normal', () => {
    const stream = session();
    expect(parsed(stream.closing!({ code: 4001, reason: 'MAXDURATION' }))).toMatchObject([{ event: 'stop' }]);
    expect(stream.closeAs!({ code: 4001, reason: 'MAXDURATION' })).toEqual({ code: 1000, reason: '' });
  });

  it('does not take part where two voices were wanted in one stream', () => {
    expect(() => twilio.createSession({ ...streamConnect, tap: 'both' })).toThrow(/twilio has no stereo/);
  });
});

describe('what a Twilio server says', () => {
  it.each([
    ['{"event":"media","media":{"payload":"//8="}}', { command: 'audio', bytes: Buffer.from([255, 255]) }],
    ['{"event":"mark","mark":{"name":"end"}}', { command: 'mark', name: 'end' }],
    ['{"event":"clear"}', { command: 'clear' }],
  ])('takes %s', (text, command) => {
    expect(session().receiveText(text)).toEqual([command]);
  });

  it.each([
    ['{"event":"media","media":{"payload":"§"}}', 'bad-field'],
    ['{"event":"media"}', 'bad-field'],
    ['{"event":"mark","mark":{"name":""}}', 'bad-field'],
    ['{"event":"clear","streamSid":"MZ0"}', 'bad-field'],
    ['{"event":"stop"}', 'unknown-command'],
    ['{}', 'bad-message'],
    ['[]', 'bad-message'],
    ['clear', 'bad-json'],
  ])('counts %s as %s', (text, code) => {
    expect(() => session().receiveText(text)).toThrow(expect.objectContaining({ code }));
  });
});
