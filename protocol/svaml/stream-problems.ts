import { ProtocolError } from '../protocol-error.ts';
import type { SchemaPath, SchemaProblem } from '../schema-check.ts';
import { dialectNamed } from '../stream/dialects.ts';
import type { StreamDialectName, StreamTap } from '../stream/messages.ts';
import type { ConnectStream } from './connect-stream.ts';
import { isTcpUrl } from './formats.ts';

/** A server of a `connectStream`: the one that talks, or one that listens. */
interface Server {
  /** Of its endpoints in the action. */
  readonly endpoints: readonly (readonly [SchemaPath, string])[];
  readonly dialect: StreamDialectName;
  /** Where the dialect stands. */
  readonly path: SchemaPath;
  readonly tap?: StreamTap;
}

/** What contradicts itself in the options of a stream: dialects that cannot carry the call or go over something else than
 *  the endpoints say, and signatures without a place to stand. */
export function streamProblems(action: ConnectStream, path: SchemaPath): SchemaProblem[] {
  const { destination, streamingOptions } = action;
  const { dialect, fallbackEndpoints, tap = [] } = streamingOptions;
  const options: SchemaPath = ['streamingOptions'];
  const servers: Server[] = [
    {
      dialect,
      path: [...options, 'dialect'],
      endpoints: [
        [['destination', 'endpoint'], destination.endpoint],
        ...fallbackEndpoints.map(
          (endpoint, index) => [[...options, 'fallbackEndpoints', index], endpoint] as const,
        ),
      ],
    },
    ...tap.map((listener, index) => ({
      dialect: listener.dialect,
      path: [...options, 'tap', index, 'dialect'],
      endpoints: [[[...options, 'tap', index, 'endpoint'], listener.endpoint] as const],
      tap: listener.channels,
    })),
  ];
  return [...servers.flatMap((server) => serverProblems(server, action)), ...signingProblems(action)].map(
    (problem) => ({ ...problem, path: [...path, ...problem.path] }),
  );
}

function serverProblems(server: Server, { streamingOptions, callHeaders }: ConnectStream): SchemaProblem[] {
  const dialect = dialectNamed(server.dialect);
  const overTcp = dialect.transport === 'tcp';
  const scheme = overTcp ? 'tcp://host:port' : 'a ws:// or wss:// URL';
  const problems: SchemaProblem[] = server.endpoints
    .filter(([, endpoint]) => isTcpUrl(endpoint) !== overTcp)
    .map(([path, endpoint]) => ({
      path,
      kind: 'invalid',
      found: JSON.stringify(endpoint.slice(0, 100)),
      expected: `${scheme} with dialect ${server.dialect}`,
      advice: 'change the endpoint or the dialect',
    }));
  const refuse = (why: string): SchemaProblem => ({
    path: server.path,
    kind: 'invalid',
    found: `${server.dialect}: ${why}`,
    expected: 'one that can carry the call',
    advice: 'change what it names',
  });
  try {
    dialect.createSession({
      callId: '',
      applicationKey: '',
      sampleRateHz: streamingOptions.sampleRate,
      callHeaders,
      from: '',
      to: '',
      direction: 'inbound',
      sipHeaders: {},
      tap: server.tap,
    });
    if (server.tap === 'both' && dialect.stereo !== true) {
      problems.push(refuse('it has no stereo, channels must be caller or callee, got both'));
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    problems.push(refuse(error.message));
  }
  return problems;
}

/** There is one Authorization header, and TCP has neither that nor a query. */
function signingProblems({ streamingOptions, authorization }: ConnectStream): SchemaProblem[] {
  const { signing, dialect } = streamingOptions;
  if (signing === undefined) return [];
  const problem = { path: ['streamingOptions', 'signing'], kind: 'invalid' } as const;
  if (dialectNamed(dialect).transport === 'tcp') {
    const expected = 'a dialect over WebSocket';
    return [{ ...problem, found: `dialect ${dialect}`, expected, advice: 'leave it out' }];
  }
  if (signing.in === 'query' || authorization === undefined) return [];
  const expected = 'in: query where authorization is given';
  return [{ ...problem, found: 'in: header', expected, advice: 'sign in the query, or leave one out' }];
}
