// A voice bot in twenty lines: it answers every call and says back what it hears.
//   node examples/echo-bot.mjs 9000
//   npx callwire serve --route '*=ws://127.0.0.1:9000/'
import { WebSocketServer } from 'ws';

const bots = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2] ?? 9000) });

bots.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    if (isBinary) {
      socket.send(data); // 20 ms of what the caller says: 16-bit PCM at the rate named in `connect`
      return;
    }
    const { command, callId, from, sampleRate } = JSON.parse(data);
    if (command !== 'connect') return;
    console.log(`${from} calls (${callId}), ${sampleRate} Hz`);
    socket.send(JSON.stringify({ command: 'answer' })); // or 'busy', or 'reject'
  });
  socket.on('close', (code, reason) => console.log(`call over: ${code} ${reason}`));
  socket.on('error', (error) => console.error(error.message));
});

bots.on('listening', () => console.log(`ws://127.0.0.1:${bots.address().port}/`));
