import { Type } from 'typebox';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { checkSvaml, type Svaml } from '../../protocol/svaml/svaml.ts';
import {
  type CallControl,
  CallControlError,
  type CallDescription,
  type CallSide,
  type ConferenceCommand,
} from '../calls/call-control.ts';
import {
  type HttpAnswer,
  type HttpContext,
  HttpError,
  type HttpQuestion,
  type HttpRoute,
  type RouteDoc,
} from './http-exchange.ts';

/** The public Voice REST API v1: same paths and bodies. */

const callId = { callId: 'The call, as the callout answered or a callback named it.' };
const conferenceId = { id: 'The room.' };

const problems: RouteDoc['answers'] = {
  400: { description: 'A field is wrong; the message names it.' },
  401: { description: 'No or wrong credentials.' },
  429: { description: 'Too many requests; Retry-After says when to come back.' },
};
const gone: RouteDoc['answers'] = { 404: { description: 'There is none of that id.' } };
const done: RouteDoc['answers'] = { 204: { description: 'Done.' } };

const price = Type.Object({ currencyId: Type.String(), amount: Type.Number() });
const endpoint = Type.Object({ type: Type.String(), endpoint: Type.String() });

const callSchema = Type.Object({
  callId: Type.String(),
  from: endpoint,
  to: endpoint,
  domain: Type.String(),
  duration: Type.Integer({ description: 'Seconds since the answer.' }),
  status: Type.Enum(['ONGOING', 'FINAL']),
  result: Type.Enum(['N/A', 'ANSWERED', 'BUSY', 'NOANSWER', 'FAILED']),
  reason: Type.String(),
  timestamp: Type.String({ format: 'date-time', description: 'When the call began.' }),
  custom: Type.Optional(Type.String()),
  userRate: price,
  debit: price,
});

const conferenceSchema = Type.Object({
  participants: Type.Array(
    Type.Object({
      cli: Type.String(),
      id: Type.String({ description: 'The callId.' }),
      duration: Type.Integer({ description: 'Seconds in the room.' }),
      muted: Type.Boolean(),
      onhold: Type.Boolean(),
    }),
  ),
});

