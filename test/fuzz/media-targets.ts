import { FlacError, FlacReader } from '../../codecs/flac-decoder.ts';
import { buildFlacHeader, FlacEncoder } from '../../codecs/flac-encoder.ts';
import { OggOpusReader } from '../../codecs/ogg-opus.ts';
import { buildOggPage } from '../../codecs/ogg-page.ts';
import { buildWav, parseWav, WavError } from '../../codecs/wav.ts';
import { WavReader } from '../../codecs/wav-stream.ts';
import { sniffAudio } from '../../gateway/audio/audio-sniffer.ts';
import { JitterBuffer } from '../../protocol/rtp/jitter-buffer.ts';
import { RtpHeader, readRtpHeader, writeRtpHeader } from '../../protocol/rtp/packet.ts';
import { Reception } from '../../protocol/rtp/reception.ts';
import { readRtcp } from '../../protocol/rtp/rtcp.ts';
import { createSrtpContext } from '../../protocol/rtp/srtp.ts';
import { type SrtpSuite, srtpSuites } from '../../protocol/rtp/srtp-keys.ts';
import { TelephoneEventReceiver } from '../../protocol/rtp/telephone-event.ts';
import { FrameReceiver } from '../../protocol/stream/frame-receiver.ts';
import { UpgradeAnswer } from '../../protocol/stream/upgrade.ts';
import { bytesOf, type FuzzTarget } from './target.ts';

function rtp(payloadType: number, payload: readonly number[], sequence = 1): Uint8Array {
  const packet = new Uint8Array(12 + payload.length);
  writeRtpHeader(packet, 0, { payloadType, sequence, timestamp: sequence * 160, ssrc: 7, marker: false });
  packet.set(payload, 12);
  return packet;
}

/** Several datagrams in one input: each behind its length in a byte, as the fuzzer knows no more than bytes. */
function* datagrams(input: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < input.length; ) {
    const sizeBytes = input[at]!;
    yield input.subarray(at + 1, at + 1 + sizeBytes);
    at += 1 + sizeBytes;
  }
}

function inOne(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [part.length, ...part]));
}

const extended = Uint8Array.from([
  0xb1, 0, 0, 9, 0, 0, 5, 0, 0, 0, 0, 7, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0, 1, 2, 3, 1,
]);
const compound = Uint8Array.from([
  0x81, 200, 0, 12, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 2, 128, 0, 0, 0, 5, 1,
  0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 3, 4, 0, 1, 0, 0, 0x81, 202, 0, 2, 0, 0, 0, 7, 1, 1, 65, 0, 0x81,
  203, 0, 1, 0, 0, 0, 7,
]);
const extendedReport = Uint8Array.from([
  0x80,
  207,
  0,
  10,
  0,
  0,
  0,
  7,
  7,
  0,
  0,
  8,
  0,
  0,
  0,
  5,
  ...new Array(28).fill(9),
]);

function srtpTarget(suite: SrtpSuite): FuzzTarget {
  const { keyBytes, saltBytes } = srtpSuites[suite];
  const key = {
    suite,
    masterKey: new Uint8Array(keyBytes).fill(3),
    masterSalt: new Uint8Array(saltBytes).fill(5),
  };
  const sender = createSrtpContext(key);
  const protectedRtp = (sequence: number): Uint8Array => {
    const packet = new Uint8Array(80);
    packet.set(rtp(0, [1, 2, 3, 4, 5, 6, 7, 8], sequence));
    return packet.slice(0, sender.protect(packet, 20));
  };
  return {
    name: `srtp-${suite}`,
    seeds: [protectedRtp(1), protectedRtp(2), protectedRtp(65_535), compound],
    run(input) {
      const context = createSrtpContext(key);
      for (const unprotect of ['unprotect', 'unprotectRtcp'] as const) {
        const result = context[unprotect](input.slice(), input.length);
        if (typeof result === 'number' && (result < 0 || result > input.length))
          throw new Error(`gives ${result} bytes`);
      }
    },
  };
}

const frame = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const upgradeKey = 'dGhlIHNhbXBsZSBub25jZQ==';
const accepted = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '',
  '',
].join('\r\n');

