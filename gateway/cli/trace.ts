import type { CallTrace } from '../control/call-trace.ts';
import { type AdminOptions, askGateway, type Output, printable } from './admin-client.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';
import { drawTrace } from './trace-ladder.ts';

export interface TraceOptions extends AdminOptions {
  /** Every message in full. */
  readonly messages?: boolean;
}

/** `callwire trace CALL_ID`: the SIP messages of a call as a ladder, or as the API's JSON. */
export function runTrace(
  callId: string,
  options: TraceOptions,
  out: Output & { readonly isTTY?: boolean },
  err: Output,
): Promise<ExitStatus> {
  const path = `/calls/${encodeURIComponent(callId)}/trace`;
  return askGateway(options, { method: 'GET', path }, err, ({ body }) => {
    if (options.json === true) {
      out.write(`${JSON.stringify(body, undefined, 2)}\n`);
      return exitStatus.ok;
    }
    const trace = shown(body as CallTrace);
    const drawn = drawTrace(trace, { whole: options.messages === true, colour: out.isTTY === true });
    const [first] = trace.messages;
    out.write(`call ${trace.callId}${first === undefined ? '' : `, ${first.at}`}\n\n`);
    for (const line of drawn) out.write(`${line}\n`);
    return exitStatus.ok;
  });
}

/** What peers wrote, safe for a terminal. */
function shown({ callId = '', messages = [], dropped = 0 }: CallTrace): CallTrace {
  return {
    callId: printable(callId),
    dropped,
    messages: messages.map((message) => ({
      ...message,
      remote: printable(message.remote),
      summary: printable(message.summary),
      text: message.text.split('\n').map(printable).join('\n'),
    })),
  };
}
