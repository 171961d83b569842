import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { audiosocket } from '../../../protocol/stream/audiosocket.ts';
import type { StreamCommand } from '../../../protocol/stream/messages.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const session = (sampleRateHz = 8000) => audiosocket.createSession({ ...streamConnect, sampleRateHz });
const packet = (kind: number, ...payload: number[]) =>
  Uint8Array.of(kind, payload.length >> 8, payload.length & 255, ...payload);
const read = (bytes: Uint8Array) => session().receiveBinary!(bytes, 0, bytes.length, true);

describe('an AudioSocket server', () => {
  it('is told the UUID that it waits for', () => {
    const callHeaders = [{ key: 'uuid', value: '40325ec2-5efd-4bd3-805f-53576e581d13' }];
    const [first] = audiosocket.createSession({ ...streamConnect, callHeaders }).opening();
    expect(Buffer.from(first as Uint8Array).toString('hex')).toBe('01001040325ec25efd4bd3805f53576e581d13');
  });

  it('is told one of ours where none was given', () => {
    const [first] = session().opening();
    expect(first).toHaveLength(19);
    expect(session().opening()).toEqual([first]);
  });

  it('is not called with a UUID that is none', () => {
    const callHeaders = [{ key: 'uuid', value: '17' }];
    expect(() => audiosocket.createSession({ ...streamConnect, callHeaders })).toThrow(
      'call header uuid must be a UUID with dialect audiosocket, got "17"',
    );
  });

  it.each([
    [8000, 0x10],
    [16000, 0x12],
    [24000, 0x13],
    [44100, 0x15],
    [48000, 0x16],
    [96000, 0x17],
  ])('gets audio of %i Hz as kind 0x%s', (rateHz, kind) => {
    const payload = new Uint8Array(640).fill(7);
    expect(session(rateHz).encodeAudio!(payload)).toEqual(Uint8Array.of(kind, 2, 128, ...payload));
  });

  it.each([
    [packet(0x10, 1, 0, 2, 0), [{ command: 'audio', bytes: Uint8Array.of(1, 0, 2, 0) }]],
    [packet(0x12, 1, 0), [{ command: 'audio', bytes: Uint8Array.of(1, 0), sampleRateHz: 16000 }]],
    [packet(0x03, 0x35), [{ command: 'dtmf', digits: '5' }]],
    [packet(0x00), [{ command: 'hangup' }]],
    [packet(0xff, 4), [{ command: 'hangup', reason: 'error 4' }]],
    [packet(0xff), [{ command: 'hangup', reason: 'error' }]],
    [packet(0x01, ...new Array(16).fill(1)), []],
    [packet(0x10), []],
  ])('may send %j', (bytes, commands) => {
    expect(read(bytes)).toEqual(commands);
  });

  it.each([
    [packet(0x42, 1), 'no packet is of kind 0x42'],
    [packet(0x03, 1, 2), 'a digit must have 1 byte, got 2'],
    [packet(0x03, 0x7a), 'a digit must be of 0-9 * # A-D'],
  ])('has %j refused', (bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
  });

  it('is understood however its bytes are cut', () => {
    const packets = [packet(0x10, 1, 2, 3, 4, 5, 6), packet(0x03, 0x31), packet(0xff, 1), packet(0x10, 7, 8)];
    const whole = Uint8Array.from(packets.flatMap((bytes) => [...bytes]));
    const audioOf = (commands: readonly StreamCommand[]) =>
      commands.flatMap((command) => (command.command === 'audio' ? [...command.bytes] : []));
    const othersOf = (commands: readonly StreamCommand[]) =>
      commands.filter(({ command }) => command !== 'audio');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: whole.length })), (cuts) => {
        const stream = session();
        const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), whole.length];
        const commands = edges
          .slice(1)
          .flatMap((end, index) =>
            stream.receiveBinary!(whole, edges[index]!, end - edges[index]!, true).map((command) =>
              command.command === 'audio' ? { ...command, bytes: command.bytes.slice() } : command,
            ),
          );
        expect(audioOf(commands)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        expect(othersOf(commands)).toEqual([
          { command: 'dtmf', digits: '1' },
          { command: 'hangup', reason: 'error 1' },
        ]);
      }),
      { numRuns: 200 },
    );
  });

  it('survives any bytes with nothing but a protocol error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
