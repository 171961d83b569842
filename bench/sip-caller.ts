import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import {
  ackText,
  byeText,
  type DialogFacts,
  inviteText,
  type RemoteFacts,
  refusalAckText,
  responseText,
  SipText,
} from './sip-text.ts';

/** RFC 3261 §17.1.1.1 and §17.1.2.1. */
const T1_MS = 500;
const T2_MS = 4000;
const TIMEOUT_MS = 64 * T1_MS;
/** From the first provisional response to a final one. */
const ANSWER_TIMEOUT_MS = 60_000;

export interface CallHandlers {
  /** First 200; it has been acknowledged. */
  answered(sdp: string, nowMs: number): void;
  /** No call came of it: the status, or a word. The last event. */
  failed(reason: string): void;
  /** The last event of an answered call. */
  ended(cause: 'local' | 'far side' | 'hang-up lost'): void;
}

type CallState = 'inviting' | 'answered' | 'leaving' | 'over';

interface SipCall {
  readonly dialog: DialogFacts;
  readonly handlers: CallHandlers;
  state: CallState;
  /** Sent again until it is answered. */
  text: string;
  resendMs: number;
  intervalMs: number;
  expiresMs: number;
  readonly branch: string;
  remote: RemoteFacts | undefined;
  ack: string;
  /** Forgotten after this: until then, repeated finals are still acknowledged. */
  forgetMs: number;
}

/** Many calls over one UDP socket. `resend` wants to be called every 50 ms or so. */
export class SipCaller {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #port: number;
  readonly #local: string;
  readonly #target: string;
  readonly #now: () => number;
  readonly #calls = new Map<string, SipCall>();
  readonly #run = randomBytes(4).toString('hex');
  #branches = 0;
  retransmissions = 0;
  /** Whether the far side has said anything at all. */
  heardAny = false;

  private constructor(
    socket: Socket,
    remote: { host: string; port: number; target: string },
    now: () => number,
  ) {
    this.#socket = socket;
    this.#host = remote.host;
    this.#port = remote.port;
    this.#target = remote.target;
    this.#now = now;
    const { address, port } = socket.address();
    this.#local = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    socket.on('message', (datagram) => this.#receive(datagram.toString('latin1')));
  }

