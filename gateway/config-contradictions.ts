import type { SchemaPath } from '../protocol/schema-check.ts';
import { parseUri } from '../protocol/sip/uri.ts';
import { connectStreamProblems } from '../protocol/svaml/connect-stream.ts';
import type { Config } from './config-schema.ts';
import { parseHttpListener, parseSipListener } from './listen-address.ts';

/** Two settings that are right by themselves and wrong together, or a value that a type cannot forbid. */
export interface Contradiction {
  readonly path: SchemaPath;
  readonly found: string;
  readonly expected: string;
  readonly advice?: string;
}

/** One row a rule; it is left out where what it reads has problems of its own. */
const rules: readonly { readonly reads: readonly string[]; find(config: Config): Contradiction[] }[] = [
  { reads: ['sip.listen', 'sip.tls'], find: tlsListeners },
  { reads: ['sip.listen', 'http.listen'], find: usedListeners },
  { reads: ['rtp.ports', 'media.workers'], find: portRange },
  { reads: ['sip.listen', 'rtp.ports'], find: listenersAmongRtpPorts },
  { reads: ['rtp.codecs'], find: ({ rtp }) => doubles(rtp.codecs, (index) => ['rtp', 'codecs', index]) },
  { reads: ['applications'], find: applicationKeys },
  { reads: ['sip.auth'], find: userNames },
  { reads: ['sip.sessionTimer'], find: sessionInterval },
  { reads: ['trunks', 'sip.listen'], find: trunksOneByOne },
  { reads: ['applications'], find: fallbackUrls },
  { reads: ['routes'], find: longCallHeaders },
  { reads: ['routes', 'applications'], find: routeTargets },
];

/** @param broken paths of settings that are wrong by themselves. */
export function findContradictions(config: Config, broken: readonly string[]): Contradiction[] {
  return rules
    .filter(({ reads }) => !reads.some((read) => broken.some((path) => encloses(path, read))))
    .flatMap(({ find }) => find(config));
}

function sessionInterval({ sip: { sessionTimer } }: Config): Contradiction[] {
  const { expires, minSe } = sessionTimer;
  if (expires === 0 || expires >= minSe) return [];
  return [
    {
      path: ['sip', 'sessionTimer', 'expires'],
      found: `${expires}`,
      expected: `0, or at least minSe (${minSe})`,
    },
  ];
}

function encloses(path: string, other: string): boolean {
  return (
    path === '' ||
    `${path}.`.startsWith(`${other}.`) ||
    `${other}.`.startsWith(`${path}.`) ||
    path.startsWith(`${other}[`)
  );
}

/** Worth saying, not worth refusing. */
export function findConfigWarnings(config: Config): string[] {
  const warnings: string[] = [];
  const [first, last] = config.rtp.ports;
  const places = Math.floor((last - first + 1) / 2);
  if (last > 0 && places < config.sip.maxCalls) {
    warnings.push(`rtp.ports has room for ${places} calls, sip.maxCalls is ${config.sip.maxCalls}`);
  }
  const http = parseHttpListener(config.http.listen);
  if (http !== undefined && !/^127\.|^::1$/.test(http.address) && config.applications.length === 0) {
    warnings.push(
      `http.listen ${config.http.listen} can be reached from outside, but without applications only /healthz and /readyz answer there`,
    );
  }
  const { sip, trunks } = config;
  if (trunks.length > 0 && sip.auth !== undefined && (sip.allow === undefined || sip.auth.required)) {
    warnings.push(
      'sip.auth asks every caller for digest, also the trunks, which will not answer; list their addresses in sip.allow, with sip.auth.required false',
    );
  }
  const routes = config.routes ?? [];
  const catchAll = routes.findIndex(({ to, from }) => /^\*+$/.test(to) && /^\*+$/.test(from));
  if (catchAll >= 0 && catchAll < routes.length - 1) {
    warnings.push(`routes[${catchAll}] matches every call, so the routes after it are never reached`);
  }
  return warnings;
}

function tlsListeners({ sip }: Config): Contradiction[] {
  if (sip.tls === undefined) {
    return sip.listen.flatMap((text, index) =>
      parseSipListener(text)?.protocol === 'tls'
        ? [
            {
              path: ['sip', 'listen', index],
              found: `${JSON.stringify(text)} without sip.tls`,
              expected: 'the certificate of this listener',
              advice: 'add `tls: { cert: cert.pem, key: key.pem }` to sip',
            },
          ]
        : [],
    );
  }
  const { ca, requireClientCertificate } = sip.tls;
  if (!requireClientCertificate || ca !== undefined) return [];
  return [
    {
      path: ['sip', 'tls', 'requireClientCertificate'],
      found: 'true without sip.tls.ca',
      expected: 'the authority of those certificates',
      advice: 'add `ca: ca.pem`',
    },
  ];
}

/** Every port once. A wildcard address takes the port on all addresses of its family. */
function usedListeners({ sip, http }: Config): Contradiction[] {
  const listeners = [
    ...sip.listen.map((text, index) => ({
      text,
      path: ['sip', 'listen', index] as SchemaPath,
      at: parseSipListener(text),
    })),
    { text: http.listen, path: ['http', 'listen'] as SchemaPath, at: parseHttpListener(http.listen) },
  ];
  return listeners.flatMap(({ text, path, at }, index) => {
    const other = listeners.slice(0, index).find((before) => overlap(before.at, at));
    if (other === undefined) return [];
    return [
      { path, found: JSON.stringify(text), expected: `an address and port that ${other.text} has not taken` },
    ];
  });
}

