import { randomUUID } from 'node:crypto';
import { authorizationOf } from '../../protocol/signing.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config.ts';
import { errorCode, errorMessage } from '../errors.ts';
import type { Log } from '../log.ts';
import type { EndpointGuard } from '../routing/endpoint-guard.ts';
import { readAnswer } from './callback-answer.ts';
import { CallbackError } from './callback-error.ts';
import type { CallbackNews, CallbackQuestion } from './callback-messages.ts';
import { JsonPost, type PostAnswer, type PostRequest } from './json-post.ts';
import { NewsQueue, type TryOutcome } from './news-queue.ts';
import { Slots } from './slots.ts';

/** Asks and tells applications about their calls. */
export interface Callbacks {
  /** Never rejects. Tries the application's callbackUrl, or `url`, which came over the API, then its fallbackUrl;
   *  each for at most callbackTimeoutMs. */
  ask(applicationKey: string, message: CallbackQuestion, url?: string): Promise<CallbackAnswer>;
  /** Returns at once. Queued, tried again for minutes, bounded; over once a server has taken it. With `url`, only
   *  there. Without any URL nothing happens. */
  tell(applicationKey: string, message: CallbackNews, url?: string): void;
  /** News that wait to be taken, of all applications. */
  readonly waiting: number;
  /** Gives what is queued a last try, for a short time. */
  close(): Promise<void>;
}

export type CallbackAnswer =
  /** An ICE's always has an action. */
  | { readonly kind: 'svaml'; readonly svaml: Svaml; readonly trusted: false }
  /** Of every URL that was tried, for the log. */
  | { readonly kind: 'failed'; readonly detail: string };

export interface CallbacksOptions {
  readonly applications: Config['applications'];
  readonly limits: Config['callbacks'];
  readonly clock: Clock;
  readonly log: Log;
  /** Of http and https URLs. */
  readonly guard: EndpointGuard;
  /** `callback-…` codes: `failed`, `timeout`, `invalid`, `refused`, `overload` a URL; `dropped`, `expired`,
   *  `undelivered` a message that was given up. */
  readonly counted: (code: string) => void;
  /** Every POST that was tried, and how long it took. */
  readonly tried?: (event: string, outcome: 'taken' | 'failed', seconds: number) => void;
  /** Longest last try at the end; default 1.5 s. */
  readonly closeMs?: number;
  /** Sends one request; default over the network. */
  readonly post?: (request: PostRequest) => Promise<PostAnswer>;
}

const contentType = 'application/json; charset=utf-8';
const closeMsDefault = 1_500;
/** News that the application does not take at once keep at most so many of its connections from questions. */
const newsShare = 4;

interface News {
  readonly message: CallbackNews;
  readonly url: string | undefined;
  /** The same in each try, so that a server can tell a repetition. */
  readonly id: string;
}

