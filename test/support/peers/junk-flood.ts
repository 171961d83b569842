import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRandom } from '../random.ts';

export interface JunkCounts {
  readonly sent: number;
  /** Datagrams that came back. */
  readonly answers: number;
  readonly seconds: number;
}

const vectors = new URL('../../../../shared/vectors/rfc4475/', import.meta.url);
const sliceMs = 10;
/** After a stall the rest is made up for in slices that a socket's buffer holds. */
const sliceMax = 100;

/** What finds every open SIP port: scanners, guessers, dialplan thieves, noise. */
export class JunkFlood {
  readonly #sockets: readonly Socket[];
  readonly #target: { readonly address: string; readonly port: number };
  readonly #random = createRandom(4475);
  readonly #broken: readonly Uint8Array[] = brokenMessages();
  #sent = 0;
  #answers = 0;

  private constructor(sockets: readonly Socket[], target: string) {
    const colon = target.lastIndexOf(':');
    this.#target = { address: target.slice(0, colon), port: Number(target.slice(colon + 1)) };
    this.#sockets = sockets;
    for (const socket of sockets) socket.on('message', () => this.#answers++);
  }

  /** `target`: `127.0.0.1:5060`. Every source has a loopback address of its own. */
  static async open(target: string, sources: number): Promise<JunkFlood> {
    const sockets = await Promise.all(
      Array.from({ length: sources }, async (_, index) => {
        const socket = createSocket('udp4');
        socket.on('error', () => {});
        socket.bind(0, `127.0.1.${index + 1}`);
        await once(socket, 'listening');
        return socket;
      }),
    );
    return new JunkFlood(sockets, target);
  }

  /** Resolves when all is sent, or after twice the time where the machine has none for it. */
  run(perSecond: number, seconds: number): Promise<JunkCounts> {
    const startedMs = performance.now();
    const first = this.#sent;
    const total = perSecond * seconds;
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const elapsedMs = performance.now() - startedMs;
        const due = Math.min(total, Math.floor((elapsedMs / 1_000) * perSecond)) - (this.#sent - first);
        for (let count = Math.min(due, sliceMax); count > 0; count--) this.#send();
        if (this.#sent - first < total && elapsedMs < seconds * 2_000) return;
        clearInterval(timer);
        resolve({ sent: this.#sent, answers: this.#answers, seconds: elapsedMs / 1_000 });
      }, sliceMs);
    });
  }

  /** Answers so far. */
  get answers(): number {
    return this.#answers;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #send(): void {
    const number = this.#sent++;
    const socket = this.#sockets[number % this.#sockets.length]!;
    // The number of kinds and the number of sources share no factor that would keep a kind to some of them.
    const bytes = this.#build(Math.floor(number / this.#sockets.length) % 10, number, socket);
    socket.send(bytes, this.#target.port, this.#target.address);
  }

  #build(kind: number, number: number, socket: Socket): Uint8Array {
    if (kind === 8) return this.#noise();
    if (kind === 9) return this.#broken[number % this.#broken.length]!;
    const { address, port } = socket.address();
    if (kind < 3) return request('OPTIONS', `sip:100@${this.#target.address}`, { address, port, number });
    if (kind < 6) {
      const dialled = `sip:900${number}46${1_000_000 + number}@${this.#target.address}`;
      return request('INVITE', dialled, { address, port, number, body: offer(address) });
    }
    const guess = 'username="100", realm="callwire", nonce="0", uri="sip:x", response="0123456789abcdef"';
    return request('REGISTER', `sip:${this.#target.address}`, {
      address,
      port,
      number,
      lines: kind === 6 ? [] : [`Authorization: Digest ${guess}`],
    });
  }

  #noise(): Uint8Array {
    return Uint8Array.from({ length: 1 + Math.floor(this.#random() * 400) }, () => this.#random() * 256);
  }
}

function request(
  method: string,
  uri: string,
  options: {
    readonly address: string;
    readonly port: number;
    readonly number: number;
    readonly lines?: readonly string[];
    readonly body?: string;
  },
): Uint8Array {
  const { address, port, number, lines = [], body = '' } = options;
  return Buffer.from(
    [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bK-${number};rport`,
      'Max-Forwards: 70',
      `From: "100" <sip:100@${address}>;tag=${number}`,
      'To: <sip:100@1.1.1.1>',
      `Call-ID: ${number}@${address}`,
      `CSeq: 1 ${method}`,
      `Contact: <sip:100@${address}:${port}>`,
      'User-Agent: friendly-scanner',
      ...lines,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  );
}

function offer(address: string): string {
  return `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`;
}

/** The messages of RFC 4475 where they lie beside the checkout, and some of our own. */
function brokenMessages(): Uint8Array[] {
  const head = 'OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.1.1;branch=z9hG4bK-x\r\n';
  const own = [
    `${head}Content-Length: -999\r\n\r\n`,
    `${head}From: "unclosed <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 99999999999 OPTIONS\r\n\r\n`,
    `INVITE <sip:a@b>  SIP/7.0 \r\n${'Via: SIP/2.0/UDP ;;,;,,\r\n'.repeat(60)}\r\n`,
    `${head}${'X: y\r\n'.repeat(300)}\r\n`,
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  ].map((text) => Buffer.from(text));
  if (!existsSync(vectors)) return own;
  return [...own, ...readdirSync(vectors).map((name) => readFileSync(new URL(name, vectors)))];
}
