import { ProtocolError } from '../../protocol/protocol-error.ts';
import { checkSvaml, type Svaml } from '../../protocol/svaml/svaml.ts';
import { CallbackError } from './callback-error.ts';
import type { CallbackQuestion } from './callback-messages.ts';
import type { PostAnswer } from './json-post.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The SVAML of an answer. An empty one says nothing, which is enough for ACE and PIE but not for ICE.
 *  @throws CallbackError `callback-failed` or `callback-invalid`, naming the field. */
export function readAnswer({ status, body }: PostAnswer, event: CallbackQuestion['event']): Svaml {
  if (status < 200 || status > 299) throw new CallbackError('callback-failed', `HTTP ${status}`, status);
  const svaml = body.length === 0 ? checkSvaml({}) : parse(body, status);
  if (event === 'ice' && svaml.action === undefined) {
    throw new CallbackError('callback-invalid', 'action is missing in the answer to an ICE', status);
  }
  return svaml;
}

function parse(body: Buffer, status: number): Svaml {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    throw new CallbackError('callback-invalid', `the answer is no JSON (${body.length} bytes)`, status);
  }
  try {
    return checkSvaml(value);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new CallbackError('callback-invalid', error.message, status);
  }
}
