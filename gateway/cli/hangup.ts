import { type AdminOptions, askGateway, type Output, printable } from './admin-client.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';

/** `callwire hangup CALL_ID`: ends a call; exit 1 if there is none of that id. */
export function runHangup(
  callId: string,
  options: AdminOptions,
  out: Output,
  err: Output,
): Promise<ExitStatus> {
  const path = `/calls/${encodeURIComponent(callId)}`;
  return askGateway(options, { method: 'DELETE', path }, err, () => {
    out.write(options.json === true ? `${JSON.stringify({ callId })}\n` : `ended ${printable(callId)}\n`);
    return exitStatus.ok;
  });
}
