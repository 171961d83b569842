// A voice bot in twenty lines: greets with a beep, then says back what it hears; 9 hangs up.
//   node examples/echo.mjs
//   npx callwire serve --route '*=ws://127.0.0.1:9000/'
import { createBotServer } from 'callwire/bot';

const bot = await createBotServer({
  port: Number(process.env.PORT ?? 9000),
  async onCall(call) {
    console.log(`${call.from} calls, ${call.sampleRate} Hz`);
    call.on('close', ({ code, reason }) => console.log(`call over: ${code} ${reason}`));
    call.on('dtmf', ({ digit }) => digit === '9' && call.hangup('bye'));
    call.answer();
    const beep = Int16Array.from({ length: call.sampleRate / 2 }, (_, i) => 8000 * Math.sin(i * 0.2));
    call.play(beep);
    const { playedMs } = await call.mark('greeted'); // when the phone was sent the last of it
    console.log(`greeted for ${playedMs} ms`);
    call.on('audio', (pcm) => call.play(pcm)); // 20 ms at a time, an Int16Array
  },
});
console.log(bot.url);
