import type { PieMessage } from '../callbacks/callback-messages.ts';
import type { Call } from './call.ts';

/** Asks the call's application what follows from its keys, and goes on with that; without words the call ends. */
export async function askPie(call: Call, message: PieMessage): Promise<void> {
  const { callbacks } = call.context;
  const { applicationKey, pie } = call.owner;
  if (pie?.kind === 'svaml') return call.run(pie.svaml);
  const answer = await callbacks.ask(applicationKey, message, pie?.url);
  if (!call.live) return;
  if (answer.kind === 'failed') return call.end('callbackFailed', answer.detail);
  call.run(answer.svaml);
}