export const callingRoutes: readonly HttpRoute[] = [
  {
    method: 'POST',
    path: '/calling/v1/callouts',
    doc: {
      tag: 'Callouts',
      summary: 'Calls somebody',
      headers: { 'Idempotency-Key': 'The same key and body within an hour call only once.' },
      body: 'Callout',
      answers: {
        200: {
          description:
            'The call is being placed. What becomes of it, a destination that is not allowed included, the DICE tells.',
          schema: Type.Object({ callId: Type.String() }),
        },
        ...problems,
        422: { description: 'The Idempotency-Key came with another body before.' },
        503: { description: 'No room for a further call.' },
      },
    },
    answer: placeCallout,
  },
  {
    method: 'GET',
    path: '/calling/v1/calls/id/:callId',
    doc: {
      tag: 'Calls',
      summary: 'A call, live or ended a while ago',
      params: callId,
      answers: { 200: { description: 'The call.', schema: callSchema }, ...problems, ...gone },
    },
    answer: async (context, { params, applicationKey }) => {
      const { call } = ownCall(context, params.callId, applicationKey);
      return { status: 200, body: shownCall(call) };
    },
  },
  {
    method: 'PATCH',
    path: '/calling/v1/calls/id/:callId',
    doc: {
      tag: 'Calls',
      summary: 'A live call goes on with other SVAML',
      params: callId,
      body: 'Svaml',
      answers: { ...done, ...problems, ...gone, 409: { description: 'The call is over.' } },
    },
    answer: (context, question) => modifyCall(context, question, undefined),
  },
  {
    method: 'PATCH',
    path: '/calling/v1/calls/id/:callId/leg/:leg',
    doc: {
      tag: 'Calls',
      summary: 'One side of a live call hears something',
      params: { ...callId, leg: 'Which side: caller, callee or both.' },
      body: 'Svaml',
      answers: { ...done, ...problems, ...gone, 409: { description: 'The call is over.' } },
    },
    answer: (context, question) => modifyCall(context, question, legOf(question.params.leg)),
  },
  {
    method: 'GET',
    path: '/calling/v1/conferences/id/:id',
    doc: {
      tag: 'Conferences',
      summary: 'Who is in a room',
      params: conferenceId,
      answers: { 200: { description: 'The room.', schema: conferenceSchema }, ...problems, ...gone },
    },
    answer: async (context, { params, applicationKey }) => {
      const id = params.id ?? '';
      const conference = controlOf(context).conference(applicationKey, id);
      if (conference === undefined) throw noConference(id);
      return { status: 200, body: conference };
    },
  },
  {
    method: 'DELETE',
    path: '/calling/v1/conferences/id/:id',
    doc: {
      tag: 'Conferences',
      summary: 'Puts everybody out',
      params: conferenceId,
      answers: { ...done, ...problems, ...gone },
    },
    answer: async (context, { params, applicationKey }) => {
      const id = params.id ?? '';
      if (controlOf(context).kick(applicationKey, id) === 0) throw noConference(id);
      return { status: 204 };
    },
  },
  {
    method: 'PATCH',
    path: '/calling/v1/conferences/id/:id/:callId',
    doc: {
      tag: 'Conferences',
      summary: 'Mutes a member, puts it on hold, or the reverse',
      params: { ...conferenceId, ...callId },
      body: 'ConferenceCommand',
      answers: { ...done, ...problems, ...gone },
    },
    answer: commandMember,
  },
  {
    method: 'DELETE',
    path: '/calling/v1/conferences/id/:id/:callId',
    doc: {
      tag: 'Conferences',
      summary: 'Puts a member out',
      params: { ...conferenceId, ...callId },
      answers: { ...done, ...problems, ...gone },
    },
    answer: async (context, { params, applicationKey }) => {
      const { id = '', callId: member = '' } = params;
      if (controlOf(context).kick(applicationKey, id, member) === 0) throw noMember(id, member);
      return { status: 204 };
    },
  },
];

async function placeCallout(context: HttpContext, question: HttpQuestion): Promise<HttpAnswer> {
  const { applicationKey, body, headers } = question;
  const control = controlOf(context);
  const place = async (): Promise<HttpAnswer> => {
    const callout = checked(() => checkCallout(body));
    const { callId: placed } = await controlled(() => control.callout(applicationKey, callout));
    return { status: 200, body: { callId: placed } };
  };
  const key = headers['idempotency-key'];
  if (key === undefined) return place();
  if (typeof key !== 'string') throw new HttpError(400, 'Idempotency-Key must come once');
  return context.idempotent.answer(key, applicationKey, body, performance.now(), place);
}

async function modifyCall(
  context: HttpContext,
  { params, body, applicationKey }: HttpQuestion,
  leg: CallSide | undefined,
): Promise<HttpAnswer> {
  const { control, call } = ownCall(context, params.callId, applicationKey);
  const svaml = checked(() => checkSvaml(body));
  if (svaml.action === undefined && svaml.instructions.length === 0) {
    throw new HttpError(400, 'action or instructions must be there');
  }
  if (leg !== undefined) checkForLeg(svaml);
  if (call.status === 'FINAL') throw new HttpError(409, 'callId: the call is over');
  await controlled(() => control.modify(call.callId, svaml, leg));
  return { status: 204 };
}

/** As published: the leg form plays something. */
function checkForLeg({ instructions, action }: Svaml): void {
  const at = instructions.findIndex(({ name }) => name !== 'playFiles' && name !== 'say');
  if (at >= 0) {
    const found = JSON.stringify(instructions[at]!.name);
    throw new HttpError(400, `instructions[${at}].name must be playFiles or say for one leg, got ${found}`);
  }
  if (action !== undefined && action.name !== 'continue' && action.name !== 'hangup') {
    const found = JSON.stringify(action.name);
    throw new HttpError(400, `action.name must be continue or hangup for one leg, got ${found}`);
  }
}

