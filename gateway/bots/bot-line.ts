import type { OutMessage } from '../../protocol/stream/messages.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { BotCall } from './bot-call.ts';
import type { BotCallEnd } from './bot-call-events.ts';
import { BotCallSession } from './bot-call-session.ts';
import type { BotCallInfo } from './bot-connect.ts';
import { BotError } from './bot-error.ts';
import type { BotDialect, BotDialectSession, BotNews } from './dialects/bot-dialect.ts';

/** What carries a dialect's messages. */
export interface BotWire {
  send(message: OutMessage): void;
  /** More audio can be sent without piling up in memory. */
  hasRoom(): boolean;
  close(code: number, reason: string): void;
}

export interface BotLineOptions {
  readonly dialect: BotDialect;
  readonly wire: BotWire;
  /** The only call that may come on this connection, where connects are signed. */
  readonly callIdSigned?: string | undefined;
  readonly host: BotHost;
}

/** Whose calls they are. */
export interface BotHost {
  readonly onCall: (call: BotCall) => unknown;
  readonly calls: Set<BotCall>;
  readonly report: (error: unknown, call: BotCall | undefined) => void;
  readonly clock?: Clock | undefined;
  readonly sampleRate?: number | undefined;
  readonly sampleRateAssumed?: number | undefined;
  readonly extensions?: 'all' | readonly string[] | undefined;
  readonly playAheadMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
}

const handshakeTimeoutMs = 10_000;
/** Where the gateway cannot be told to drop what it has: that is how much of it a `clear` leaves. */
const playAheadMsUnclearable = 200;

/** One connection of a gateway, from its first message on: a dialect between the wire and the call. */
export class BotLine {
  readonly #options: BotLineOptions;
  readonly #session: BotDialectSession;
  readonly #limit: { cancel(): void };
  #call: BotCallSession | undefined;
  /** What it said was no opening, or the call is over. */
  #isDone = false;

  constructor(options: BotLineOptions) {
    const { dialect, host, wire } = options;
    this.#options = options;
    this.#session = dialect.createSession({
      sampleRateAssumed: host.sampleRateAssumed ?? 8_000,
      heard: () => this.#call?.heardSoFar ?? { playedMs: 0, bufferedMs: 0 },
    });
    // For `connect`, and where the bot refused for the gateway to close.
    this.#limit = (host.clock ?? systemClock).after(handshakeTimeoutMs, () => {
      if (this.#call === undefined || this.#call.state === 'refused') wire.close(1002, 'handshake timeout');
    });
  }

  receiveText(text: string): void {
    this.#receive(() => this.#session.receiveText(text));
  }

  receiveBinary(bytes: Uint8Array): void {
    this.#receive(() => this.#session.receiveBinary(bytes));
  }

  /** The connection is gone. */
  end(end: BotCallEnd): void {
    this.#limit.cancel();
    this.#isDone = true;
    if (this.#call === undefined) return;
    this.#options.host.calls.delete(this.#call);
    this.#call.end(end);
  }

  /** Says goodbye as the dialect has it, and closes. */
  close(code: number, reason: string): void {
    for (const message of this.#session.closing?.() ?? []) this.#options.wire.send(message);
    this.#options.wire.close(code, reason);
  }

  #receive(read: () => readonly BotNews[]): void {
    if (this.#isDone) return;
    try {
      for (const news of read()) this.#take(news);
    } catch (error) {
      this.#isDone = true;
      this.#options.host.report(error, this.#call);
      this.#options.wire.close(1002, this.#call === undefined ? 'expected connect' : 'bad message');
    }
  }

  #take(news: BotNews): void {
    switch (news.type) {
      case 'connect':
        return this.#begin(news.info);
      case 'audio':
        return this.#call?.receiveAudio(news.pcm);
      case 'message':
        return this.#call?.receiveMessage(news.message, news.events);
      case 'hangup':
        return this.#options.wire.close(1000, '');
    }
  }

  #begin(told: BotCallInfo): void {
    const { host, wire, dialect, callIdSigned } = this.#options;
    const { onCall, clock = systemClock, sampleRate, extensions = 'all' } = host;
    const { playAheadMs = 2_000, heartbeatMs = 15_000 } = host;
    if (callIdSigned !== undefined && dialect.tellsCallId && told.callId !== callIdSigned)
      throw new BotError(
        'bad-message',
        `the token is of call ${callIdSigned}, the connect of ${told.callId}`,
      );
    const info = callIdSigned === undefined ? told : { ...told, callId: callIdSigned };
    const failed = (error: unknown): void => {
      host.report(error, call);
      if (call.state === 'ringing') call.reject();
      else this.close(1011, 'ERROR');
    };
    const call = new BotCallSession({
      info,
      connection: {
        dialect,
        sendCommand: (command) => {
          for (const message of this.#session.say(command)) wire.send(message);
          const isRefusal = command.command === 'busy' || command.command === 'reject';
          if (isRefusal && !dialect.awaitsReply) this.close(1000, '');
        },
        sendAudio: (pcm) => {
          for (const message of this.#session.encodeAudio(pcm)) wire.send(message);
        },
        hasRoom: () => wire.hasRoom(),
        close: (code, reason) => this.close(code, reason),
      },
      clock,
      sampleRate,
      extensions,
      playAheadMs: dialect.lacks.has('clear') ? Math.min(playAheadMs, playAheadMsUnclearable) : playAheadMs,
      heartbeatMs,
      failed,
    });
    this.#call = call;
    host.calls.add(call);
    callGuarded(() => onCall(call), failed);
  }
}

function callGuarded(run: () => unknown, failed: (error: unknown) => void): void {
  try {
    Promise.resolve(run()).catch(failed);
  } catch (error) {
    failed(error);
  }
}
