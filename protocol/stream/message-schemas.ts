import { type Static, type TSchema, Type } from 'typebox';
import { markNameLengthMax, type StreamExtension, streamSampleRatesHz } from './messages.ts';

/** Every text message of the stream protocol as a schema: the one definition behind the types of the bot library, the
 *  conformance rules and the AsyncAPI document. Fields that are not named here may come along and mean nothing. */

const text = (description: string, options: object = {}) => Type.String({ description, ...options });
const ms = (description: string) => Type.Number({ minimum: 0, description });
const texts = (description: string) => Type.Record(Type.String(), Type.String(), { description });

/** RFC 4733 events of a keypad, `w` for a pause of 500 ms. */
export const digitsPattern = '^[0-9*#A-Dw]+$';

// ---- Gateway → server, first of all -----------------------------------------------------------------------------

export const connectSchema = Type.Object(
  {
    command: Type.Literal('connect'),
    version: Type.Integer({ minimum: 1, description: 'Version of the protocol: 1.' }),
    callId: text('Names the call; the same after a reconnection.'),
    applicationKey: text('Application of the gateway that the call belongs to; may be empty.'),
    codec: text('Always `PCM`: signed 16-bit little-endian, mono.'),
    sampleRate: Type.Enum([...streamSampleRatesHz], { description: 'Samples per second, both ways.' }),
    callHeaders: texts('As configured with the action. Names keep their case.'),
    from: text('Who calls.'),
    to: text('Who is called.'),
    direction: Type.Enum(['inbound', 'outbound'], { description: 'As the gateway sees it.' }),
    sipHeaders: texts('The X- headers of the INVITE.'),
    extensions: Type.Array(Type.String(), { description: 'What `answer` may ask for.' }),
    resumed: Type.Optional(
      Type.Boolean({ description: 'True where the call goes on after its connection was lost.' }),
    ),
    tap: Type.Optional(
      Type.Enum(['caller', 'callee', 'both'], {
        description: 'A second stream of the call, which only listens: whom it hears.',
      }),
    ),
    channels: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2,
        description: 'Of the audio, with `tap`: 2 are interleaved, the caller first.',
      }),
    ),
    applicationId: Type.Optional(text('`applicationKey`, as others spell it.')),
    headers: Type.Optional(texts('`callHeaders`, as others spell it.')),
    CallId: Type.Optional(text('`callId`, as others spell it.')),
    ApplicationId: Type.Optional(text('`applicationKey`, as others spell it.')),
    Headers: Type.Optional(texts('`callHeaders`, as others spell it.')),
  },
  { description: 'Tells the server about the call. Nothing precedes it.' },
);

export type ConnectMessage = Static<typeof connectSchema>;

// ---- Server → gateway -------------------------------------------------------------------------------------------

function command<Name extends string, Fields extends Record<string, TSchema>>(
  name: Name,
  description: string,
  fields: Fields,
) {
  return Type.Object({ command: Type.Literal(name), ...fields }, { description });
}

/** By name. The first five are the base protocol, the others want a gateway that offers extensions. */
export const commandSchemas = {
  answer: command('answer', 'Answers the phone; audio flows from now on.', {
    extensions: Type.Optional(
      Type.Array(Type.String(), { description: 'Which of the offered extensions the server wants.' }),
    ),
  }),
  busy: command('busy', 'Refuses the call as busy: SIP 486.', {}),
  reject: command('reject', 'Refuses the call: SIP 603.', {}),
  clear: command('clear', 'Drops all audio that was not yet sent to the phone.', {}),
  heartbeat: command('heartbeat', 'Says that the silent connection is alive.', {}),
  mark: command('mark', 'Reported back when the audio sent before it was heard or dropped.', {
    name: text('Comes back with the report.', { minLength: 1, maxLength: markNameLengthMax }),
  }),
  pause: command('pause', 'Stops playing; what is queued waits, and the phone hears silence.', {}),
  continue: command('continue', 'Goes on playing after `pause`.', {}),
  dtmf: command('dtmf', 'Sends digits to the phone as RFC 4733 events.', {
    digits: text('0-9 * # A-D, `w` for a pause of 500 ms.', { pattern: digitsPattern }),
  }),
  hangup: command('hangup', 'Ends the call.', {
    reason: Type.Optional(text('For the record of the call.')),
  }),
  transfer: command('transfer', 'Blind transfer of the phone: SIP REFER.', {
    to: text('SIP URI or number.', { minLength: 1 }),
    headers: Type.Optional(texts('Headers of the REFER.')),
  }),
  status: command('status', 'Asks for an `event: status`.', {}),
} as const;

