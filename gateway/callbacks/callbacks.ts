import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { AceMessage, DiceMessage, IceMessage, NotifyMessage, PieMessage } from './callback-messages.ts';

/** Asks and tells applications about their calls. */
export interface Callbacks {
  /** Never rejects. Tries the application's callbackUrl, then its fallbackUrl; with `url`, which came over the API,
   *  only that. The answer takes at most callbackTimeoutMs a URL. */
  ask(applicationKey: string, message: CallbackQuestion, url?: string): Promise<CallbackAnswer>;
  /** Returns at once. Queued, tried again for minutes, bounded; given up once a server has taken it. */
  tell(applicationKey: string, message: CallbackNews, url?: string): void;
  /** Gives what is queued a last try, for a short time. */
  close(): Promise<void>;
}

export type CallbackQuestion = IceMessage | AceMessage | PieMessage;
export type CallbackNews = DiceMessage | NotifyMessage;

export type CallbackAnswer =
  /** An ICE's always has an action. */
  | { readonly kind: 'svaml'; readonly svaml: Svaml; readonly trusted: false }
  /** Of the last URL that was tried, for the log. */
  | { readonly kind: 'failed'; readonly detail: string };