  /** `host` is a literal address; the socket is bound to `localAddress`. Rejects with the system's error. */
  static async open(
    remote: { host: string; port: number; target: string; localAddress: string },
    now: () => number,
  ): Promise<SipCaller> {
    const socket = createSocket({
      type: remote.host.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: 4_000_000,
      lookup: literal,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, remote.localAddress, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.on('error', () => {});
    return new SipCaller(socket, remote, now);
  }

  /** Calls that still have something to do or to answer for. */
  get open(): number {
    let count = 0;
    for (const call of this.#calls.values()) if (call.state !== 'over') count++;
    return count;
  }

  /** Sends the INVITE. Gives the Call-ID. */
  invite(user: string, sdp: string, handlers: CallHandlers): string {
    const callId = `${user}-${this.#run}@${this.#local}`;
    const dialog = { callId, fromTag: `${this.#run}${user}`, user, local: this.#local, target: this.#target };
    const branch = this.#branch();
    const nowMs = this.#now();
    const call: SipCall = {
      dialog,
      handlers,
      state: 'inviting',
      text: inviteText(dialog, branch, sdp),
      resendMs: nowMs + T1_MS,
      intervalMs: T1_MS,
      expiresMs: nowMs + TIMEOUT_MS,
      branch,
      remote: undefined,
      ack: '',
      forgetMs: Number.POSITIVE_INFINITY,
    };
    this.#calls.set(callId, call);
    this.#send(call.text);
    return callId;
  }

  /** BYE to an answered call; anything else is left to its own end. */
  hangUp(callId: string): void {
    const call = this.#calls.get(callId);
    if (call?.state !== 'answered' || call.remote === undefined) return;
    const nowMs = this.#now();
    call.state = 'leaving';
    call.text = byeText(call.dialog, call.remote, this.#branch());
    call.intervalMs = T1_MS;
    call.resendMs = nowMs + T1_MS;
    call.expiresMs = nowMs + TIMEOUT_MS;
    this.#send(call.text);
  }

  resend(nowMs: number): void {
    for (const [callId, call] of this.#calls) {
      if (nowMs >= call.forgetMs) this.#calls.delete(callId);
      else if (call.state === 'over' || call.state === 'answered') continue;
      else if (nowMs >= call.expiresMs) this.#giveUp(call, nowMs);
      else if (nowMs >= call.resendMs) {
        this.retransmissions++;
        this.#send(call.text);
        call.intervalMs = Math.min(call.intervalMs * 2, call.state === 'inviting' ? TIMEOUT_MS : T2_MS);
        call.resendMs = nowMs + call.intervalMs;
      }
    }
  }

  close(): void {
    this.#socket.close();
  }

  #giveUp(call: SipCall, nowMs: number): void {
    const leaving = call.state === 'leaving';
    this.#finish(call, nowMs);
    if (leaving) call.handlers.ended('hang-up lost');
    else call.handlers.failed('no answer');
  }

  #receive(text: string): void {
    const message = SipText.parse(text);
    if (message === undefined) return;
    this.heardAny = true;
    const call = this.#calls.get(message.value('call-id') ?? '');
    if (message.status === 0) this.#receiveRequest(message, call);
    else if (call !== undefined && message.method === 'INVITE') this.#receiveAnswer(call, message);
    else if (call !== undefined && message.method === 'BYE' && message.status >= 200) {
      if (call.state !== 'leaving') return;
      this.#finish(call, this.#now());
      call.handlers.ended('local');
    }
  }

  #receiveRequest(request: SipText, call: SipCall | undefined): void {
    if (request.method === 'ACK') return;
    if (request.method === 'INVITE') {
      this.#send(responseText(request, '488 Not Acceptable Here'));
      return;
    }
    this.#send(responseText(request, '200 OK'));
    if (request.method !== 'BYE' || call === undefined) return;
    const state = call.state;
    if (state !== 'answered' && state !== 'leaving') return;
    this.#finish(call, this.#now());
    // A BYE that crossed ours is no early end.
    call.handlers.ended(state === 'leaving' ? 'local' : 'far side');
  }

  #receiveAnswer(call: SipCall, response: SipText): void {
    const nowMs = this.#now();
    if (response.status < 200) {
      if (call.state !== 'inviting') return;
      call.resendMs = Number.POSITIVE_INFINITY;
      call.expiresMs = nowMs + ANSWER_TIMEOUT_MS;
    } else if (response.status < 300) this.#receiveSuccess(call, response, nowMs);
    else {
      this.#send(refusalAckText(call.dialog, response.value('to') ?? '', call.branch));
      if (call.state !== 'inviting') return;
      this.#finish(call, nowMs);
      call.handlers.failed(String(response.status));
    }
  }

  #receiveSuccess(call: SipCall, response: SipText, nowMs: number): void {
    if (call.ack !== '') {
      this.#send(call.ack);
      return;
    }
    call.remote = response.remoteFacts();
    if (call.remote === undefined) {
      this.#finish(call, nowMs);
      call.handlers.failed('broken 200');
      return;
    }
    call.ack = ackText(call.dialog, call.remote, this.#branch());
    this.#send(call.ack);
    call.state = 'answered';
    call.handlers.answered(response.body, nowMs);
  }

  #finish(call: SipCall, nowMs: number): void {
    call.state = 'over';
    call.text = '';
    call.forgetMs = nowMs + 5000;
  }

  #branch(): string {
    return `${this.#run}${(this.#branches++).toString(36)}`;
  }

  #send(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'), this.#port, this.#host);
  }
}

/** Addresses are literals; the system's resolver would take a thread for each datagram. */
export function literal(
  address: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
): void {
  found(null, address, address.includes(':') ? 6 : 4);
}
