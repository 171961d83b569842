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
    reloadCertificates: async () => true,
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

it('SIGHUP has the certificates read anew, and the gateway goes on', async () => {
  let reloads = 0;
  const gateway: Running['gateway'] = {
    listening: { sip: [], http: undefined },
    activeCalls: 0,
    drain: async () => {},
    close: async () => {},
    reloadCertificates: async () => {
      reloads++;
      return true;
    },
  };
  const served = serveUntilStopped({ gateway, bots: undefined }, 0, {
    log: silentLog,
    err: { write: () => {} },
  });
  process.emit('SIGHUP');
  process.emit('SIGTERM');
  expect(await served).toBe(0);
  expect(reloads).toBe(1);
  expect(process.listenerCount('SIGHUP')).toBe(0);
});