export type CommandName = keyof typeof commandSchemas;
export type CommandMessage<Name extends CommandName = CommandName> = Static<(typeof commandSchemas)[Name]>;

export const baseCommandNames = [
  'answer',
  'busy',
  'reject',
  'clear',
  'heartbeat',
] as const satisfies CommandName[];

/** Which extension a gateway must offer to know a command. */
export const commandExtensionOf: Readonly<
  Record<Exclude<CommandName, (typeof baseCommandNames)[number]>, StreamExtension>
> = {
  mark: 'mark',
  pause: 'control',
  continue: 'control',
  dtmf: 'dtmf',
  hangup: 'control',
  transfer: 'control',
  status: 'control',
};

// ---- Gateway → server, where the answer asked for it --------------------------------------------------------------

function event<Name extends string, Fields extends Record<string, TSchema>>(
  name: Name,
  description: string,
  fields: Fields,
) {
  return Type.Object({ event: Type.Literal(name), ...fields }, { description });
}

const playedMs = ms('Audio of this stream that was sent to the phone so far, since the answer.');
const bufferedMs = ms('Audio that waits to be sent to the phone.');

export const eventSchemas = {
  mark: event('mark', 'The audio sent before this mark was heard, or dropped by `clear`.', {
    name: text('As given with the command.'),
    status: Type.Enum(['played', 'cleared']),
    playedMs,
  }),
  cleared: event('cleared', 'What `clear` did.', {
    playedMs,
    droppedMs: ms('Audio that was dropped unheard.'),
  }),
  dtmf: event('dtmf', 'The phone pressed a key.', {
    digit: text('One of 0-9 * # A-D.', { pattern: '^[0-9*#A-D]$' }),
    durationMs: ms('How long.'),
    method: Type.Enum(['rfc4733', 'inband', 'info'], { description: 'How it came.' }),
  }),
  hold: event('hold', 'The phone put the call on hold.', {}),
  resume: event('resume', 'The phone took the call back from hold.', {}),
  flow: event('flow', 'The buffer is filling up (`xoff`), or there is room again (`xon`).', {
    state: Type.Enum(['xoff', 'xon']),
    bufferedMs,
    droppedMs: Type.Optional(ms('Audio that was dropped, the oldest first, as there was no room.')),
  }),
  stats: event('stats', 'How the call is going, every 5 s.', {
    lossUp: Type.Number({ description: 'Share of the packets from the phone that were lost.' }),
    lossDown: Type.Number({
      description: 'Share of the packets to the phone that were lost, as it reports.',
    }),
    jitterMs: ms('Of the packets from the phone.'),
    rttMs: Type.Optional(Type.Number({ description: 'Round trip to the phone, where it reports.' })),
    mos: Type.Optional(Type.Number({ description: 'Estimated quality, 1 to 4.5.' })),
    bufferedMs,
    codec: text('Codec of the phone.'),
  }),
  transfer: event('transfer', 'What became of a `transfer`.', {
    status: text('Such as `accepted`, `completed` or `failed`.'),
    code: Type.Optional(Type.Integer({ description: 'SIP status of the target.' })),
  }),
  status: event('status', 'Answers `status`.', {
    state: Type.Enum(['playing', 'paused', 'idle'], { description: 'Of what is played to the phone.' }),
    bufferedMs,
    playedMs,
    marks: Type.Integer({ minimum: 0, description: 'Marks that were not reached yet.' }),
  }),
  error: event('error', 'A message of the server could not be obeyed. The call goes on.', {
    code: text('Short and stable, for programs.'),
    message: text('What was found and what was expected.'),
  }),
} as const;

export type EventName = keyof typeof eventSchemas;
export type EventMessage<Name extends EventName = EventName> = Static<(typeof eventSchemas)[Name]>;
