// A stream server that answers, and then says far too much, in the way that the path names. Prints its port, then a line
// of JSON for each connection that is over.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const frame = (first, payload) => Buffer.concat([header(first, payload.length), payload]);

function header(first, size) {
  if (size < 126) return Buffer.from([first, size]);
  if (size < 65_536) return Buffer.from([first, 126, size >> 8, size & 255]);
  return Buffer.from([
    first,
    127,
    0,
    0,
    0,
    0,
    size >>> 24,
    (size >> 16) & 255,
    (size >> 8) & 255,
    size & 255,
  ]);
}

/** Of the masked frame that begins here; more than there is where it is not whole. */
function frameBytes(bytes) {
  const short = (bytes[1] ?? 127) & 0x7f;
  if (short === 127) return Number.POSITIVE_INFINITY;
  if (short < 126) return 6 + short;
  return bytes.length < 4 ? Number.POSITIVE_INFINITY : 8 + bytes.readUInt16BE(2);
}

const many = (one, count) => Buffer.concat(Array.from({ length: count }, () => one));
const text = (message) => frame(0x81, Buffer.from(message));
/** 100 times as fast as 16 kHz wants it, in messages of 20 ms. */
const audioBurst = many(frame(0x82, Buffer.alloc(640, 7)), 100);
const audioEveryMs = 20;

const poured = {
  '/texts': many(text('?'), 20_000),
  '/commands': many(text('{"command":"clear"}'), 2_000),
  '/pings': many(frame(0x89, Buffer.alloc(0)), 20_000),
  '/longpings': many(frame(0x89, Buffer.alloc(125, 1)), 500),
  '/pongs': many(frame(0x8a, Buffer.alloc(0)), 20_000),
};

const server = createServer();
server.on('upgrade', (request, socket) => {
  const { url } = request;
  let closeCode;
  let sentBytes = 0;
  const startedMs = performance.now();
  socket.on('error', () => {});
  socket.on('close', () => {
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(JSON.stringify({ path: url, closeCode, sentBytes, seconds }));
  });
  let heard = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    heard = Buffer.concat([heard, bytes]);
    for (let size = frameBytes(heard); size <= heard.length; size = frameBytes(heard)) {
      const mask = heard.subarray(2, 6);
      if (heard[0] === 0x88) closeCode = ((heard[6] ^ mask[0]) << 8) | (heard[7] ^ mask[1]);
      heard = heard.subarray(size);
    }
  });
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}\r\n\r\n`,
  );
  socket.write(text('{"command":"answer"}'));
  const pour = (bytes) => {
    sentBytes += bytes.length;
    return socket.write(bytes);
  };
  if (url === '/audio') {
    const bursts = setInterval(() => pour(audioBurst), audioEveryMs);
    socket.on('close', () => clearInterval(bursts));
    return;
  }
  // The phone is answered first.
  setTimeout(() => {
    const more = () => {
      for (let turn = 0; turn < 10 && socket.writable && pour(poured[url]); turn++);
      // What the connection takes at once gets more in the next turn.
      if (socket.writable && !socket.writableNeedDrain) setImmediate(more);
    };
    socket.on('drain', more);
    more();
  }, 300);
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
