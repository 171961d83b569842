// A menu by DTMF: 1 tells the time, 2 takes a number and repeats it, 3 transfers, 9 hangs up.
//   node examples/ivr.mjs                     speaks in beeps
//   PROMPTS=./prompts node examples/ivr.mjs   speaks with menu.wav, again.wav, bye.wav, 0.wav … 9.wav
//   TRANSFER_TO=sip:desk@example.com          where 3 goes
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { convertRate, createBotServer, loadWav } from 'callwire/bot';

const { PORT = 9000, PROMPTS, TRANSFER_TO } = process.env;
const menuRounds = 3;

const bot = await createBotServer({ port: Number(PORT), onCall: menu });
console.log(bot.url);

async function menu(call) {
  if (!call.info.offered.includes('dtmf')) return call.reject(); // without digits there is no menu
  call.on('close', ({ reason }) => console.log(`call over: ${reason}`));
  call.answer();
  for (let round = 0; round < menuRounds && call.state === 'answered'; round++) {
    const choice = await ask(call, 'menu', { max: 1, timeoutMs: 8000 });
    console.log(`choice: ${choice || 'none'}`);
    if (choice === '1') await sayDigits(call, new Date().toTimeString().slice(0, 5));
    else if (choice === '2') await sayDigits(call, await ask(call, 'number', { max: 12, until: '#' }));
    else if (choice === '3' && TRANSFER_TO && call.extensions.includes('control'))
      return call.transfer(TRANSFER_TO);
    else if (choice === '9') break;
    else await say(call, 'again');
  }
  await say(call, 'bye');
  call.hangup('menu over');
}

/** Plays a prompt and reads digits; the first one cuts the prompt off. */
async function ask(call, prompt, wish) {
  const stop = () => call.clear();
  call.on('dtmf', stop);
  say(call, prompt);
  const digits = await call.readDigits(wish);
  call.off('dtmf', stop);
  return digits;
}

async function sayDigits(call, text) {
  console.log(`says ${text}`);
  for (const digit of text.replace(/\D/g, '')) await say(call, digit);
}

/** Resolves when it was heard. */
async function say(call, prompt) {
  call.play(await soundOf(prompt, call.sampleRate));
  return call.mark(prompt);
}

async function soundOf(prompt, sampleRate) {
  const file = PROMPTS && join(PROMPTS, `${prompt}.wav`);
  if (file && existsSync(file)) {
    const { pcm, sampleRateHz } = await loadWav(file);
    return convertRate(pcm, sampleRateHz, sampleRate);
  }
  const beeps = { menu: 3, number: 2, again: 4, bye: 1 }[prompt] ?? (Number(prompt) || 10);
  const beepSamples = sampleRate * 0.15;
  return Int16Array.from({ length: beeps * beepSamples }, (_, i) =>
    i % beepSamples < beepSamples / 2 ? 8000 * Math.sin((2 * Math.PI * 700 * i) / sampleRate) : 0,
  );
}
