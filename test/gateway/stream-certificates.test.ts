import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import { readStreamCertificates } from '../../gateway/stream-certificates.ts';

let directory: string;
const ours = createCertificate(Date.now());
const others = createCertificate(Date.now());

function file(name: string): string {
  return join(directory, name);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-'));
  await writeFile(file('cert.pem'), ours.cert);
  await writeFile(file('key.pem'), ours.key);
  await writeFile(file('other.pem'), others.key);
});

afterAll(() => rm(directory, { recursive: true }));

describe('certificates towards stream servers', () => {
  it('are those of the first entry that fits the endpoint', async () => {
    const tlsFor = await readStreamCertificates([
      { endpoints: 'wss://bot.example:8443/*', cert: file('cert.pem'), key: file('key.pem') },
      { endpoints: 'wss://*.example', ca: file('cert.pem') },
    ]);
    expect(tlsFor('wss://bot.example:8443/calls')).toEqual({ cert: ours.cert, key: ours.key });
    expect(tlsFor('wss://other.example/')).toEqual({ ca: ours.cert });
    expect([
      tlsFor('wss://bot.test/'),
      tlsFor('ws://other.example/'),
      tlsFor('tcp://other.example:1'),
    ]).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    ['are not there', { cert: 'missing.pem', key: 'key.pem' }, 'ENOENT'],
    ['do not fit together', { cert: 'cert.pem', key: 'other.pem' }, 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'],
    ['are none', { ca: 'cert.pem', cert: 'key.pem', key: 'key.pem' }, 'ERR_OSSL'],
  ])('are refused with their place where they %s', async (_what, names, code) => {
    const files = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, file(name)]));
    await expect(readStreamCertificates([{ endpoints: 'wss://*', ...files }])).rejects.toMatchObject({
      code: expect.stringContaining(code),
      message: expect.stringContaining('stream.tls[0]: '),
    });
  });
});
