import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { Call } from './call.ts';
import { aceMessage } from './call-messages.ts';

/** What a call's application says once somebody answered; undefined where the call has ended, because it said nothing
 *  that could be understood or because of anything else meanwhile. */
export async function askAce(call: Call, url?: string): Promise<Svaml | undefined> {
  const { context, owner } = call;
  const answer = await context.callbacks.ask(owner.applicationKey, aceMessage(call), url);
  if (!call.live) return undefined;
  if (answer.kind === 'svaml') return answer.svaml;
  call.end('callbackFailed', answer.detail);
  return undefined;
}
