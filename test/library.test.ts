import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** The built package as another program sees it, `npm run build` first. */

const root = resolve(import.meta.dirname, '..');
const program = `(async () => {
  const { ConfigError, defaultConfig, loadConfig, startGateway } = await import('callwire');
  const quiet = {
    sip: { listen: ['udp:localhost:0'] },
    rtp: { ports: [0, 0] },
    http: { listen: 'localhost:0' },
    log: { level: 'silent' },
  };
  const gateway = await startGateway(defaultConfig({ ...quiet, routes: [] }));
  const { listening, state } = gateway;
  await gateway.close();
  const loaded = await loadConfig({ env: {}, directory: '/nowhere', overrides: { node: { id: 'mine' } } });
  let refused;
  try { defaultConfig({ sip: { maxCalls: 'many' } }); } catch (error) { refused = error instanceof ConfigError; }
  console.log(JSON.stringify({ listening, state, after: gateway.state, id: loaded.node.id, refused }));
})()`;

it('a program imports the package by its name, makes a configuration and starts a gateway', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program], {
    cwd: root,
    timeout: 15_000,
  });
  expect(JSON.parse(stdout)).toEqual({
    listening: {
      sip: [expect.stringMatching(/^udp:127\.0\.0\.1:\d+$/)],
      http: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    },
    state: 'ready',
    after: 'closed',
    id: 'mine',
    refused: true,
  });
});

it('the types that go with it name the configuration', async () => {
  const { exports } = JSON.parse(await readFile(resolve(root, 'package.json'), 'utf8'));
  const types = await readFile(resolve(root, exports['.'].types), 'utf8');
  for (const name of ['startGateway', 'Config', 'ConfigInput', 'Gateway', 'GatewayIo'])
    expect(types).toMatch(new RegExp(`\\b${name}\\b`));
});
