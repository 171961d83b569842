import { describe, expect, test } from 'vitest';
import { createEndpointGuard, isPublicAddress } from '../../../gateway/routing/endpoint-guard.ts';

const names: Readonly<Record<string, readonly string[]>> = {
  'bot.example': ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'six.example': ['2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'inside.example': ['10.1.2.3'],
  'mixed.example': ['93.184.215.14', '169.254.169.254'],
  'empty.example': [],
  localhost: ['127.0.0.1'],
};

const resolve = async (host: string): Promise<readonly string[]> => {
  const found = names[host];
  if (found === undefined)
    throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
  return found;
};

const approve = (endpoint: string, allow: readonly string[] = [], denyPrivate = true) =>
  createEndpointGuard({ allow, denyPrivate, resolve }).approve(endpoint);

describe('an endpoint that somebody else named', () => {
  test.each([
    { endpoint: 'wss://bot.example/call', address: '93.184.215.14' },
    { endpoint: 'ws://bot.example:9000/', address: '93.184.215.14' },
    { endpoint: 'wss://six.example/', address: '2606:2800:21f:cb07:6820:80da:af6b:8b2c' },
    { endpoint: 'wss://93.184.215.14/', address: '93.184.215.14' },
    { endpoint: 'tcp://bot.example:9092', address: '93.184.215.14' },
    {
      endpoint: 'wss://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/',
      address: '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
    },
  ])('is connected to at the address that was checked: $endpoint', async ({ endpoint, address }) => {
    expect(await approve(endpoint)).toEqual({ approved: true, address });
  });

  test.each([
    'ws://127.0.0.1/',
    'ws://127.255.255.254/',
    'tcp://127.0.0.1:9092',
    'tcp://0x7f.1:9092',
    'tcp://2130706433:9092/',
    'ws://localhost/',
    'ws://0.0.0.0/',
    'ws://10.0.0.1/',
    'ws://172.16.0.1/',
    'ws://172.31.255.255/',
    'ws://192.168.1.1/',
    'ws://100.64.0.1/',
    'ws://100.100.100.200/latest/meta-data',
    'ws://169.254.169.254/latest/meta-data',
    'ws://168.63.129.16/',
    'ws://192.0.0.192/',
    'ws://198.18.0.1/',
    'ws://224.0.0.1/',
    'ws://240.0.0.1/',
    'ws://255.255.255.255/',
    // Decimal, octal, hexadecimal, short and mixed forms
    'ws://2130706433/',
    'ws://0x7f000001/',
    'ws://017700000001/',
    'ws://0177.0.0.1/',
    'ws://0x7f.0.0.1/',
    'ws://0x7f.1/',
    'ws://127.1/',
    'ws://0/',
    'ws://2852039166/',
    'ws://0xa9fea9fe/',
    'ws://%31%32%37.0.0.1/',
    'ws://127.0.0.1./',
    // IPv6, and IPv4 inside of it
    'ws://[::1]/',
    'ws://[::]/',
    'ws://[::ffff:127.0.0.1]/',
    'ws://[::ffff:7f00:1]/',
    'ws://[::ffff:a9fe:a9fe]/',
    'ws://[::127.0.0.1]/',
    'ws://[64:ff9b::7f00:1]/',
    'ws://[64:ff9b:1::7f00:1]/',
    'ws://[2002:7f00:1::]/',
    'ws://[2001:0:7f00:1::]/',
    'ws://[fe80::1]/',
    'ws://[fec0::1]/',
    'ws://[fc00::1]/',
    'ws://[fd00:ec2::254]/',
    'ws://[ff02::1]/',
    'ws://[2001:db8::1]/',
    // Names that lead inside, also if only one of their addresses does
    'wss://inside.example/',
    'wss://mixed.example/',
    'wss://93.184.215.14@inside.example/',
  ])('is refused where it leads inside: %s', async (endpoint) => {
    expect(await approve(endpoint)).toMatchObject({ approved: false, code: 'endpoint-private' });
  });

  test.each([
    { endpoint: 'http://bot.example/', code: 'endpoint-malformed' },
    { endpoint: 'file:///etc/passwd', code: 'endpoint-malformed' },
    { endpoint: 'ws://', code: 'endpoint-malformed' },
    { endpoint: 'ws://bot.example\\@127.0.0.1/', code: 'endpoint-malformed' },
    { endpoint: 'ws://１２７.0.0.1/', code: 'endpoint-malformed' },
    { endpoint: 'ws://[fe80::1%25eth0]/', code: 'endpoint-malformed' },
    { endpoint: 'ws://256.0.0.1/', code: 'endpoint-malformed' },
    { endpoint: 'wss://nowhere.example/', code: 'endpoint-unresolved' },
    { endpoint: 'wss://empty.example/', code: 'endpoint-unresolved' },
  ])('is refused with $code: $endpoint', async ({ endpoint, code }) => {
    expect(await approve(endpoint)).toMatchObject({ approved: false, code });
  });

  test('has to be in the list where there is one', async () => {
    const allow = ['wss://*.example', 'ws://127.0.0.1:*'];
    expect(await approve('wss://bot.example/', allow)).toMatchObject({ approved: true });
    expect(await approve('ws://127.0.0.1:9000/', allow)).toEqual({ approved: true, address: '127.0.0.1' });
    expect(await approve('ws://bot.example/', allow)).toMatchObject({ code: 'endpoint-not-allowed' });
    expect(await approve('ws://127.0.0.2:9000/', allow)).toMatchObject({ code: 'endpoint-not-allowed' });
  });

  test('may lead inside only where an entry names its host', async () => {
    expect(await approve('wss://inside.example/', ['wss://*'])).toMatchObject({ code: 'endpoint-private' });
    expect(await approve('wss://inside.example/', ['wss://*.example'])).toMatchObject({
      code: 'endpoint-private',
    });
    expect(await approve('wss://inside.example/', ['wss://inside.example'])).toEqual({
      approved: true,
      address: '10.1.2.3',
    });
    expect(await approve('ws://10.1.2.3:9/', ['ws://10.1.*:9'])).toMatchObject({ approved: true });
  });

  test('may lead anywhere where the operator wants that', async () => {
    expect(await approve('ws://127.0.0.1:9000/', [], false)).toEqual({
      approved: true,
      address: '127.0.0.1',
    });
  });

  test('is named without its secrets', async () => {
    const refused = await approve('wss://user:hunter2@inside.example/a?token=hunter2');
    expect(refused).toMatchObject({
      message: 'endpoint wss://inside.example/a leads to 10.1.2.3, which is not a public address',
    });
  });
});

test.each(['', 'x', '1.2.3', '1', '0x7f.1', '::1%lo', 'bot.example'])('%j is no public address', (text) => {
  expect(isPublicAddress(text)).toBe(false);
});

describe('a web URL that somebody else named', () => {
  const approveWeb = (url: string, allow: readonly string[] = []) =>
    createEndpointGuard({ allow, denyPrivate: true, kind: 'web', resolve }).approve(url);

  test.each([
    'http://127.0.0.1/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://2852039166/latest/meta-data',
    'http://169.254.169.254/latest/meta-data',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a9fe:a9fe]/',
    'http://127.0.0.1./',
    'http://localhost/',
    'http://inside.example/',
    'http://mixed.example/',
  ])('is refused where it leads inside: %s', async (url) => {
    expect(await approveWeb(url)).toMatchObject({ approved: false, code: 'endpoint-private' });
    expect((await approveWeb(url, ['wss://*', 'ws://127.0.0.1:*', 'http://*', 'https://*'])).approved).toBe(
      false,
    );
  });

  test.each([
    'ws://bot.example/',
    'file:///etc/passwd',
    'http://user:pw@bot.example/',
    'gopher://bot.example/',
    'http:/x',
  ])('is refused where it is none: %s', async (url) => {
    expect(await approveWeb(url)).toMatchObject({ approved: false, code: 'endpoint-malformed' });
  });

  test('is let through with patterns of its own kind alone', async () => {
    expect((await approveWeb('https://bot.example/')).approved).toBe(true);
    expect((await approveWeb('https://bot.example/', ['wss://other.example'])).approved).toBe(true);
    expect(await approveWeb('https://bot.example/', ['https://other.example'])).toMatchObject({
      code: 'endpoint-not-allowed',
    });
    expect((await approveWeb('http://127.0.0.1:9100/', ['http://127.0.0.1:*'])).approved).toBe(true);
  });
});
