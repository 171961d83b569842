import { type Clock, systemClock } from '../clock.ts';
import { createTonePlayer } from '../phone/phone-audio.ts';
import { convertRate } from '../phone/rate-conversion.ts';
import { loadWav, type Recording, WavFile } from '../phone/wav-file.ts';
import type { BotKind } from './bot-kinds.ts';
import { PacedSender } from './paced-sender.ts';

/** What each kind of bot does with the audio of a call that it answered. */

/** 16-bit little-endian PCM both ways; `receive` owns its bytes until it returns. */
export interface BotAudio {
  receive(pcm: Buffer): void;
  close(): void;
}

export interface BotLine {
  readonly sampleRateHz: number;
  send(pcm: Uint8Array): void;
  hangUp(): void;
}

export interface BotAudioOptions {
  readonly kind: BotKind;
  readonly file?: string;
  readonly toneHz?: number;
  readonly clock?: Clock;
}

const frameMs = 20;
const leadMs = 100;
/** Time for the last of a recording to be heard before the line is cut. */
const farewellMs = 500;
/** Loud, and far from clipping. */
const toneLevelDbfs = -12;

/** Reads `file` once for all calls. Rejects where it cannot be read or is no WAV. */
export async function createBotAudio(options: BotAudioOptions): Promise<(line: BotLine) => BotAudio> {
  const { kind, toneHz = 1_000, clock = systemClock } = options;
  switch (kind) {
    case 'echo':
      return (line) => ({ receive: (pcm) => line.send(pcm), close: ignore });
    case 'tone':
      return (line) => playTone(line, toneHz, clock);
    case 'play': {
      const recording = await loadWav(requireFile(options));
      return (line) => playRecording(line, recording, clock);
    }
    case 'record': {
      const file = requireFile(options);
      let calls = 0;
      return (line) => record(line, numberedFile(file, ++calls));
    }
  }
}

function playTone(line: BotLine, frequencyHz: number, clock: Clock): BotAudio {
  const { sampleRateHz } = line;
  const source = createTonePlayer({ frequencyHz, levelDbfs: toneLevelDbfs, sampleRateHz });
  const frame = new Int16Array((sampleRateHz * frameMs) / 1_000);
  const sender = new PacedSender({
    clock,
    frameMs,
    leadMs,
    sendFrame: () => {
      source.fill(frame);
      line.send(toBytes(frame));
      return true;
    },
  });
  return { receive: ignore, close: () => sender.stop() };
}

function playRecording(line: BotLine, recording: Recording, clock: Clock): BotAudio {
  const pcm = convertRate(recording.pcm, recording.sampleRateHz, line.sampleRateHz);
  const frameSamples = (line.sampleRateHz * frameMs) / 1_000;
  let position = 0;
  let hangUp = { cancel: ignore };
  const sender = new PacedSender({
    clock,
    frameMs,
    leadMs,
    sendFrame: () => {
      if (position >= pcm.length) {
        hangUp = clock.after(leadMs + farewellMs, () => line.hangUp());
        return false;
      }
      line.send(toBytes(pcm.subarray(position, position + frameSamples)));
      position += frameSamples;
      return true;
    },
  });
  return {
    receive: ignore,
    close: () => {
      sender.stop();
      hangUp.cancel();
    },
  };
}

function record(line: BotLine, file: string): BotAudio {
  const wav = new WavFile(file, line.sampleRateHz);
  return { receive: (pcm) => wav.append(pcm), close: () => wav.close() };
}

/** A copy, as the socket may hold it until the next turn. */
function toBytes(pcm: Int16Array): Uint8Array {
  return new Uint8Array(pcm.slice().buffer);
}

/** `heard.wav`, `heard-2.wav`, … */
function numberedFile(file: string, call: number): string {
  return call === 1 ? file : file.replace(/(\.[^./\\]*)?$/, `-${call}$1`);
}

function requireFile({ kind, file }: BotAudioOptions): string {
  if (file === undefined) throw new RangeError(`a bot that ${kind}s needs a file`);
  return file;
}

function ignore(): void {}