function flacOf(channels: 1 | 2, sample: (at: number) => number): Uint8Array {
  const encoder = new FlacEncoder({ channels, sampleRateHz: 16_000 });
  const frames = encoder.push(Int16Array.from({ length: 300 * channels }, (_, at) => sample(at)));
  const header = buildFlacHeader({ sampleRateHz: 16_000, channels });
  return Uint8Array.from(Buffer.concat([header, ...frames, encoder.finish() ?? new Uint8Array(0)]));
}

/** The reader of Ogg Opus refuses with a RangeError that says what it wants. */
function isOfTheFile(error: unknown): boolean {
  if (error instanceof RangeError) return error.message.startsWith('an Ogg Opus file must');
  return error instanceof WavError || error instanceof FlacError;
}

export const mediaTargets: readonly FuzzTarget[] = [
  {
    name: 'rtp',
    seeds: [
      inOne([rtp(0, [1, 2, 3], 1), rtp(0, [4], 2), rtp(0, [5], 4), rtp(0, [6], 3)]),
      inOne([extended, rtp(0, [], 65_535), rtp(0, [1], 0), rtp(101, [5, 10, 0, 160], 1)]),
    ],
    run(input) {
      const header = new RtpHeader();
      const reception = new Reception({ rtpClockRateHz: 8_000 });
      const buffer = new JitterBuffer({ payloadBytesMax: 160 });
      let nowMs = 0;
      for (const datagram of datagrams(input)) {
        nowMs += 11;
        if (!readRtpHeader(datagram, header)) continue;
        if (header.payloadOffset < 12 || header.payloadOffset + header.payloadBytes > datagram.length) {
          throw new Error('the payload lies outside of the datagram');
        }
        const verdict = reception.receive(header, nowMs);
        if (verdict === 'restarted') buffer.flush();
        else if (verdict !== 'accepted') continue;
        buffer.offer(header, datagram, nowMs);
        for (let given = 0; buffer.next(nowMs) !== undefined; given++) {
          if (given > 200) throw new Error('gives more than it has');
        }
        if (buffer.packetsHeld < 0 || reception.packetsLost < 0) throw new Error('counts below zero');
        reception.takeReport();
      }
    },
  },
  {
    name: 'rtcp',
    seeds: [compound, extendedReport, Uint8Array.from([...compound, ...extendedReport])],
    run(input) {
      readRtcp(input, { ssrc: 9, wallMs: 1_700_000_000_000 });
    },
  },
  {
    name: 'telephone-event',
    seeds: [inOne([rtp(101, [5, 10, 0, 160], 1), rtp(101, [5, 10, 1, 64], 2), rtp(101, [5, 0x8a, 2, 0], 3)])],
    run(input) {
      const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8_000 });
      const header = new RtpHeader();
      let nowMs = 0;
      for (const datagram of datagrams(input)) {
        nowMs += 50;
        if (!readRtpHeader(datagram, header)) continue;
        receiver.receive(header, datagram, nowMs);
        for (let digit = receiver.next(nowMs); digit !== undefined; digit = receiver.next(nowMs)) {
          if (!/^[0-9*#A-D]$/.test(digit.digit) || !(digit.durationMs >= 0))
            throw new Error(JSON.stringify(digit));
        }
      }
    },
  },
  ...(Object.keys(srtpSuites) as SrtpSuite[]).map(srtpTarget),
  {
    name: 'websocket-frames',
    seeds: [
      frame(0x81, 5, 72, 101, 108, 108, 111, 0x82, 126, 1, 0, ...new Array(256).fill(1)),
      frame(0x01, 2, 0xc3, 0xa9, 0x89, 1, 7, 0x00, 1, 65, 0x80, 0, 0x88, 4, 3, 0xe8, 111, 107),
      frame(0x02, 127, 0, 0, 0, 0, 0, 0, 1, 0, ...new Array(256).fill(2), 0x80, 1, 9),
    ],
    run(input) {
      const limits = { textBytesMax: 1_000, binaryBytesMax: 5_000 };
      const seen = (pieceBytes: number): string => {
        const told: string[] = [];
        let over = false;
        const tell = (what: string): void => {
          if (over) throw new Error(`tells of ${what} after the last call`);
          told.push(what);
        };
        let binaryBytes = 0;
        const receiver = new FrameReceiver(
          {
            binary: (_bytes, offset, sizeBytes, last) => {
              if (offset < 0 || offset + sizeBytes > input.length + 16) throw new Error('lies outside');
              binaryBytes += sizeBytes;
              if (binaryBytes > limits.binaryBytesMax) throw new Error('more than the limit');
              if (last) tell(`binary ${binaryBytes}`);
              if (last) binaryBytes = 0;
            },
            text: (text) => tell(`text ${Buffer.byteLength(text)}`),
            ping: (payload) => tell(`ping ${payload.length}`),
            pong: (payload) => tell(`pong ${payload.length}`),
            close: (code) => {
              tell(`close ${code}`);
              over = true;
            },
            violation: (code) => {
              if (![1_002, 1_007, 1_009].includes(code)) throw new Error(`violation ${code}`);
              tell(`violation ${code}`);
              over = true;
            },
          },
          limits,
        );
        for (let at = 0; at < input.length; at += pieceBytes) {
          receiver.receive(input, at, Math.min(input.length, at + pieceBytes));
        }
        return told.join();
      };
      const whole = seen(input.length + 1);
      if (whole !== seen(3)) throw new Error(`${whole} at once, ${seen(3)} in pieces`);
    },
  },
  {
    name: 'upgrade',
    seeds: bytesOf(
      accepted,
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${accepted}\x82\x01a`,
      'HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
    ),
    words: bytesOf(
      '\r\n',
      ': ',
      'HTTP/1.1 101 ',
      'HTTP/1.1 100 x\r\n\r\n',
      'Sec-WebSocket-Protocol: x',
      ', ',
      '\0',
    ),
    run(input) {
      const answer = new UpgradeAnswer(upgradeKey);
      for (let at = 0; at < input.length; at += 9) {
        const piece = input.slice(at, at + 9);
        const read = answer.receive(piece, piece.length);
        if (read === undefined) continue;
        if (read.offset < 0 || read.offset > piece.length) throw new Error(`goes on at ${read.offset}`);
        return;
      }
    },
  },
  {
    name: 'audio-files',
    seeds: [
      buildWav({ sampleRateHz: 8_000, channels: 1, pcm: Int16Array.from([1, 2, 3, -4, 5]) }),
      buildWav({ sampleRateHz: 44_100, channels: 2, pcm: new Int16Array(80) }),
      flacOf(1, (at) => 9_000 * Math.sin(at / 9)),
      flacOf(2, (at) => (at * 7_919) % 30_011),
      buildOggPage({
        serial: 1,
        sequence: 0,
        granule: 0,
        first: true,
        packets: [Uint8Array.from([...Buffer.from('OpusHead'), 1, 1, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0])],
      }),
      frame(0xff, 0xfb, 0x90, 0x64, ...new Array(413).fill(0), 0xff, 0xfb, 0x90, 0x64),
    ],
    words: bytesOf(
      'RIFF',
      'WAVE',
      'fmt ',
      'data',
      'fLaC',
      'OggS',
      'OpusHead',
      'OpusTags',
      'ID3',
      '\xff\xf8',
      'RF64',
      'ds64',
    ),
    refuses: isOfTheFile,
    run(input) {
      sniffAudio(input);
      let failed: unknown;
      const tryOut = (read: () => void): void => {
        try {
          read();
        } catch (error) {
          if (!isOfTheFile(error)) failed ??= error;
        }
      };
      tryOut(() => void parseWav(input));
      tryOut(() => {
        const reader = new WavReader();
        for (let at = 0; at < input.length; at += 13) reader.push(input.slice(at, at + 13));
        reader.finish();
      });
      tryOut(() => {
        const reader = new FlacReader();
        for (let at = 0; at < input.length; at += 501)
          for (const _ of reader.push(input.slice(at, at + 501)));
        for (const _ of reader.finish());
      });
      const opusFile = new OggOpusReader();
      tryOut(() => void opusFile.push(input));
      opusFile.close();
      if (failed !== undefined) throw failed;
    },
  },
];
