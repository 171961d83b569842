// Joins a call to a realtime speech model: the caller's words go to its WebSocket, what it says goes to the phone. When the
// caller cuts in, the phone falls silent at once, and the model is told how much of its answer was heard.
//   REALTIME_URL='wss://HOST/v1/realtime?model=NAME' REALTIME_API_KEY=… node examples/realtime-relay.mjs
//   REALTIME_BETA=1     the events as they were before the general release
//   INSTRUCTIONS, VOICE what the model shall be like;  GREET=1  it speaks first
import { createBotServer } from 'callwire/bot';
import { WebSocket } from 'ws';

const {
  PORT = 9000,
  REALTIME_URL,
  REALTIME_API_KEY,
  REALTIME_BETA,
  INSTRUCTIONS,
  VOICE,
  GREET,
} = process.env;
if (!REALTIME_URL) throw new Error('REALTIME_URL is not set; expected the wss:// URL of a realtime model');
const rateHz = 24_000;

const bot = await createBotServer({ port: Number(PORT), sampleRate: rateHz, onCall: relay });
console.log(bot.url);

function relay(call) {
  const model = new WebSocket(REALTIME_URL, {
    headers: {
      ...(REALTIME_API_KEY && { Authorization: `Bearer ${REALTIME_API_KEY}` }),
      ...(REALTIME_BETA && { 'OpenAI-Beta': 'realtime=v1' }),
    },
    handshakeTimeout: 8000,
  });
  const send = (event) => model.readyState === model.OPEN && model.send(JSON.stringify(event));
  let queuedMs = 0; // how much the phone will have been sent when all that is queued was played
  let item; // what the model is saying: { id, contentIndex, startMs, durationMs }
  const cut = new Set(); // items whose rest is not wanted any more

  const speak = ({ item_id: id, content_index: contentIndex = 0, delta }) => {
    if (cut.has(id)) return;
    if (item?.id !== id) item = { id, contentIndex, startMs: queuedMs, durationMs: 0 };
    const pcm = Buffer.from(delta, 'base64');
    const durationMs = (pcm.length * 1000) / 2 / rateHz;
    item.durationMs += durationMs;
    queuedMs += durationMs;
    call.play(pcm);
  };

  const interrupt = async () => {
    const said = item;
    item = undefined;
    if (said) cut.add(said.id);
    const queuedMsBefore = queuedMs;
    const { playedMs } = await call.clear();
    // What was queued meanwhile follows on what was heard.
    const shiftMs = playedMs - queuedMsBefore;
    queuedMs += shiftMs;
    if (item) item.startMs += shiftMs;
    if (!said) return;
    const heardMs = Math.max(0, Math.floor(playedMs - said.startMs));
    if (heardMs >= said.durationMs) return;
    send({
      type: 'conversation.item.truncate',
      item_id: said.id,
      content_index: said.contentIndex,
      audio_end_ms: heardMs,
    });
    console.log(`interrupted after ${heardMs} of ${Math.round(said.durationMs)} ms`);
  };

  const handlers = {
    'session.updated': () => {
      if (call.state !== 'ringing') return;
      call.answer();
      if (GREET) send({ type: 'response.create' });
    },
    'response.output_audio.delta': speak,
    'response.audio.delta': speak,
    'input_audio_buffer.speech_started': interrupt,
    'response.output_audio_transcript.done': ({ transcript }) => console.log(`model: ${transcript}`),
    'response.audio_transcript.done': ({ transcript }) => console.log(`model: ${transcript}`),
    error: ({ error }) => console.error(`model: ${error?.message}`),
  };

  model.on('open', () => send({ type: 'session.update', session: session() }));
  model.on('message', (data) => {
    const event = JSON.parse(data.toString());
    handlers[event.type]?.(event);
  });
  model.on('error', (error) => console.error(`model: ${error.message}`));
  model.on('close', () => {
    if (call.state === 'ringing') call.busy();
    else call.hangup('model gone');
  });
  call.on('audio', ({ buffer, byteOffset, byteLength }) =>
    send({
      type: 'input_audio_buffer.append',
      audio: Buffer.from(buffer, byteOffset, byteLength).toString('base64'),
    }),
  );
  call.on('close', ({ reason }) => {
    console.log(`call over: ${reason}`);
    model.close();
  });
}

function session() {
  const instructions = INSTRUCTIONS ?? 'You are on the telephone. Answer in one or two short sentences.';
  if (REALTIME_BETA)
    return {
      modalities: ['audio', 'text'],
      instructions,
      ...(VOICE && { voice: VOICE }),
      input_audio_format: 'pcm16',
      output_audio_format: 'pcm16',
      turn_detection: { type: 'server_vad' },
    };
  const format = { type: 'audio/pcm', rate: rateHz };
  return {
    type: 'realtime',
    instructions,
    output_modalities: ['audio'],
    audio: {
      input: { format, turn_detection: { type: 'server_vad' } },
      output: { format, ...(VOICE && { voice: VOICE }) },
    },
  };
}