interface Target {
  readonly url: string;
  /** The operator wrote it. */
  readonly trusted: boolean;
}

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { applications, clock, limits, closeMs = closeMsDefault } = options;
  const sender = new JsonPost(clock, limits.connections);
  const post = options.post ?? ((request: PostRequest) => sender.post(request));
  const byKey = new Map(
    applications.map((application) => [
      application.key,
      new ApplicationCallbacks(application, options, post),
    ]),
  );
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([...byKey.values()].map((application) => application.close(closeMs)));
    sender.close();
  };
  return {
    async ask(key, message, url) {
      const application = byKey.get(key);
      if (application === undefined)
        return { kind: 'failed', detail: `there is no application ${JSON.stringify(key)}` };
      return application.ask(message, url);
    },
    tell: (key, message, url) => byKey.get(key)?.tell(message, url),
    get waiting() {
      return [...byKey.values()].reduce((sum, { waiting }) => sum + waiting, 0);
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

class ApplicationCallbacks {
  readonly #application: Config['applications'][number];
  readonly #options: CallbacksOptions;
  readonly #post: (request: PostRequest) => Promise<PostAnswer>;
  readonly #slots: Slots;
  readonly #ownNews: NewsQueue<News>;
  /** To URLs that came over the API: one that is dead must not hold up the DICEs. */
  readonly #givenNews: NewsQueue<News>;
  #closed = false;

  constructor(
    application: Config['applications'][number],
    options: CallbacksOptions,
    post: (request: PostRequest) => Promise<PostAnswer>,
  ) {
    this.#application = application;
    this.#options = options;
    this.#post = post;
    const { connections, queue, retryFor, waiting } = options.limits;
    this.#slots = new Slots(connections, waiting);
    const common = {
      clock: options.clock,
      limit: queue,
      parallel: Math.max(1, Math.floor(connections / newsShare)),
      retryForMs: retryFor * 1000,
      dropped: (news: News, why: 'full' | 'expired') => this.#dropped(news, why),
    };
    this.#ownNews = new NewsQueue({ ...common, attempt: (news) => this.#tryToTell(news) });
    this.#givenNews = new NewsQueue({
      ...common,
      attempt: async (news) => {
        const outcome = await this.#tryToTell(news);
        return outcome === 'down' ? 'refused' : outcome;
      },
    });
  }

  get waiting(): number {
    return this.#ownNews.size + this.#givenNews.size;
  }

  async ask(message: CallbackQuestion, url: string | undefined): Promise<CallbackAnswer> {
    const details: string[] = [];
    const id = randomUUID();
    for (const target of this.#targets(url, true)) {
      try {
        const answer = await this.#send(target, message, id);
        return { kind: 'svaml', svaml: readAnswer(answer, message.event), trusted: false };
      } catch (error) {
        details.push(this.#failed(error, target, message));
      }
    }
    return { kind: 'failed', detail: details.join('; ') || 'the application has no callbackUrl' };
  }

  tell(message: CallbackNews, url: string | undefined): void {
    if (this.#closed) return this.#dropped({ message, url, id: '' }, 'undelivered');
    if (url !== undefined) this.#givenNews.push({ message, url, id: randomUUID() });
    else if (this.#application.callbackUrl !== undefined)
      this.#ownNews.push({ message, url, id: randomUUID() });
  }

  async close(limitMs: number): Promise<void> {
    this.#closed = true;
    const left = await Promise.all([this.#ownNews.close(limitMs), this.#givenNews.close(limitMs)]);
    const count = left.reduce((sum, some) => sum + some, 0);
    if (count === 0) return;
    for (let i = 0; i < count; i++) this.#options.counted('callback-undelivered');
    this.#options.log.warn({ application: this.#application.key, count }, 'callbacks not delivered');
  }

  #targets(url: string | undefined, withFallback: boolean): Target[] {
    const { callbackUrl, fallbackUrl } = this.#application;
    const first =
      url !== undefined ? { url, trusted: false } : callbackUrl && { url: callbackUrl, trusted: true };
    const second = withFallback && fallbackUrl !== undefined && { url: fallbackUrl, trusted: true };
    return [first, second].filter((target) => typeof target === 'object');
  }

  async #tryToTell({ message, url, id }: News): Promise<TryOutcome> {
    let outcome: TryOutcome = 'refused';
    for (const target of this.#targets(url, url === undefined)) {
      try {
        const { status } = await this.#send(target, message, id);
        if (status >= 200 && status < 300) return 'taken';
        throw new CallbackError('callback-failed', `HTTP ${status}`, status);
      } catch (error) {
        if (isTaken(error)) return 'taken';
        this.#failed(error, target, message);
        outcome = isDown(error) ? 'down' : 'refused';
      }
    }
    return outcome;
  }

  /** One POST, its wait for a connection included. */
  async #send(target: Target, message: CallbackQuestion | CallbackNews, id: string): Promise<PostAnswer> {
    const { clock, tried } = this.#options;
    const startedMs = clock.nowMs();
    let outcome: 'taken' | 'failed' = 'failed';
    try {
      const answer = await this.#exchange(target, message, id);
      if (answer.status >= 200 && answer.status < 300) outcome = 'taken';
      return answer;
    } finally {
      tried?.(message.event, outcome, (clock.nowMs() - startedMs) / 1000);
    }
  }

  async #exchange(target: Target, message: CallbackQuestion | CallbackNews, id: string): Promise<PostAnswer> {
    const { clock, guard } = this.#options;
    const { key, secret, callbackTimeoutMs } = this.#application;
    const startedMs = clock.nowMs();
    let address: string | undefined;
    if (!target.trusted) {
      const approval = await this.#inTime(guard.approve(target.url), callbackTimeoutMs);
      if (!approval.approved) throw new CallbackError('callback-refused', approval.message);
      address = approval.address;
    }
    await this.#enter(callbackTimeoutMs - (clock.nowMs() - startedMs));
    try {
      const limitMs = callbackTimeoutMs - (clock.nowMs() - startedMs);
      if (limitMs <= 0) throw new CallbackError('callback-timeout', 'no connection was free in time');
      const url = new URL(target.url);
      const body = Buffer.from(JSON.stringify(message));
      const timestamp = new Date(clock.wallMs()).toISOString();
      const signed = { method: 'POST', path: url.pathname + url.search, contentType, body, timestamp };
      const headers = {
        Accept: 'application/json',
        'Content-Type': contentType,
        'User-Agent': 'Callwire',
        'x-timestamp': timestamp,
        'x-callback-id': id,
        Authorization: authorizationOf(signed, { key, secret }),
      };
      return await this.#post({ url, headers, body, limitMs, address });
    } finally {
      this.#slots.release();
    }
  }

  #enter(limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(limitMs, () => {
        leave?.();
        reject(new CallbackError('callback-timeout', 'no connection was free in time'));
      });
      const leave = this.#slots.enter(() => {
        timer.cancel();
        resolve();
      });
      if (leave !== undefined) return;
      timer.cancel();
      reject(new CallbackError('callback-overload', 'too many callbacks wait for a connection'));
    });
  }

  /** A name service may take longer than anybody waits. */
  async #inTime<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
    let timer: Timer | undefined;
    const limit = new Promise<never>((_resolve, reject) => {
      timer = this.#options.clock.after(limitMs, () =>
        reject(new CallbackError('callback-timeout', `the name was not resolved within ${limitMs} ms`)),
      );
    });
    try {
      return await Promise.race([work, limit]);
    } finally {
      timer?.cancel();
    }
  }

  /** Counts and logs it; the answer is for the call's log. */
  #failed(error: unknown, { url }: Target, { event, callid }: CallbackQuestion | CallbackNews): string {
    const { counted, log } = this.#options;
    const code = errorCode(error);
    counted(code.startsWith('callback-') ? code : 'callback-failed');
    const where = shownUrl(url);
    const detail = errorMessage(error).slice(0, 300);
    const application = this.#application.key;
    log.warn({ application, callId: callid, event, url: where, code, detail }, 'callback failed');
    return `${where}: ${detail}`;
  }

  #dropped({ message }: News, why: 'full' | 'expired' | 'undelivered'): void {
    const { counted, log } = this.#options;
    counted(why === 'full' ? 'callback-dropped' : `callback-${why}`);
    const { event, callid } = message;
    log.warn({ application: this.#application.key, callId: callid, event, why }, 'callback given up');
  }
}

/** What comes with the status is not read: a long answer is one too. */
function isTaken(error: unknown): boolean {
  const { code, status = 0 } = error instanceof CallbackError ? error : { code: '' };
  return code === 'callback-too-large' && status >= 200 && status < 300;
}

/** Nobody there, or at the limit: others would fare the same. */
function isDown(error: unknown): boolean {
  if (!(error instanceof CallbackError)) return true;
  return error.status === undefined
    ? error.code !== 'callback-refused'
    : error.status >= 500 || error.status === 429 || error.status === 408;
}

/** Credentials and query are not shown. */
function shownUrl(text: string): string {
  if (!URL.canParse(text)) return '(no URL)';
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
