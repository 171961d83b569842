import { type Static, Type } from 'typebox';
import { ProtocolError } from '../protocol-error.ts';
import {
  checkSchema,
  type DeepReadonly,
  pathText,
  type SchemaPath,
  type SchemaProblem,
} from '../schema-check.ts';
import { streamDialectNames, streamSampleRatesHz } from '../stream/messages.ts';
import { svamlFormats } from './formats.ts';
import { streamProblems } from './stream-problems.ts';

export const maxDurationSecondsMax = 14_400;

/** Keys and values together, in UTF-8. */
const callHeadersBytesMax = 1_024;

const streamUrl = { format: 'stream-url', expected: svamlFormats['stream-url']!.expected };

/** The action that bridges a call to a customer's WebSocket server. */
export const connectStreamSchema = Type.Object(
  {
    name: Type.Enum(['connectStream'], {
      description: 'The action. `connectStream` bridges the call to a WebSocket server.',
      later: ['connectSip', 'connectPstn', 'connectConf', 'runMenu', 'park', 'hangup', 'continue'],
    }),
    destination: Type.Object({
      type: Type.Enum(['Websocket'], { caseless: true, description: 'Kind of server, in any case.' }),
      endpoint: Type.String({ ...streamUrl, description: 'URL of the stream server.' }),
    }),
    streamingOptions: Type.Object(
      {
        version: Type.Enum([1], { default: 1, description: 'Version of the stream protocol.' }),
        sampleRate: Type.Enum([...streamSampleRatesHz], {
          default: 8000,
          description: 'Samples per second of the PCM, both ways.',
        }),
        frameMs: Type.Enum([20, 40, 60, 80, 100], {
          default: 20,
          description:
            'Audio in each message to the server, in ms. Longer messages cost less CPU, here and there, and come later.',
        }),
        dialect: Type.Enum([...streamDialectNames], {
          default: 'sinch',
          description: 'Which messages the server speaks.',
        }),
        fallbackEndpoints: Type.Array(Type.String(streamUrl), {
          default: [],
          maxItems: 8,
          expected: 'a list of at most 8 URLs',
          description: 'Tried in order where the endpoint cannot be reached.',
        }),
        maxBufferMs: Type.Optional(
          Type.Integer({
            minimum: 40,
            maximum: 600_000,
            description:
              'Audio waiting to be played at most; the oldest is dropped. Default: stream.bufferBytes.',
          }),
        ),
        prebufferMs: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 5_000,
            description: 'Audio that must have come before the first of it is played. Default: 0.',
          }),
        ),
        resumeSeconds: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 300,
            description: 'So long a lost connection is tried again before the call ends. Default: 0.',
          }),
        ),
        signing: Type.Optional(
          Type.Object(
            {
              secret: Type.Optional(
                Type.String({
                  minLength: 8,
                  maxLength: 1_024,
                  secret: true,
                  expected: 'text of 8 to 1024 characters',
                  description: "Key of the HMAC. Default: the application's secret.",
                }),
              ),
              in: Type.Enum(['header', 'query'], {
                default: 'header',
                description: 'Where the token stands: the Authorization header, or `token` in the query.',
              }),
            },
            { description: 'Signs the upgrade, so that the server knows who connects.' },
          ),
        ),
        tap: Type.Optional(
          Type.Array(
            Type.Object({
              endpoint: Type.String({ ...streamUrl, description: 'URL of a server that only listens.' }),
              channels: Type.Enum(['caller', 'callee', 'both'], {
                default: 'both',
                description: 'Whose audio; both is stereo, the caller left.',
              }),
              dialect: Type.Enum([...streamDialectNames], {
                default: 'sinch',
                description: 'Which messages that server speaks.',
              }),
              authorization: Type.Optional(
                Type.String({
                  format: 'header-value',
                  secret: true,
                  maxLength: 4_096,
                  description: 'Value of the Authorization header of its upgrade.',
                }),
              ),
            }),
            {
              maxItems: 4,
              expected: 'a list of at most 4 {endpoint, channels}',
              description: 'Further servers that hear the call, beside the one that talks.',
            },
          ),
        ),
      },
      { default: {} },
    ),
    maxDuration: Type.Integer({
      minimum: 1,
      maximum: maxDurationSecondsMax,
      default: maxDurationSecondsMax,
      description: 'Longest duration of the call in seconds, from the answer.',
    }),
    callHeaders: Type.Array(
      Type.Object({
        key: Type.String({
          minLength: 1,
          expected: 'text of at least one character',
          description: 'Name of the header, its case kept.',
        }),
        value: Type.String({ description: 'Its value.' }),
      }),
      {
        default: [],
        maxItems: 256,
        expected: 'a list of {key, value}',
        description: 'Told to the server in `connect`; at most 1024 bytes of keys and values in all.',
      },
    ),
    authorization: Type.Optional(
      Type.String({
        format: 'header-value',
        secret: true,
        maxLength: 4_096,
        description: 'Value of the Authorization header of the upgrade.',
      }),
    ),
  },
  { decidedBy: 'name' },
);

/** The action with every default filled in; `destination.type` in its canonical case. */
export type ConnectStream = DeepReadonly<Static<typeof connectStreamSchema>>;

/** @param path where the value stands, for messages (`action`).
 *  @throws ProtocolError `bad-action`, status 400, for the first problem, with the path of the field. */
export function checkConnectStream(value: unknown, path: string): ConnectStream {
  const { value: action, problems } = checkSchema(connectStreamSchema, value, svamlFormats);
  const problem = problems[0] ?? connectStreamProblems(action)[0];
  if (problem !== undefined) throw actionError(problem, path);
  return action;
}

/** `bad-action`, 400, saying of the field what is wrong with it. `prefix` is where the value stands. */
export function actionError(problem: SchemaProblem, prefix: string): ProtocolError {
  return new ProtocolError('bad-action', problemText(problem, prefix), { status: 400 });
}

/** What the schema alone cannot say. Only for an action without schema problems. */
export function connectStreamProblems(action: ConnectStream, path: SchemaPath = []): SchemaProblem[] {
  return [...streamProblems(action, path), ...callHeadersProblems(action.callHeaders, path)];
}

/** At most 1024 bytes of them, in UTF-8. */
export function callHeadersProblems(
  headers: readonly { readonly key: string; readonly value: string }[],
  path: SchemaPath,
): SchemaProblem[] {
  const encoder = new TextEncoder();
  const sizeBytes = headers.reduce(
    (sum, { key, value }) => sum + encoder.encode(key).length + encoder.encode(value).length,
    0,
  );
  if (sizeBytes <= callHeadersBytesMax) return [];
  return [
    {
      path: [...path, 'callHeaders'],
      kind: 'invalid',
      found: `${sizeBytes} bytes`,
      expected: `at most ${callHeadersBytesMax} bytes of keys and values`,
      advice: 'shorten them',
    },
  ];
}

/** `action.maxDuration must be a whole number from 1 to 14400, got 0`. */
function problemText({ path, kind, expected, found, advice }: SchemaProblem, prefix: string): string {
  const where = pathText(prefix === '' ? path : [prefix, ...path]);
  if (kind === 'unknown') return `${where} is not a known field, expected ${expected}`;
  if (kind === 'later') return `${where} got ${found}, expected ${expected}: ${advice}`;
  return `${where} must be ${expected}, got ${found}`;
}
