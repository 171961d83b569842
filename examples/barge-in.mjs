// A player that lets itself be interrupted: it falls silent at once when the caller speaks, knows how much of its text
// was heard, and goes on from there when the caller is done.
//   node examples/barge-in.mjs          plays a melody
//   node examples/barge-in.mjs talk.wav
import { convertRate, createBotServer, loadWav, VoiceActivity } from 'callwire/bot';

const file = process.argv[2];
const recording = file && (await loadWav(file));

const bot = await createBotServer({ port: Number(process.env.PORT ?? 9000), onCall });
console.log(bot.url);

function onCall(call) {
  const text = recording
    ? convertRate(recording.pcm, recording.sampleRateHz, call.sampleRate)
    : melody(call.sampleRate);
  const voice = new VoiceActivity({ sampleRateHz: call.sampleRate, attackMs: 60, hangoverMs: 400 });
  let startSample = 0; // where in the text the present play began
  let playedMsBefore = 0; // what the phone had been sent by then
  let speaking = Promise.resolve();

  const speak = async () => {
    call.play(text.subarray(startSample));
    const { status } = await call.mark('text');
    if (status === 'played') call.hangup('all said');
  };

  const interrupt = async () => {
    const { playedMs, droppedMs } = await call.clear();
    startSample += Math.round(((playedMs - playedMsBefore) * call.sampleRate) / 1000);
    playedMsBefore = playedMs;
    console.log(`interrupted: ${Math.round(playedMs)} ms heard, ${Math.round(droppedMs)} ms dropped`);
  };

  call.on('audio', (pcm) => {
    const change = voice.push(pcm, 0, pcm.length);
    if (change === 'started') speaking = interrupt();
    if (change === 'stopped') speaking.then(speak);
  });
  call.on('close', ({ reason }) => console.log(`call over: ${reason}`));
  call.answer();
  speak();
}

/** Eight seconds, so that there is something to interrupt. */
function melody(sampleRate) {
  const notesHz = [392, 440, 494, 523, 587, 523, 494, 440];
  return Int16Array.from({ length: notesHz.length * sampleRate }, (_, i) => {
    const at = (i % sampleRate) / sampleRate;
    return 8000 * (1 - at) * Math.sin(2 * Math.PI * notesHz[Math.floor(i / sampleRate)] * at);
  });
}
