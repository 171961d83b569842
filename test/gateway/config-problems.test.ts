import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError, type ConfigSources, configProblemText, loadConfig } from '../../gateway/config.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-config-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const load = async (yaml: string | Uint8Array, sources: Partial<ConfigSources> = {}) => {
  await writeFile(join(directory, 'callwire.yaml'), yaml);
  return loadConfig({ env: {}, directory, ...sources });
};

const problemsOf = async (loading: Promise<unknown>): Promise<string[]> => {
  const error = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(error)}`);
  return error.problems.map(configProblemText);
};

describe('what is wrong in the file is named', () => {
  const top =
    'node, sip, rtp, media, http, applications, callbacks, trunks, routes, stream, audio, speech, recording, cluster, log';
  const listener = 'PROTOCOL:ADDRESS:PORT such as udp:0.0.0.0:5060, tcp:127.0.0.1:5060 or "udp:[::1]:5060"';
  const later = 'this is not available in this version yet; remove it';
  const application =
    'applications:\n - key: a\n   secret: c2VjcmV0LXNlY3JldA==\n   callbackUrl: http://127.0.0.1/\n';
  const route =
    "routes:\n - action:\n    name: connectStream\n    destination: { type: Websocket, endpoint: 'wss://a' }\n";

  // biome-ignore format: a table reads as a table
  test.each<{ yaml: string; problems: string[] }>([
    // Shape
    { yaml: '- a', problems: ['callwire.yaml:1: found a list of 1, expected a mapping with sections such as sip, http and routes'] },
    { yaml: '\n"hello"', problems: ['callwire.yaml:2: found "hello", expected a mapping with sections such as sip, http and routes'] },
    { yaml: 'sipp: {}', problems: [`callwire.yaml:1: sipp: found the unknown key \`sipp\`, expected one of ${top}; did you mean \`sip\`?`] },
    { yaml: '\nhttp:\n  lissten: x\n', problems: ['callwire.yaml:3: http.lissten: found the unknown key `lissten`, expected one of listen, tls, limits; did you mean `listen`?'] },
    { yaml: 'sip: 5', problems: ['callwire.yaml:1: sip: found 5, expected a mapping with listen, tls, externalAddress, maxCalls, auth, sessionTimer, allow, trace and limits'] },
    { yaml: 'sip:\n  maxCalls: many', problems: ['callwire.yaml:2: sip.maxCalls: found "many", expected a whole number from 1 to 100000'] },
    { yaml: 'sip: { sessionTimer: { expires: 60 } }', problems: ['callwire.yaml:1: sip.sessionTimer.expires: found 60, expected 0, or at least minSe (90)'] },
    { yaml: 'sip: { maxCalls: 0 }', problems: ['callwire.yaml:1: sip.maxCalls: found 0, expected a whole number from 1 to 100000'] },
    { yaml: 'log: { level: verbose }', problems: ['callwire.yaml:1: log.level: found "verbose", expected trace, debug, info, warn, error, fatal or silent'] },
    { yaml: 'node: { id: "gw 1" }', problems: ['callwire.yaml:1: node.id: found "gw 1", expected at most 32 letters, digits, `-` and `_`'] },
    { yaml: 'node: { id: 7 }', problems: ['callwire.yaml:1: node.id: found 7, expected at most 32 letters, digits, `-` and `_`'] },
    // YAML
    { yaml: 'sip:\n\tlisten: []', problems: ['callwire.yaml:2: found Tabs are not allowed as indentation, expected valid YAML'] },
    { yaml: 'sip: {}\nrtp: {}\nsip: {}', problems: ['callwire.yaml:3: found Map keys must be unique, expected valid YAML'] },
    { yaml: 'sip: !secret x', problems: ['callwire.yaml:1: found Unresolved tag: !secret, expected valid YAML'] },
    // Listeners
    { yaml: 'sip: { listen: [] }', problems: ['callwire.yaml:1: sip.listen: found an empty list, expected a list of 1 to 32 listeners'] },
    { yaml: 'sip:\n  listen:\n    - udp:127.0.0.1:5060\n    - udp:pbx.example:5061', problems: [`callwire.yaml:4: sip.listen[1]: found "udp:pbx.example:5061", expected ${listener}`] },
    { yaml: 'sip: { listen: ["udp:127.0.0.1:65536"] }', problems: [`callwire.yaml:1: sip.listen[0]: found "udp:127.0.0.1:65536", expected ${listener}`] },
    { yaml: 'sip: { listen: ["udp:::1:5060"] }', problems: [`callwire.yaml:1: sip.listen[0]: found "udp:::1:5060", expected ${listener}`] },
    { yaml: 'sip: { listen: ["127.0.0.1:5060"] }', problems: [`callwire.yaml:1: sip.listen[0]: found "127.0.0.1:5060", expected ${listener}`] },
    { yaml: 'sip:\n  listen:\n  - udp:1.2.3.4:5060\n  - tcp:1.2.3.4:5060\n  - udp:1.2.3.4:5060', problems: ['callwire.yaml:5: sip.listen[2]: found "udp:1.2.3.4:5060", expected an address and port that udp:1.2.3.4:5060 has not taken'] },
    { yaml: 'sip: { listen: [udp:0.0.0.0:5060, udp:1.2.3.4:5060] }', problems: ['callwire.yaml:1: sip.listen[1]: found "udp:1.2.3.4:5060", expected an address and port that udp:0.0.0.0:5060 has not taken'] },
    { yaml: 'http: { listen: 127.0.0.1:5060 }', problems: ['callwire.yaml:1: http.listen: found "127.0.0.1:5060", expected an address and port that tcp:0.0.0.0:5060 has not taken'] },
    { yaml: 'http: { listen: 8080 }', problems: ['callwire.yaml:1: http.listen: found 8080, expected ADDRESS:PORT such as 127.0.0.1:8080 or "[::1]:8080"'] },
    { yaml: 'http:\n  tls: { cert: a.pem }', problems: ['callwire.yaml:2: http.tls.key: found nothing, expected text of at least one character; add `key`'] },
    // RTP
    { yaml: 'rtp: { ports: [20000] }', problems: ['callwire.yaml:1: rtp.ports: found a list of 1, expected a list of two ports, [first, last]'] },
    { yaml: 'rtp: { ports: 20000-30000 }', problems: ['callwire.yaml:1: rtp.ports: found "20000-30000", expected a list of two ports, [first, last]'] },
    { yaml: 'rtp: { ports: [20000, 70000] }', problems: ['callwire.yaml:1: rtp.ports[1]: found 70000, expected a whole number from 0 to 65535'] },
    { yaml: 'rtp: { ports: [30000, 20000] }', problems: ['callwire.yaml:1: rtp.ports: found [30000, 20000], expected the first port below the last; write [20000, 30000]'] },
    { yaml: 'rtp: { ports: [20001, 30000] }', problems: ['callwire.yaml:1: rtp.ports: found [20001, 30000], expected an even first port; RTP takes even ports; write [20002, 30000]'] },
    { yaml: 'rtp: { ports: [0, 30000] }', problems: ['callwire.yaml:1: rtp.ports: found [0, 30000], expected two ports, or [0, 0] to let the system choose'] },
    { yaml: 'rtp: { ports: [20000, 20002] }\nmedia: { workers: 2 }', problems: ['callwire.yaml:1: rtp.ports: found [20000, 20002], expected at least 4 ports, two for each of 2 media workers'] },
    { yaml: 'rtp: { ports: [5000, 6000] }', problems: ['callwire.yaml:1: sip.listen[0]: found "udp:0.0.0.0:5060", expected a port outside of rtp.ports [5000, 6000]'] },
    { yaml: 'rtp: { address: eth0 }', problems: ['callwire.yaml:1: rtp.address: found "eth0", expected an IPv4 or IPv6 address'] },
    { yaml: 'rtp: { symmetric: yes }', problems: ['callwire.yaml:1: rtp.symmetric: found "yes", expected off, auto or on'] },
    { yaml: 'rtp: { codecs: [pcmu, pcma, pcmu] }', problems: ['callwire.yaml:1: rtp.codecs[2]: found "pcmu" again, expected each only once'] },
    { yaml: 'rtp: { codecs: [pcm] }', problems: ['callwire.yaml:1: rtp.codecs[0]: found "pcm", expected opus, g722, pcmu, pcma or l16; did you mean `pcmu`?'] },
    // Applications
    { yaml: 'applications: [{ key: a, secret: "hunter2!" }]', problems: ['callwire.yaml:1: applications[0].secret: found a secret of 8 characters, expected base64 of at least 8 bytes (make one with `openssl rand -base64 32`)'] },
    { yaml: 'applications:\n - { key: a, secret: c2VjcmV0LXNlY3JldA== }\n - { key: a, secret: c2VjcmV0LXNlY3JldA== }', problems: ['callwire.yaml:3: applications[1].key: found "a" again, expected each only once'] },
    { yaml: application.replace('key: a', 'key: "a:b"'), problems: ['callwire.yaml:2: applications[0].key: found "a:b", expected 1 to 256 visible ASCII characters other than :'] },
    { yaml: `${application}   callbackTimeoutMs: 50`, problems: ['callwire.yaml:5: applications[0].callbackTimeoutMs: found 50, expected a whole number from 100 to 60000'] },
    { yaml: application.replace('callbackUrl', 'fallbackUrl'), problems: ['callwire.yaml:4: applications[0].fallbackUrl: found a fallbackUrl without callbackUrl, expected a callbackUrl beside it'] },
    { yaml: application.replace('http:', 'ftp:'), problems: ['callwire.yaml:4: applications[0].callbackUrl: found "ftp://127.0.0.1/", expected an http:// or https:// URL'] },
    { yaml: `${application}   outbound: { allow: ['+46*', 'pbx:5060', '10.0.*', '*', 'a b'] }`, problems: ['callwire.yaml:5: applications[0].outbound.allow[4]: found "a b", expected a SIP host such as *.example.com or 10.0.0.9, or a number prefix such as +46*'] },
    { yaml: 'callbacks: { connections: 0 }', problems: ['callwire.yaml:1: callbacks.connections: found 0, expected a whole number from 1 to 1000'] },
    { yaml: 'http: { limits: { burst: 0 } }', problems: ['callwire.yaml:1: http.limits.burst: found 0, expected a whole number from 1 to 1000000'] },
    // Routes
    { yaml: `${route}    maxDuration: 99999`, problems: ['callwire.yaml:5: routes[0].action.maxDuration: found 99999, expected a whole number from 1 to 14400'] },
    { yaml: `${route}    authorization: "a\\nb"`, problems: ['callwire.yaml:5: routes[0].action.authorization: found a secret of 3 characters, expected a header value of visible ASCII characters and spaces'] },
    { yaml: `${route}    callHeaders: [{ key: k, value: ${'v'.repeat(1024)} }]`, problems: ['callwire.yaml:5: routes[0].action.callHeaders: found 1025 bytes, expected at most 1024 bytes of keys and values'] },
    { yaml: `${route}   to: "a b"`, problems: ['callwire.yaml:5: routes[0].to: found "a b", expected a pattern of visible characters in which * and ? stand for anything'] },
    { yaml: 'routes: [{ to: x }]', problems: ['callwire.yaml:1: routes[0]: found neither action nor application, expected one of them; add `action: { name: connectStream, … }`'] },
    { yaml: `${application}routes: [{ application: b }]`, problems: ['callwire.yaml:5: routes[0].application: found "b", expected the key of one of the applications'] },
    { yaml: `${application.replace('callbackUrl: http://127.0.0.1/', 'callbackTimeoutMs: 200')}routes: [{ application: a }]`, problems: ['callwire.yaml:5: routes[0].application: found "a", expected an application with a callbackUrl'] },
    { yaml: `${application}routes: [{ application: a, action: { name: connectStream, destination: { type: Websocket, endpoint: "ws://a" } } }]`, problems: ['callwire.yaml:5: routes[0]: found action and application, expected one of them; remove one'] },
    { yaml: "stream:\n  endpoints:\n    allow: ['wss://*', '*']", problems: ['callwire.yaml:3: stream.endpoints.allow[1]: found "*", expected a pattern such as wss://*.example.com or ws://127.0.0.1:*'] },
    // Who may call
    { yaml: 'sip:\n  auth: { users: [] }\n  allow: []', problems: ['callwire.yaml:2: sip.auth.users: found an empty list, expected a list of 1 to 10000 users', 'callwire.yaml:3: sip.allow: found an empty list, expected a list of 1 to 1000 ranges'] },
    { yaml: 'sip: { auth: { required: true } }', problems: ['callwire.yaml:1: sip.auth.users: found nothing, expected a list of 1 to 10000 users; add `users`'] },
    { yaml: 'sip:\n  auth:\n    users:\n      - { username: a, password: p }\n      - { username: a, password: q }', problems: ['callwire.yaml:5: sip.auth.users[1].username: found "a" again, expected each only once'] },
    { yaml: 'sip: { auth: { realm: "a\\nb", users: [{ username: a, password: p }] } }', problems: ['callwire.yaml:1: sip.auth.realm: found "a\\nb", expected text of 1 to 128 visible characters and spaces'] },
    { yaml: 'sip: { allow: [10.0.0.0/8, 10.0.0.0/33, "2001:db8::/129", 10.1, host] }', problems: ['10.0.0.0/33', '2001:db8::/129', '10.1', 'host'].map((found, index) => `callwire.yaml:1: sip.allow[${index + 1}]: found ${found === '10.1' ? found : `"${found}"`}, expected an address or a range such as 10.0.0.0/8`) },
    { yaml: 'sip: { limits: { burst: 0 } }', problems: ['callwire.yaml:1: sip.limits.burst: found 0, expected a whole number from 1 to 1000000'] },
    // Trunks
    { yaml: 'trunks:\n  - { name: a, uri: "sip:h" }\n  - { name: a, uri: "sip:h", register: true }\n  - { name: c, uri: "tel:1" }', problems: ['callwire.yaml:4: trunks[2].uri: found "tel:1", expected a sip: or sips: URI'] },
    { yaml: 'trunks:\n  - { name: a, uri: "sip:h" }\n  - { name: a, uri: "sip:h", register: true }\n  - { name: c, uri: "sip:h", password: p }', problems: ['callwire.yaml:3: trunks[1].name: found "a" again, expected each only once', 'callwire.yaml:3: trunks[1]: found register: true without username, expected a username; add `username`', 'callwire.yaml:4: trunks[2]: found a password without username, expected a username; add `username`'] },
    { yaml: 'sip: { listen: [tcp:127.0.0.1:5060] }\ntrunks: [{ name: a, uri: "sip:h" }, { name: b, uri: "sip:h;transport=tcp" }]', problems: ['callwire.yaml:2: trunks[0].uri: found "sip:h" (udp) without a udp listener, expected one among sip.listen, which the trunk is called from; add `udp:0.0.0.0:5060` to sip.listen, or `;transport=tcp` to the uri'] },
    // What is not there yet is refused, not ignored.
    { yaml: 'rtp: { srtp: yes }', problems: ['callwire.yaml:1: rtp.srtp: found "yes", expected off, optional or required'] },
    { yaml: 'cluster: { nats: nats://127.0.0.1:4222 }', problems: [`callwire.yaml:1: cluster: found a mapping, expected no such setting; ${later}`] },
    { yaml: 'recording: { s3: { bucket: B, accessKeyId: a, secretAccessKey: s } }', problems: ['callwire.yaml:1: recording.s3.bucket: found "B", expected a bucket of 3 to 63 small letters, digits, dots and hyphens'] },
    { yaml: 'speech: { command: say, voice: -x }', problems: ['callwire.yaml:1: speech.voice: found "-x", expected a voice of at most 64 letters, digits and + - _ .'] },
    { yaml: 'sip: { listen: [tls:127.0.0.1:5061] }', problems: ['callwire.yaml:1: sip.listen[0]: found "tls:127.0.0.1:5061" without sip.tls, expected the certificate of this listener; add `tls: { cert: cert.pem, key: key.pem }` to sip'] },
    { yaml: 'sip: { tls: { cert: a.pem, key: b.pem, requireClientCertificate: true } }', problems: ['callwire.yaml:1: sip.tls.requireClientCertificate: found true without sip.tls.ca, expected the authority of those certificates; add `ca: ca.pem`'] },
    { yaml: 'routes: [{ action: { name: hangup } }]', problems: [`callwire.yaml:1: routes[0].action.name: found "hangup", expected connectStream; ${later}`] },
    // All at once, in the order of the lines
    { yaml: 'log: { level: 5 }\nsip:\n  maxCalls: -1\n  listen: [udp:1.2.3.4:1, udp:1.2.3.4:1]\nfoo: 1', problems: ['callwire.yaml:1: log.level: found 5, expected trace, debug, info, warn, error, fatal or silent', 'callwire.yaml:3: sip.maxCalls: found -1, expected a whole number from 1 to 100000', 'callwire.yaml:4: sip.listen[1]: found "udp:1.2.3.4:1", expected an address and port that udp:1.2.3.4:1 has not taken', `callwire.yaml:5: foo: found the unknown key \`foo\`, expected one of ${top}; remove it`] },
  ])('$yaml', async ({ yaml, problems }) => {
    expect(await problemsOf(load(yaml))).toEqual(problems);
  });

  test('also in what an alias stands for', async () => {
    const yaml = 'node: &n { id: "a b" }\nlog: { level: info }\nhttp: *n';
    expect((await problemsOf(load(yaml)))[1]).toMatch(/^callwire.yaml:1: http.id: found the unknown key/);
  });

  test('also where a few lines would unfold into gigabytes', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `a${level + 1}: &a${level + 1} [${'*a0, '.replace('0', String(level)).repeat(9)}]`,
    );
    const problems = await problemsOf(load(`a0: &a0 [x]\n${levels.join('\n')}\n`));
    expect(problems).toEqual([expect.stringMatching(/^callwire.yaml: found Excessive alias count/)]);
  });

  test('also where it cannot be read at all', async () => {
    const named = (name: string) => problemsOf(loadConfig({ file: join(directory, name), env: {} }));
    expect(await named('none.yaml')).toEqual([
      expect.stringMatching(/none.yaml: found no such file, expected a readable YAML file$/),
    ]);
    expect(await named('.')).toEqual([
      expect.stringMatching(/found a directory, expected a readable YAML file$/),
    ]);
    expect(await problemsOf(load(Buffer.from([0x61, 0xff])))).toEqual([
      'callwire.yaml: found bytes that are no UTF-8, expected a readable YAML file',
    ]);
    expect(await problemsOf(load(`#${'x'.repeat(1_048_576)}`))).toEqual([
      'callwire.yaml: found a file of 1048577 bytes, expected at most 1048576 bytes',
    ]);
  });

  test('also certificates that are not there, looked for beside the file', async () => {
    expect(await problemsOf(load('sip:\n  tls: { cert: c.pem, key: callwire.yaml, ca: d.pem }\n'))).toEqual([
      `callwire.yaml:2: sip.tls.cert: found ${JSON.stringify(join(directory, 'c.pem'))} (ENOENT), expected a file that can be read`,
      `callwire.yaml:2: sip.tls.ca: found ${JSON.stringify(join(directory, 'd.pem'))} (ENOENT), expected a file that can be read`,
    ]);
    expect(await problemsOf(load('http:\n  tls:\n    cert: cert.pem\n    key: /none/key.pem\n'))).toEqual([
      `callwire.yaml:3: http.tls.cert: found ${JSON.stringify(join(directory, 'cert.pem'))} (ENOENT), expected a file that can be read`,
      'callwire.yaml:4: http.tls.key: found "/none/key.pem" (ENOENT), expected a file that can be read',
    ]);
  });
});
