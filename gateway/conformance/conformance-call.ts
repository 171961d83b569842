import { randomBytes } from 'node:crypto';
import { createTone } from '../../codecs/tones.ts';
import { opcodes } from '../../protocol/stream/frames.ts';
import { streamFrameMs } from '../../protocol/stream/messages.ts';
import { parseObject } from '../bots/bot-connect.ts';
import type { Clock } from '../clock.ts';
import {
  type ClientEnd,
  type ConformanceClient,
  openConformanceClient,
  type UpgradeOutcome,
} from './conformance-client.ts';

export type Reply = 'answer' | 'busy' | 'reject';

export interface ConformanceTiming {
  /** For the upgrade and for the reply. */
  readonly replyMs: number;
  /** For a pong, and for the answer to a close. */
  readonly pongMs: number;
  readonly closeMs: number;
  /** How long we talk on a call. */
  readonly talkMs: number;
  /** How long we listen for what else comes. */
  readonly settleMs: number;
  /** How long a silent call must be kept alive. */
  readonly idleMs: number;
}

export interface CallWish {
  readonly sampleRate?: number;
  /** Offered in `connect`. */
  readonly extensions?: readonly string[];
  /** Fields of `connect` instead of the usual, as JSON text: a member after the other. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The whole message. */
  readonly text?: string;
  /** Cut into as many frames, with pings between them. */
  readonly frames?: number;
}

/** A text message of the server. */
export interface Said {
  readonly text: string;
  /** Undefined where it is no JSON object. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  /** Audio messages that came before it. */
  readonly audioBefore: number;
}

const bytesPerSample = 2;
const toneHz = 440;
const toneDbfs = -12;
let calls = 0;

/** One call to the server under test, and all that there is to know about it afterwards. */
export class ConformanceCall {
  readonly sampleRate: number;
  readonly offered: readonly string[];
  readonly upgrade: UpgradeOutcome;
  /** ms from `connect` to the reply; undefined where none came in time. */
  replyMs: number | undefined;
  /** Every ping that was waited for was answered; undefined where there was none. */
  pongs: boolean | undefined;
  /** Our close was answered in time; undefined where it was not sent. */
  closedBack: boolean | undefined;
  /** How the server ended the call before we hung up; undefined where it did not. */
  early: ClientEnd | undefined;
  readonly #clock: Clock;
  readonly #timing: ConformanceTiming;
  readonly #wish: CallWish;

  private constructor(upgrade: UpgradeOutcome, wish: CallWish, timing: ConformanceTiming, clock: Clock) {
    this.upgrade = upgrade;
    this.sampleRate = wish.sampleRate ?? 16_000;
    this.offered = wish.extensions ?? [];
    this.#wish = wish;
    this.#timing = timing;
    this.#clock = clock;
  }

  /** Connects and sends `connect`; whether that worked stands in `upgrade`. */
  static async place(
    url: URL,
    wish: CallWish,
    timing: ConformanceTiming,
    clock: Clock,
  ): Promise<ConformanceCall> {
    const upgrade = await openConformanceClient(url, clock, timing.replyMs);
    const call = new ConformanceCall(upgrade, wish, timing, clock);
    if (upgrade.accepted) call.#sendConnect(upgrade.client);
    return call;
  }

