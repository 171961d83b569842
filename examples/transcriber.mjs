// A listener that says nothing and writes down what it hears, an utterance a line. What turns speech into text is yours:
//   STT_COMMAND='my-recognizer --wav -' node examples/transcriber.mjs    a program: WAV on its standard input, text on its output
//   STT_URL=http://127.0.0.1:8000/recognize node examples/transcriber.mjs  a server: POST of a WAV, answers text or {"text": …}
// TRANSCRIPT=file.txt appends to a file. Serves calls and taps of both sides alike: of two channels each gets its lines.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { buildWav, createBotServer, VoiceActivity } from 'callwire/bot';

const { PORT = 9000, STT_COMMAND, STT_URL, TRANSCRIPT } = process.env;
const utteranceSecondsMax = 30;
const leadInFrames = 15; // 300 ms before speech was noticed belong to it

const bot = await createBotServer({ port: Number(PORT), sampleRate: 16_000, onCall });
console.log(bot.url);

function onCall(call) {
  const names = call.info.channels === 2 ? ['caller', 'callee'] : [call.info.tap ?? 'caller'];
  const listeners = names.map((name) => createListener(call, name));
  call.on('audio', (pcm) => {
    listeners.forEach((listener, channel) => {
      listener.hear(listeners.length === 1 ? pcm : pcm.filter((_, index) => index % 2 === channel));
    });
  });
  call.on('close', () => {
    for (const listener of listeners) listener.end();
  });
  call.answer({ extensions: [] });
}

/** Cuts what one person says into utterances. */
function createListener(call, name) {
  const voice = new VoiceActivity({ sampleRateHz: call.sampleRate, hangoverMs: 600 });
  let frames = [];
  let heardMs = 0;
  const finish = async () => {
    const pcm = Int16Array.from(frames.flatMap((frame) => [...frame]));
    const at = (heardMs / 1000).toFixed(1);
    frames = [];
    const text = await recognize(pcm, call.sampleRate).catch((error) => `(${error.message})`);
    const line = `${call.callId} ${at}s ${name}: ${text}`;
    console.log(line);
    if (TRANSCRIPT) appendFileSync(TRANSCRIPT, `${line}\n`);
  };
  return {
    hear(pcm) {
      frames.push(pcm);
      heardMs += (pcm.length * 1000) / call.sampleRate;
      const change = voice.push(pcm, 0, pcm.length);
      const isLong = frames.length * pcm.length > utteranceSecondsMax * call.sampleRate;
      if (change === 'stopped' || (voice.active && isLong)) finish();
      else if (!voice.active) frames = frames.slice(-leadInFrames);
    },
    end() {
      if (voice.active) finish();
    },
  };
}

async function recognize(pcm, sampleRateHz) {
  const wav = buildWav({ pcm, sampleRateHz, channels: 1 });
  if (STT_COMMAND) return runCommand(wav);
  if (STT_URL) return post(wav);
  return `(speech, ${(pcm.length / sampleRateHz).toFixed(1)} s)`;
}

function runCommand(wav) {
  return new Promise((resolve, reject) => {
    const child = spawn(STT_COMMAND, { shell: true, stdio: ['pipe', 'pipe', 'inherit'], timeout: 60_000 });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.stdin.on('error', () => {}); // it may have heard enough
    child.stdin.end(wav);
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(text.trim()) : reject(new Error(`exit status ${code}`)),
    );
  });
}

async function post(wav) {
  const response = await fetch(STT_URL, {
    method: 'POST',
    headers: { 'content-type': 'audio/wav' },
    body: wav,
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const body = await response.text();
  return response.headers.get('content-type')?.includes('json') ? JSON.parse(body).text : body.trim();
}
