import { describe, expect, it } from 'vitest';
import { telnyx } from '../../../protocol/stream/telnyx.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const session = (sampleRateHz = 16000) => telnyx.createSession({ ...streamConnect, sampleRateHz });
const parsed = (messages: readonly (string | Uint8Array)[] = []) =>
  messages.map((message) => JSON.parse(message as string));

describe('what a Telnyx server is told', () => {
  it('opens with connected and start', () => {
    const [connected, start] = parsed(session().opening());
    expect(connected).toEqual({ event: 'connected', version: '1.0.0' });
    expect(start).toMatchObject({
      event: 'start',
      sequence_number: '1',
      start: {
        call_control_id: expect.stringMatching(/^v3:[0-9a-f]{32}$/),
        from: '+46700000001',
        to: '+46700000002',
        custom_parameters: { customer: '4711' },
        media_format: { encoding: 'L16', sample_rate: 16000, channels: 1 },
      },
      stream_id: expect.stringMatching(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
    });
  });

  it.each([
    [8000, 'mulaw', 'PCMU', '0', '20'],
    [16000, 'pcm16be', 'L16', '0', '5'],
    [24000, 'pcm16be', 'L16', '0', '3'],
  ])('at %i Hz sends %s as %s, timed in ms', (rateHz, encoding, name, first, second) => {
    const stream = session(rateHz);
    expect(stream.encoding).toBe(encoding);
    expect(parsed(stream.opening())[1].start.media_format.encoding).toBe(name);
    const audio = new Uint8Array(160);
    const times = parsed([stream.encodeAudio!(audio), stream.encodeAudio!(audio)]).map(
      ({ media }) => media.timestamp,
    );
    expect(times).toEqual([first, second]);
  });

  it.each([44100, 96000])('cannot carry %i Hz', (rateHz) => {
    expect(() => session(rateHz)).toThrow(`sampleRate must be one of 8000, 16000, 24000, 48000`);
  });

  it.each([
    ['bad-json', 100003],
    ['bad-field', 100004],
    ['odd', 100002],
  ])('tells of %s as error %i', (code, number) => {
    const told = session().tell({ event: 'error', code, message: 'why' });
    expect(JSON.parse(told as string)).toMatchObject({
      event: 'error',
      payload: { code: number, detail: 'why' },
    });
  });

  it('says stop before it closes', () => {
    expect(parsed(session().closing!({ code: 1000, reason: '' }))).toMatchObject([{ event: 'stop' }]);
  });
});

describe('what a Telnyx server says', () => {
  it.each([
    ['{"event":"media","media":{"payload":"AAE="}}', { command: 'audio', bytes: Buffer.from([0, 1]) }],
    ['{"event":"mark","mark":{"name":"end"}}', { command: 'mark', name: 'end' }],
    ['{"event":"clear"}', { command: 'clear' }],
  ])('takes %s', (text, command) => {
    expect(session().receiveText(text)).toEqual([command]);
  });
});