  #sendConnect(client: ConformanceClient): void {
    const { text = connectText(this.sampleRate, this.offered, this.#wish.fields), frames } = this.#wish;
    if (frames === undefined) client.sendText(text);
    else {
      let part = 0;
      client.sendFragmented(opcodes.text, Buffer.from(text), frames, () =>
        client.sendPing(Buffer.from(`part ${part++}`)),
      );
    }
  }

  // ---- What was seen -----------------------------------------------------------------------------------------

  get client(): ConformanceClient | undefined {
    return this.upgrade.accepted ? this.upgrade.client : undefined;
  }

  get end(): ClientEnd | undefined {
    return this.client?.end;
  }

  /** Text messages, in order. */
  get said(): readonly Said[] {
    let audioBefore = 0;
    const said: Said[] = [];
    for (const message of this.client?.received ?? []) {
      if (message.type === 'audio') audioBefore++;
      else said.push({ text: message.text, fields: parseObject(message.text), audioBefore });
    }
    return said;
  }

  get replies(): readonly Said[] {
    return this.said.filter(({ fields }) => isReply(fields?.command));
  }

  get reply(): Reply | undefined {
    return this.replies[0]?.fields?.command as Reply | undefined;
  }

  get answered(): boolean {
    return this.reply === 'answer';
  }

  /** Of the offer, what the answer asked for. */
  get granted(): readonly string[] {
    const wanted = this.replies[0]?.fields?.extensions;
    return Array.isArray(wanted) ? this.offered.filter((name) => wanted.includes(name)) : [];
  }

  get audioBytes(): number {
    let sizeBytes = 0;
    for (const message of this.client?.received ?? []) {
      if (message.type === 'audio') sizeBytes += message.sizeBytes;
    }
    return sizeBytes;
  }

  get audioMs(): number {
    return (this.audioBytes * 1_000) / bytesPerSample / this.sampleRate;
  }

  /** Since the last audio; undefined where none came. */
  quietMs(): number | undefined {
    const last = this.client?.received.filter(({ type }) => type === 'audio').at(-1);
    return last && (this.client?.endedMs ?? this.#clock.nowMs()) - last.atMs;
  }

  // ---- What is done ------------------------------------------------------------------------------------------

  async awaitReply(): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    await client.until(() => this.reply !== undefined || client.end !== undefined, this.#timing.replyMs);
    const index = client.received.findIndex(
      (message) => message.type === 'text' && isReply(parseObject(message.text)?.command),
    );
    const reply = client.received[index];
    if (reply !== undefined) this.replyMs = reply.atMs - client.openedMs;
  }

  /** Sends a tone at the pace of a phone, where the call was answered. */
  async talk(forMs = this.#timing.talkMs): Promise<void> {
    const { client } = this;
    if (client === undefined || !this.answered) return;
    const frame = new Int16Array((this.sampleRate * streamFrameMs) / 1_000);
    const tone = createTone(toneHz, this.sampleRate, toneDbfs);
    const startedMs = this.#clock.nowMs();
    for (let sentMs = 0; sentMs < forMs && client.end === undefined; sentMs += streamFrameMs) {
      tone.fill(frame, 0, frame.length);
      client.sendAudio(new Uint8Array(frame.slice().buffer));
      const aheadMs = startedMs + sentMs + streamFrameMs - this.#clock.nowMs();
      if (aheadMs > 0) await client.until(() => client.end !== undefined, aheadMs);
    }
  }

  /** Waits until the server must have seen all that was sent, and for what it makes of it. */
  async settle(): Promise<void> {
    const { client } = this;
    if (client === undefined) return;
    const payload = randomBytes(8);
    client.sendPing(payload);
    const ponged = await client.until(
      () => client.hasPong(payload) || client.end !== undefined,
      this.#timing.pongMs,
    );
    if (client.end === undefined || client.hasPong(payload)) this.pongs = this.pongs !== false && ponged;
    await client.until(() => client.end !== undefined, this.#timing.settleMs);
  }

  /** Hangs up as a gateway does when the phone does. */
  async hangUp(code = 1000, reason = 'CALLERHANGUP'): Promise<void> {
    const { client } = this;
    this.early = client?.end;
    if (client === undefined || client.end !== undefined) return;
    this.closedBack = await client.close(code, reason, this.#timing.closeMs);
  }
}

/** As a gateway writes it. */
export function connectText(
  sampleRate: number,
  extensions: readonly string[],
  fields: Readonly<Record<string, unknown>> = {},
): string {
  const callId = `conformance-${++calls}`;
  const headers = { ticket: '4815' };
  return JSON.stringify({
    command: 'connect',
    version: 1,
    callId,
    applicationKey: '',
    codec: 'PCM',
    sampleRate,
    callHeaders: headers,
    from: 'sip:conformance@callwire.invalid',
    to: 'sip:bot@callwire.invalid',
    direction: 'inbound',
    sipHeaders: { 'X-Ticket': 'INC-4815' },
    extensions,
    applicationId: '',
    headers,
    CallId: callId,
    ApplicationId: '',
    Headers: headers,
    ...fields,
  });
}

export function isReply(command: unknown): command is Reply {
  return command === 'answer' || command === 'busy' || command === 'reject';
}
