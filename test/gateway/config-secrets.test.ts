import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../gateway/config.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-secrets-'));
});

afterEach(() => rm(directory, { recursive: true }));

async function warningsOf(config: object): Promise<string[]> {
  const warnings: string[] = [];
  const file = join(directory, 'callwire.yaml');
  await writeFile(file, JSON.stringify(config));
  await chmod(file, 0o644);
  await loadConfig({ env: {}, directory, file, warn: (sentence) => warnings.push(sentence) });
  return warnings.map((sentence) => sentence.replace(directory, '.'));
}

const route = (endpoint: string, more: object = {}) => ({
  routes: [{ action: { name: 'connectStream', destination: { type: 'Websocket', endpoint }, ...more } }],
});
const application = { key: 'a', secret: 'c2VjcmV0LXNlY3JldA==' };

describe('a configuration that every user of the machine can read', () => {
  // biome-ignore format: a table reads as a table
  it.each<{ name: string; config: object }>([
    { name: "an application's secret", config: { applications: [application] } },
    { name: "a phone's password", config: { sip: { auth: { users: [{ username: 'a', password: 'b' }] } } } },
    { name: "a trunk's password", config: { trunks: [{ name: 'a', uri: 'sip:a', username: 'a', password: 'b' }] } },
    { name: "a storage's key", config: { recording: { s3: { bucket: 'calls', accessKeyId: 'a', secretAccessKey: 'b' } } } },
    { name: 'an authorization', config: route('wss://a/', { authorization: 'Bearer a' }) },
    { name: 'the key of a signature', config: route('wss://a/', { streamingOptions: { signing: { secret: 'secret-secret' } } }) },
    { name: "a listener's authorization", config: route('wss://a/', { streamingOptions: { tap: [{ endpoint: 'wss://b/', authorization: 'Bearer a' }] } }) },
    { name: 'credentials in a URL', config: route('wss://user:pw@a/') },
    { name: 'a token in a URL', config: route('wss://a/?token=b') },
  ])('is warned of where it holds $name', async ({ config }) => {
    expect(await warningsOf(config)).toContain(
      './callwire.yaml holds secrets and can be read by every user of this machine; run chmod o-r on it',
    );
  });

  it('is not where it holds none', async () => {
    expect(await warningsOf({ ...route('wss://a/b'), log: { level: 'info' } })).toEqual([]);
  });
});

it('a private key that every user of the machine can read is warned of', async () => {
  const cert = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  for (const file of [cert, key]) await writeFile(file, 'PEM');
  const tls = { tls: { cert, key } };
  await chmod(key, 0o640);
  expect(await warningsOf({ http: tls })).toEqual([]);
  await chmod(key, 0o644);
  expect(await warningsOf({ http: tls, sip: tls })).toEqual([
    './key.pem is a private key and can be read by every user of this machine; run chmod o-r on it',
  ]);
});
