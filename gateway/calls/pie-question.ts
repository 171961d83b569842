import type { Svaml, SvamlAction } from '../../protocol/svaml/svaml.ts';
import type { PieMessage } from '../callbacks/callback-messages.ts';
import type { Call } from './call.ts';

/** Asks the call's application what follows from its keys, and goes on with that; without words the call ends.
 *  `otherwise`: where the answer is to continue, and nothing is left that could go on. */
export async function askPie(call: Call, message: PieMessage, otherwise?: SvamlAction): Promise<void> {
  const goOn = ({ instructions, action }: Svaml): void => {
    const goesOn = action === undefined || action.name === 'continue';
    call.run({ instructions, action: goesOn ? (otherwise ?? action) : action });
  };
  const { callbacks } = call.context;
  const { applicationKey, pie } = call.owner;
  if (pie?.kind === 'svaml') return goOn(pie.svaml);
  const answer = await callbacks.ask(applicationKey, message, pie?.url);
  if (!call.live) return;
  if (answer.kind === 'failed') return call.end('callbackFailed', answer.detail);
  goOn(answer.svaml);
}
