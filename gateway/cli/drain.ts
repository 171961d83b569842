import { type AdminOptions, askGateway, type Output } from './admin-client.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';

/** `callwire drain`: the gateway takes no new calls from now on; live ones go on. */
export function runDrain(options: AdminOptions, out: Output, err: Output): Promise<ExitStatus> {
  return askGateway(options, { method: 'POST', path: '/drain' }, err, ({ body }) => {
    const { calls = 0 } = (body ?? {}) as { readonly calls?: number };
    const live = calls === 1 ? '1 call goes on' : `${calls} calls go on`;
    out.write(options.json === true ? `${JSON.stringify(body)}\n` : `draining: no new calls, ${live}\n`);
    return exitStatus.ok;
  });
}