interface Listener {
  readonly protocol?: string;
  readonly address: string;
  readonly port: number;
}

function overlap(a: Listener | undefined, b: Listener | undefined): boolean {
  if (a === undefined || b === undefined || a.port === 0 || a.port !== b.port) return false;
  if ((a.protocol === 'udp') !== (b.protocol === 'udp')) return false;
  const sameFamily = a.address.includes(':') === b.address.includes(':');
  return sameFamily && (a.address === b.address || isWildcard(a.address) || isWildcard(b.address));
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || /^[0:]+$/.test(address);
}

function portRange({ rtp, media }: Config): Contradiction[] {
  const [first, last] = rtp.ports;
  const path = ['rtp', 'ports'];
  const found = `[${first}, ${last}]`;
  if (first === 0 && last === 0) return [];
  if (first === 0 || last === 0) {
    return [{ path, found, expected: 'two ports, or [0, 0] to let the system choose' }];
  }
  if (first > last) {
    return [{ path, found, expected: 'the first port below the last', advice: `write [${last}, ${first}]` }];
  }
  if (first % 2 === 1) {
    const advice = `RTP takes even ports; write [${first + 1}, ${last}]`;
    return [{ path, found, expected: 'an even first port', advice }];
  }
  const least = 2 * media.workers;
  if (last - first + 1 >= least) return [];
  return [
    { path, found, expected: `at least ${least} ports, two for each of ${media.workers} media workers` },
  ];
}

function listenersAmongRtpPorts({ sip, rtp }: Config): Contradiction[] {
  const [first, last] = rtp.ports;
  return sip.listen.flatMap((text, index) => {
    const at = parseSipListener(text);
    if (first === 0 || at?.protocol !== 'udp' || at.port < first || at.port > last) return [];
    const expected = `a port outside of rtp.ports [${first}, ${last}]`;
    return [{ path: ['sip', 'listen', index], found: JSON.stringify(text), expected }];
  });
}

function applicationKeys({ applications }: Config): Contradiction[] {
  return doubles(
    applications.map(({ key }) => key),
    (index) => ['applications', index, 'key'],
  );
}

function userNames({ sip }: Config): Contradiction[] {
  const users = sip.auth?.users ?? [];
  return doubles(
    users.map(({ username }) => username),
    (index) => ['sip', 'auth', 'users', index, 'username'],
  );
}

function trunksOneByOne({ trunks, sip }: Config): Contradiction[] {
  const datagrams = sip.listen.some((text) => parseSipListener(text)?.protocol === 'udp');
  const problems = doubles(
    trunks.map(({ name }) => name),
    (index) => ['trunks', index, 'name'],
  );
  for (const [index, { uri, username, password, register }] of trunks.entries()) {
    const { scheme, parameters } = parseUri(uri);
    if (username === undefined && (register || password !== undefined)) {
      const found = `${register ? 'register: true' : 'a password'} without username`;
      problems.push({ path: ['trunks', index], found, expected: 'a username', advice: 'add `username`' });
    }
    const overUdp = scheme === 'sip' && /^(?:udp)?$/i.test(parameters.get('transport') ?? '');
    if (overUdp && !datagrams) {
      problems.push({
        path: ['trunks', index, 'uri'],
        found: `${JSON.stringify(uri)} (udp) without a udp listener`,
        expected: 'one among sip.listen, which the trunk is called from',
        advice: 'add `udp:0.0.0.0:5060` to sip.listen, or `;transport=tcp` to the uri',
      });
    }
  }
  return problems;
}

function doubles(values: readonly string[], pathOf: (index: number) => SchemaPath): Contradiction[] {
  return values.flatMap((value, index) => {
    if (values.indexOf(value) === index) return [];
    return [{ path: pathOf(index), found: `${JSON.stringify(value)} again`, expected: 'each only once' }];
  });
}

function fallbackUrls({ applications }: Config): Contradiction[] {
  return applications.flatMap(({ callbackUrl, fallbackUrl }, index) => {
    if (fallbackUrl === undefined || callbackUrl !== undefined) return [];
    const path = ['applications', index, 'fallbackUrl'];
    return [{ path, found: 'a fallbackUrl without callbackUrl', expected: 'a callbackUrl beside it' }];
  });
}

/** Each route has an action or an application that can be asked. */
function routeTargets({ routes = [], applications }: Config): Contradiction[] {
  return routes.flatMap(({ action, application }, index) => {
    const path = ['routes', index];
    if (action === undefined && application === undefined) {
      const advice = 'add `action: { name: connectStream, … }`';
      return [{ path, found: 'neither action nor application', expected: 'one of them', advice }];
    }
    if (application === undefined) return [];
    if (action !== undefined) {
      return [{ path, found: 'action and application', expected: 'one of them', advice: 'remove one' }];
    }
    const asked = applications.find(({ key }) => key === application);
    if (asked?.callbackUrl !== undefined) return [];
    const found = JSON.stringify(application);
    const expected =
      asked === undefined ? 'the key of one of the applications' : 'an application with a callbackUrl';
    return [{ path: [...path, 'application'], found, expected }];
  });
}

function longCallHeaders({ routes = [] }: Config): Contradiction[] {
  return routes.flatMap(({ action }, index) =>
    (action === undefined ? [] : connectStreamProblems(action, ['routes', index, 'action'])).map(
      ({ path, found, expected }) => ({
        path,
        found,
        expected,
      }),
    ),
  );
}