function legOf(text: string | undefined): CallSide {
  if (text === 'caller' || text === 'callee' || text === 'both') return text;
  const found = JSON.stringify(text?.slice(0, 40));
  throw new HttpError(400, `the leg in the path must be caller, callee or both, got ${found}`);
}

export const conferenceCommands = ['mute', 'unmute', 'onhold', 'resume'] as const;

async function commandMember(
  context: HttpContext,
  { params, body, applicationKey }: HttpQuestion,
): Promise<HttpAnswer> {
  const { id = '', callId: member = '' } = params;
  const control = controlOf(context);
  const { command, moh } = checkedCommand(body);
  const place = { applicationKey, conferenceId: id, callId: member };
  await controlled(async () => control.commandMember(place, command, moh));
  return { status: 204 };
}

function checkedCommand(body: unknown): { command: ConferenceCommand; moh: string | undefined } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpError(400, 'the body must be a mapping with command');
  }
  const { command, moh, ...rest } = body as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new HttpError(
      400,
      `${JSON.stringify(unknown.slice(0, 40))} is not a known field, expected command or moh`,
    );
  }
  const known = conferenceCommands.find((name) => name === command);
  if (known === undefined) {
    const found = typeof command === 'string' ? JSON.stringify(command.slice(0, 40)) : typeof command;
    throw new HttpError(400, `command must be one of ${conferenceCommands.join(', ')}, got ${found}`);
  }
  if (moh !== undefined && (typeof moh !== 'string' || moh === '' || moh.length > 4_096)) {
    throw new HttpError(400, 'moh must be ring, music1, music2, music3 or a prompt');
  }
  return { command: known, moh };
}

/** Of another application's call nobody is told that it exists. */
export function ownCall(
  context: HttpContext,
  callId: string | undefined,
  applicationKey: string,
): { readonly control: CallControl; readonly call: CallDescription } {
  const control = controlOf(context);
  const call = callId === undefined ? undefined : control.describe(callId);
  if (call === undefined || call.applicationKey !== applicationKey) {
    throw new HttpError(404, `callId: no call ${JSON.stringify(callId?.slice(0, 100) ?? '')}`);
  }
  return { control, call };
}

function controlOf({ control }: HttpContext): CallControl {
  if (control === undefined) throw new HttpError(503, 'calls cannot be controlled here');
  return control;
}

function noConference(id: string): HttpError {
  return new HttpError(404, `conferenceId: nobody is in a room ${JSON.stringify(id.slice(0, 100))}`);
}

function noMember(id: string, callId: string): HttpError {
  const room = JSON.stringify(id.slice(0, 100));
  return new HttpError(404, `callId: no call ${JSON.stringify(callId.slice(0, 100))} in the room ${room}`);
}

function checked<Result>(check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (error instanceof ProtocolError) throw new HttpError(400, error.message);
    throw error;
  }
}

const statusOf: Readonly<Record<CallControlError['code'], number>> = {
  'not-found': 404,
  conflict: 409,
  invalid: 400,
  unavailable: 503,
  forbidden: 403,
};

async function controlled<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CallControlError)) throw error;
    const { code, field, message } = error;
    const said = field === undefined || message.includes(field) ? message : `${field}: ${message}`;
    throw new HttpError(statusOf[code], said, code === 'unavailable' ? { 'Retry-After': '5' } : {});
  }
}

function shownCall({ applicationKey: _, from, ...call }: CallDescription): object {
  const free = { currencyId: 'USD', amount: 0 };
  const type = /^\+?\d+$/.test(from) ? 'number' : from.includes('@') ? 'sip' : 'username';
  return { ...call, from: { type, endpoint: from }, userRate: free, debit: free };
}
