import { describe, expect, it } from 'vitest';
import { asterisk } from '../../../protocol/stream/asterisk.ts';
import type { StreamEvent } from '../../../protocol/stream/messages.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const plain = () => asterisk.createSession(streamConnect);
const json = () =>
  asterisk.createSession({
    ...streamConnect,
    callHeaders: [{ key: 'control_message_format', value: 'json' }],
  });

describe('a server of chan_websocket', () => {
  it('is told of its media as words', () => {
    const [start] = plain().opening();
    expect(start).toMatch(
      /^MEDIA_START connection_id:[0-9a-f-]{36} channel:WebSocket\/[0-9a-f]{16} channel_id:gw-1\.17 format:slin16 optimal_frame_size:640 ptime:20$/,
    );
  });

  it('is told the same as JSON where that was asked for', () => {
    expect(JSON.parse(json().opening()[0] as string)).toMatchObject({
      event: 'MEDIA_START',
      channel_id: 'gw-1.17',
      format: 'slin16',
      optimal_frame_size: 640,
      ptime: 20,
    });
  });

  it('is not called where the format of its messages is none of the two', () => {
    const callHeaders = [{ key: 'control_message_format', value: 'xml' }];
    expect(() => asterisk.createSession({ ...streamConnect, callHeaders })).toThrow(
      'call header control_message_format must be json or plain-text with dialect asterisk, got "xml"',
    );
  });

  it.each([
    ['ANSWER', []],
    ['HANGUP', [{ command: 'hangup' }]],
    ['START_MEDIA_BUFFERING', []],
    ['STOP_MEDIA_BUFFERING', [{ command: 'mark', name: 'b:' }]],
    ['STOP_MEDIA_BUFFERING part-7', [{ command: 'mark', name: 'b:part-7' }]],
    ['MARK_MEDIA correlation_id:7', [{ command: 'mark', name: 'm:7' }]],
    ['FLUSH_MEDIA', [{ command: 'clear' }]],
    ['PAUSE_MEDIA\n', [{ command: 'pause' }]],
    ['CONTINUE_MEDIA', [{ command: 'continue' }]],
    ['REPORT_QUEUE_DRAINED', [{ command: 'watchDrained' }]],
    ['GET_STATUS', [{ command: 'status' }]],
    ['{"command":"MARK_MEDIA","correlation_id":"7"}', [{ command: 'mark', name: 'm:7' }]],
  ])('may say %j', (text, commands) => {
    expect(plain().receiveText(text)).toEqual(commands);
  });

  it.each([
    ['SET_MEDIA_DIRECTION both', 'unknown-command'],
    ['', 'unknown-command'],
    ['__proto__', 'unknown-command'],
    ['{"command":"constructor"}', 'unknown-command'],
    ['{"command":7}', 'bad-field'],
    ['{', 'bad-json'],
    [`MARK_MEDIA ${'x'.repeat(300)}`, 'bad-field'],
  ])('has %j counted as %s', (text, code) => {
    expect(() => plain().receiveText(text)).toThrow(expect.objectContaining({ code }));
  });

  it.each<[StreamEvent, string | undefined]>([
    [{ event: 'dtmf', digit: '5', durationMs: 100, method: 'info' }, 'DTMF_END channel_id:gw-1.17 digit:5'],
    [{ event: 'flow', state: 'xoff', bufferedMs: 9000 }, 'MEDIA_XOFF channel_id:gw-1.17'],
    [{ event: 'flow', state: 'xon', bufferedMs: 100 }, 'MEDIA_XON channel_id:gw-1.17'],
    [{ event: 'drained', playedMs: 1 }, 'QUEUE_DRAINED channel_id:gw-1.17'],
    [
      { event: 'mark', name: 'm:7', status: 'played', playedMs: 1 },
      'MEDIA_MARK_PROCESSED channel_id:gw-1.17 correlation_id:7',
    ],
    [
      { event: 'mark', name: 'b:', status: 'played', playedMs: 1 },
      'MEDIA_BUFFERING_COMPLETED channel_id:gw-1.17',
    ],
    [{ event: 'mark', name: 'm:7', status: 'cleared', playedMs: 1 }, undefined],
    [{ event: 'hold' }, undefined],
    [
      { event: 'status', state: 'paused', bufferedMs: 90, playedMs: 1, marks: 0 },
      'STATUS channel_id:gw-1.17 queue_length:5 xon_level:800 xoff_level:900 queue_full:false bulk_media:false media_paused:true',
    ],
  ])('hears of %j', (event, message) => {
    expect(plain().tell(event)).toBe(message);
  });
});
