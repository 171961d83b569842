import { type Clock, systemClock } from '../clock.ts';
import { createTonePlayer } from '../phone/phone-audio.ts';
import { convertRate } from '../phone/rate-conversion.ts';
import { loadWav, type Recording, WavFile } from '../phone/wav-file.ts';
import type { BotCall } from './bot-call.ts';
import type { BotKind } from './bot-kinds.ts';

/** What each kind of sample bot does with a call: answers it, and more. */

export interface BotAudioOptions {
  readonly kind: BotKind;
  readonly file?: string;
  readonly toneHz?: number;
  readonly clock?: Clock;
}

const frameMs = 20;
/** Time for the last of a recording to reach the phone before the line is cut. */
const farewellMs = 500;
/** Loud, and far from clipping. */
const toneLevelDbfs = -12;

/** Reads `file` once for all calls. Rejects where it cannot be read or is no WAV. */
export async function createBotAudio(options: BotAudioOptions): Promise<(call: BotCall) => unknown> {
  const { kind, toneHz = 1_000, clock = systemClock } = options;
  switch (kind) {
    case 'echo':
      return (call) => {
        call.on('audio', (pcm) => call.play(pcm)).answer();
      };
    case 'tone':
      return (call) => {
        call.answer();
        void call.play(toneFrames(toneHz, call.sampleRate));
      };
    case 'play': {
      const recording = await loadWav(requireFile(options));
      return (call) => playRecording(call, recording, clock);
    }
    case 'record': {
      const file = requireFile(options);
      let calls = 0;
      return (call) => record(call, numberedFile(file, ++calls));
    }
  }
}

/** Without an end: taken as fast as it is heard. */
function* toneFrames(frequencyHz: number, sampleRateHz: number): Generator<Int16Array> {
  const source = createTonePlayer({ frequencyHz, levelDbfs: toneLevelDbfs, sampleRateHz });
  for (;;) {
    const frame = new Int16Array((sampleRateHz * frameMs) / 1_000);
    source.fill(frame);
    yield frame;
  }
}

async function playRecording(call: BotCall, recording: Recording, clock: Clock): Promise<void> {
  call.answer({ extensions: ['mark'] });
  void call.play(convertRate(recording.pcm, recording.sampleRateHz, call.sampleRate));
  await call.mark();
  clock.after(farewellMs, () => call.hangup('PLAYED'));
}

function record(call: BotCall, file: string): void {
  call.answer();
  const wav = new WavFile(file, call.sampleRate);
  call.on('audio', ({ buffer, byteOffset, byteLength }) =>
    wav.append(new Uint8Array(buffer, byteOffset, byteLength)),
  );
  call.on('close', () => wav.close());
}

/** `heard.wav`, `heard-2.wav`, … */
function numberedFile(file: string, call: number): string {
  return call === 1 ? file : file.replace(/(\.[^./\\]*)?$/, `-${call}$1`);
}

function requireFile({ kind, file }: BotAudioOptions): string {
  if (file === undefined) throw new RangeError(`a bot that ${kind}s needs a file`);
  return file;
}
