import { describe, expect, it } from 'vitest';
import { buildUpgrade, UpgradeAnswer } from '../../../protocol/stream/upgrade.ts';

/** RFC 6455 §1.3. */
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const upgraded = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  `sec-websocket-accept:${accept}`,
];
const text = (lines: readonly string[]) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
const without = (name: string) => upgraded.filter((line) => !line.startsWith(name));

function receive(...chunks: readonly Uint8Array[]) {
  const answer = new UpgradeAnswer(key);
  for (const chunk of chunks.slice(0, -1)) expect(answer.receive(chunk, chunk.length)).toBeUndefined();
  const last = chunks.at(-1)!;
  return answer.receive(last, last.length);
}

describe('the upgrade request', () => {
  it.each([
    ['ws://bot.example/', {}, 'GET / HTTP/1.1', 'Host: bot.example', undefined],
    ['ws://bot.example:80/a?b=c', {}, 'GET /a?b=c HTTP/1.1', 'Host: bot.example', undefined],
    ['wss://[::1]:9000', {}, 'GET / HTTP/1.1', 'Host: [::1]:9000', undefined],
    [
      'ws://u:p%40@bot.example/',
      {},
      'GET / HTTP/1.1',
      'Host: bot.example',
      `Authorization: Basic ${btoa('u:p@')}`,
    ],
    [
      'ws://u:p@bot.example/',
      { authorization: 'Bearer x' },
      'GET / HTTP/1.1',
      'Host: bot.example',
      'authorization: Bearer x',
    ],
  ])('to %s', (url, headers, first, host, last) => {
    const lines = buildUpgrade(new URL(url), key, headers).split('\r\n');
    expect(lines).toEqual([
      first,
      host,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
      ...(last === undefined ? [] : [last]),
      '',
      '',
    ]);
  });
});

describe('the answer to an upgrade', () => {
  it('says where the first frame is', () => {
    const head = text(upgraded);
    expect(receive(Buffer.concat([head, Buffer.from([0x81])]))).toEqual({ status: 101, offset: head.length });
    expect(receive(head.subarray(0, 50), Buffer.concat([head.subarray(50), Buffer.from('xyz')]))).toEqual({
      status: 101,
      offset: head.length - 50,
    });
  });

  it('is the same byte by byte', () => {
    const head = text(upgraded);
    expect(receive(...[...head].map((byte) => Buffer.from([byte])))).toEqual({ status: 101, offset: 1 });
  });

  it('passes over interim answers', () => {
    const early = text(['HTTP/1.1 103 Early Hints', 'Link: </x>']);
    const head = text(upgraded);
    expect(receive(Buffer.concat([early, head]))).toEqual({
      status: 101,
      offset: early.length + head.length,
    });
  });

  it.each([
    ['a refusal', text(['HTTP/1.1 403 Forbidden', 'Content-Length: 0']), 403],
    ['a refusal without words', text(['HTTP/1.0 503']), 503],
  ])('may be %s', (_name, head, status) => {
    expect(receive(head)?.status).toBe(status);
  });

  it.each([
    ['no HTTP', Buffer.from('SSH'), /HTTP\/1\.1/],
    ['HTTP/2', text(['HTTP/2.0 101 x']), /HTTP\/1\.1/],
    ['no status', text(['HTTP/1.1 hello']), /status line/],
    ['no upgrade', text(without('Upgrade')), /Upgrade/],
    ['no connection', text(without('Connection')), /Connection/],
    ['no proof', text(without('sec')), /Accept/],
    ['an extension', text([...upgraded, 'Sec-WebSocket-Extensions: permessage-deflate']), /extensions/],
    ['a protocol', text([...upgraded, 'Sec-WebSocket-Protocol: chat']), /protocol/],
    ['a folded line', text([...upgraded, ' folded']), /name, a colon/],
    ['a header without end', Buffer.from(`HTTP/1.1 101 x\r\nX: ${'x'.repeat(17_000)}`), /16384 bytes/],
  ])('is refused with %s', (_name, head, message) => {
    expect(() => receive(head)).toThrow(message);
  });
});
