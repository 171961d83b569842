import { describe, expect, it } from 'vitest';
import { vonage } from '../../../protocol/stream/vonage.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const session = () => vonage.createSession(streamConnect);

describe('a Vonage server', () => {
  it('is told the content type and the headers of the application, which cannot take their place', () => {
    const callHeaders = [
      { key: 'customer', value: '4711' },
      { key: 'event', value: 'mine' },
    ];
    const [connected] = vonage.createSession({ ...streamConnect, callHeaders }).opening();
    expect(JSON.parse(connected as string)).toEqual({
      event: 'websocket:connected',
      'content-type': 'audio/l16;rate=16000',
      customer: '4711',
    });
  });

  it.each([44100, 48000, 96000])('cannot be called at %i Hz', (sampleRateHz) => {
    expect(() => vonage.createSession({ ...streamConnect, sampleRateHz })).toThrow(
      `sampleRate must be one of 8000, 16000, 24000 with dialect vonage, got ${sampleRateHz}`,
    );
  });

  it('gets the payload of its notify back once the audio before it was played', () => {
    const stream = session();
    const [mark] = stream.receiveText('{"action":"notify","payload":{"part":[1,2]}}');
    expect(mark).toMatchObject({ command: 'mark' });
    const { name } = mark as { readonly name: string };
    const told = stream.tell({ event: 'mark', name, status: 'played', playedMs: 100 });
    expect(JSON.parse(told as string)).toEqual({ event: 'websocket:notify', payload: { part: [1, 2] } });
    expect(stream.tell({ event: 'mark', name, status: 'played', playedMs: 100 })).toBeUndefined();
  });

  it('is told cleared, and nothing of the notifies before it', () => {
    const stream = session();
    const [mark] = stream.receiveText('{"action":"notify","payload":{}}');
    expect(stream.receiveText('{"action":"clear"}')).toEqual([{ command: 'clear' }]);
    const { name } = mark as { readonly name: string };
    expect(stream.tell({ event: 'mark', name, status: 'cleared', playedMs: 0 })).toBeUndefined();
    expect(JSON.parse(stream.tell({ event: 'cleared', playedMs: 0, droppedMs: 40 }) as string)).toEqual({
      event: 'websocket:cleared',
    });
  });

  it('is told digits with how long they were held', () => {
    const told = session().tell({ event: 'dtmf', digit: '5', durationMs: 260, method: 'rfc4733' });
    expect(JSON.parse(told as string)).toEqual({ event: 'websocket:dtmf', digit: '5', duration: 260 });
  });

  it('may have 1000 notifies waiting, and no more', () => {
    const stream = session();
    const notify = '{"action":"notify","payload":{}}';
    for (let count = 0; count < 1000; count++) stream.receiveText(notify);
    expect(() => stream.receiveText(notify)).toThrow('at most 1000 "notify" may wait');
  });

  it.each([
    ['{"action":"notify"}', 'bad-field'],
    ['{"action":"play"}', 'unknown-command'],
    ['', 'bad-json'],
  ])('counts %j as %s', (text, code) => {
    expect(() => session().receiveText(text)).toThrow(expect.objectContaining({ code }));
  });
});
