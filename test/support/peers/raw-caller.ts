import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SipFramer } from '../../../protocol/sip/framer.ts';
import { headerValue, type SipResponse } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';

export interface RawAnswer {
  readonly status: number;
  readonly tookMs: number;
  readonly reason: string | undefined;
}

/** Places calls over one TCP connection with bodies that no phone would write, and hangs up those that are answered. */
export class RawCaller {
  readonly #socket: Socket;
  readonly #target: string;
  readonly #framer = new SipFramer();
  readonly #waiting = new Map<string, (response: SipResponse) => void>();
  #calls = 0;

  private constructor(socket: Socket, target: string) {
    this.#socket = socket;
    this.#target = target;
    socket.on('error', () => {});
    socket.on('data', (bytes) => this.#receive(bytes));
  }

  /** `target`: `127.0.0.1:5060`. */
  static async open(target: string): Promise<RawCaller> {
    const colon = target.lastIndexOf(':');
    const socket = connect(Number(target.slice(colon + 1)), target.slice(0, colon));
    await once(socket, 'connect');
    return new RawCaller(socket, target);
  }

  /** The final answer to an INVITE with this body; rejects where none comes within `limitMs`. Hangs up at once. */
  async invite(body: string | Uint8Array, limitMs = 10_000): Promise<RawAnswer> {
    const startedMs = performance.now();
    const { response, hangUp } = await this.#call(body, limitMs);
    const tookMs = performance.now() - startedMs;
    hangUp();
    return { status: response.status, tookMs, reason: headerValue(response, 'Reason') };
  }

  /** Stays in the call; rejects where it is refused. */
  async talk(body: string, limitMs = 10_000): Promise<{ hangUp(): void }> {
    const { response, hangUp } = await this.#call(body, limitMs);
    if (response.status >= 300) throw new Error(`refused with ${response.status}`);
    return { hangUp };
  }

  async #call(
    body: string | Uint8Array,
    limitMs: number,
  ): Promise<{ readonly response: SipResponse; hangUp(): void }> {
    const callId = `raw-${process.pid}-${this.#socket.localPort}-${this.#calls++}`;
    const answer = new Promise<SipResponse>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${callId}`)), limitMs);
      this.#waiting.set(callId, (response) => {
        clearTimeout(timer);
        resolve(response);
      });
    });
    this.#send('INVITE', callId, 1, '', Buffer.from(body as string));
    const response = await answer;
    const answered = response.status < 300;
    const tag = /;tag=[^;>]+/.exec(headerValue(response, 'To') ?? '')?.[0] ?? '';
    // That of a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
    this.#send('ACK', callId, 1, tag, undefined, answered ? 'ACK' : 'INVITE');
    return { response, hangUp: () => void (answered && this.#send('BYE', callId, 2, tag)) };
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(
    method: string,
    callId: string,
    cseq: number,
    tag: string,
    body: Uint8Array = new Uint8Array(0),
    branch = method,
  ): void {
    const head = [
      `${method} sip:echo@${this.#target};transport=tcp SIP/2.0`,
      `Via: SIP/2.0/TCP 127.0.0.1:${this.#socket.localPort};branch=z9hG4bK${callId}${branch}`,
      'Max-Forwards: 70',
      'From: <sip:raw@127.0.0.1>;tag=raw',
      `To: <sip:echo@${this.#target}>${tag}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:raw@127.0.0.1:${this.#socket.localPort};transport=tcp>`,
      ...(body.length === 0 ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      '',
    ].join('\r\n');
    this.#socket.write(Buffer.concat([Buffer.from(head), body]));
  }

  #receive(bytes: Uint8Array): void {
    for (const frame of this.#framer.push(bytes, 0)) {
      if (frame.kind !== 'message') continue;
      const message = parseMessage(frame.bytes);
      if (message.kind !== 'response' || message.status < 200) continue;
      if (!/INVITE$/.test(headerValue(message, 'CSeq') ?? '')) continue;
      const callId = headerValue(message, 'Call-ID') ?? '';
      this.#waiting.get(callId)?.(message);
      this.#waiting.delete(callId);
    }
  }
}
