import { expect, it } from 'vitest';
import { type Running, serveUntilStopped } from '../../../gateway/cli/serve.ts';
import { silentLog } from '../../../gateway/log.ts';

it('a gateway that fails to close is said, its bots are closed and the process may end: status 1', async () => {
  let botsClosed = 0;
  let said = '';
  const gateway: Running['gateway'] = {
    listening: { sip: [], http: undefined },
    activeCalls: 0,
    drain: async () => {
      throw new Error('a socket that does not close');
    },
    close: async () => {},
  };
  const bots = {
    close: async () => {
      botsClosed++;
    },
  };
  const listeners = process.listenerCount('SIGTERM');
  const err = { write: (text: string) => (said += text) };
  const served = serveUntilStopped({ gateway, bots }, 0, { log: silentLog, err });
  process.emit('SIGTERM');
  expect(await served).toBe(1);
  expect(said).toBe('callwire serve: could not close: a socket that does not close\n');
  expect(botsClosed).toBe(1);
  expect(process.listenerCount('SIGTERM')).toBe(listeners);
});
