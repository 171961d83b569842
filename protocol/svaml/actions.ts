import { type Static, type TSchema, Type } from 'typebox';
import type { DeepReadonly, SchemaPath, SchemaProblem } from '../schema-check.ts';
import {
  amdSchema,
  callerIdSchema,
  callHeadersSchema,
  conferenceDtmfSchema,
  conferenceIdSchema,
  dtmfSchema,
  durationSchema,
  formattedText,
  indicationCountries,
  localeSchema,
  musicSchema,
  suppressCallbacksSchema,
} from './common-fields.ts';
import {
  type ConnectStream,
  callHeadersProblems,
  connectStreamProblems,
  connectStreamSchema,
} from './connect-stream.ts';
import { menuAction } from './formats.ts';

const named = <Name extends string>(name: Name, description: string) => Type.Enum([name], { description });

export const callStates = ['created', 'ringing', 'answered', 'ended'] as const;

const keepCallerSchema = Type.Boolean({
  default: false,
  description:
    'The caller stays when the called party hangs up, and hears nothing until the call is modified. Otherwise it is hung up.',
});

const connectSipSchema = Type.Object({
  name: named('connectSip', 'Calls a SIP address and joins it with the caller.'),
  destination: Type.Object({
    type: Type.Enum(['sip'], { caseless: true, default: 'sip', description: 'Kind of address.' }),
    endpoint: formattedText('sip-address', 'The address; without a scheme, sip: is meant.'),
  }),
  maxDuration: durationSchema('Longest duration in seconds, from the answer.'),
  cli: Type.Optional(callerIdSchema),
  transport: Type.Optional(
    Type.Enum(['udp', 'tcp', 'tls'], {
      caseless: true,
      description: 'Default: what the address says, or UDP.',
    }),
  ),
  suppressCallbacks: suppressCallbacksSchema,
  keepCaller: keepCallerSchema,
  callHeaders: callHeadersSchema,
  moh: Type.Optional(musicSchema),
  timeout: Type.Integer({
    minimum: 1,
    maximum: 600,
    default: 60,
    description: 'Seconds in which the called party must answer.',
  }),
  codecs: Type.Optional(
    Type.Array(
      Type.Enum(['opus', 'g722', 'pcmu', 'pcma', 'l16'], { caseless: true, description: 'A codec.' }),
      {
        minItems: 1,
        maxItems: 5,
        expected: 'a list of 1 to 5 of opus, g722, pcmu, pcma and l16',
        description: 'Offered in this order. Default: rtp.codecs.',
      },
    ),
  ),
  sessionTimeout: Type.Optional(
    Type.Integer({
      minimum: 90,
      maximum: 86_400,
      description: 'Session-Expires of the INVITE in seconds. Default: sip.sessionTimer.',
    }),
  ),
  ringback: Type.Optional(
    formattedText(
      'ringback',
      'What the caller hears until the answer: an audio URL, `silence`, or the ringing tone of a country. Default: what the called side sends, else plain ringing.',
    ),
  ),
  callStateUrl: Type.Optional(formattedText('web-url', 'Told of the states of the called leg.')),
  callStateEvents: Type.Array(Type.Enum([...callStates], { description: 'A state.' }), {
    maxItems: 4,
    default: [...callStates],
    expected: `a list of ${callStates.join(', ')}`,
    description: 'Which states are told.',
  }),
});

const connectPstnSchema = Type.Object({
  name: named('connectPstn', 'Calls a number through a trunk and joins it with the caller.'),
  number: Type.Optional(formattedText('phone-number', 'Default: the number that the caller dialled.')),
  locale: localeSchema,
  maxDuration: durationSchema('Longest duration in seconds, from the answer.'),
  dialTimeout: Type.Integer({
    minimum: 1,
    maximum: 600,
    default: 60,
    description: 'Seconds in which the called party must answer.',
  }),
  cli: Type.Optional(callerIdSchema),
  suppressCallbacks: suppressCallbacksSchema,
  keepCaller: keepCallerSchema,
  dtmf: Type.Optional(dtmfSchema),
  indications: Type.Optional(
    Type.Enum(indicationCountries, {
      caseless: true,
      expected: 'a country such as se or us',
      description: 'Country whose ringing tone the caller hears until the answer.',
    }),
  ),
  amd: Type.Optional(amdSchema),
  callHeaders: callHeadersSchema,
  trunk: Type.Optional(formattedText('identifier', 'Name of the trunk. Default: the first.')),
});

const connectConfSchema = Type.Object({
  name: named('connectConf', 'Puts the caller into a room.'),
  conferenceId: conferenceIdSchema,
  conferenceDtmfOptions: conferenceDtmfSchema,
  moh: Type.Optional(musicSchema),
});

const menuSchema = Type.Object({
  id: formattedText('identifier', 'Name of the menu.'),
  mainPrompt: Type.Optional(formattedText('prompt', 'Played first.')),
  repeatPrompt: Type.Optional(
    formattedText('prompt', 'Played where no right key came. Default: mainPrompt.'),
  ),
  repeats: Type.Integer({
    minimum: 0,
    maximum: 20,
    default: 1,
    description: 'How often the prompt is repeated.',
  }),
  maxDigits: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 64,
      description:
        'Keys after which the input is complete; `#` ends it too. Default: one, where there are options.',
    }),
  ),
  timeoutMills: Type.Integer({
    minimum: 100,
    maximum: 120_000,
    default: 5_000,
    description: 'Wait for a key after the prompt, and for each further one, in ms.',
  }),
  maxTimeoutMills: Type.Optional(
    Type.Integer({ minimum: 100, maximum: 600_000, description: 'Longest wait for the whole input, in ms.' }),
  ),
  options: Type.Array(
    Type.Object({
      dtmf: formattedText('digit', 'A key.'),
      action: formattedText('menu-action', 'What it does: `menu(ID)`, `return` or `return(VALUE)`.'),
    }),
    {
      default: [],
      maxItems: 12,
      expected: 'a list of at most 12 {dtmf, action}',
      description: 'What keys do.',
    },
  ),
});

const runMenuSchema = Type.Object({
  name: named('runMenu', 'Plays a menu and takes keys; the application is told by a PIE.'),
  barge: Type.Boolean({ default: true, description: 'A key cuts the prompt short.' }),
  locale: localeSchema,
  mainMenu: formattedText('identifier', 'The menu that is played first.', { default: 'main' }),
  enableVoice: Type.Boolean({ default: false, description: 'Must be false: speech is not understood here.' }),
  menus: Type.Array(menuSchema, {
    minItems: 1,
    maxItems: 64,
    expected: 'a list of 1 to 64 menus',
    description: 'The menus.',
  }),
});

const parkSchema = Type.Object({
  name: named('park', 'Lets the caller wait until the call is modified.'),
  locale: localeSchema,
  introPrompt: Type.Optional(formattedText('prompt', 'Played once.')),
  holdPrompt: Type.Optional(formattedText('prompt', 'Played again and again.')),
  maxDuration: durationSchema('Longest wait in seconds.'),
});

const hangupSchema = Type.Object({ name: named('hangup', 'Ends the call.') });
const continueSchema = Type.Object({ name: named('continue', 'Goes on with what was under way.') });

/** By name. */
export const actionSchemas = {
  connectStream: connectStreamSchema,
  connectSip: connectSipSchema,
  connectPstn: connectPstnSchema,
  connectConf: connectConfSchema,
  runMenu: runMenuSchema,
  park: parkSchema,
  hangup: hangupSchema,
  continue: continueSchema,
} as const satisfies Record<string, TSchema>;

/** `destination.endpoint` is a whole URI. */
export type ConnectSip = DeepReadonly<Static<typeof connectSipSchema>>;
export type ConnectPstn = DeepReadonly<Static<typeof connectPstnSchema>>;
export type ConnectConf = DeepReadonly<Static<typeof connectConfSchema>>;
/** `mainMenu` and every `menu(ID)` name a menu that is there; `menuAction` reads the options' actions. */
export type RunMenu = DeepReadonly<Static<typeof runMenuSchema>>;
export type Menu = RunMenu['menus'][number];
export type Park = DeepReadonly<Static<typeof parkSchema>>;
export type Hangup = DeepReadonly<Static<typeof hangupSchema>>;
export type Continue = DeepReadonly<Static<typeof continueSchema>>;
export type CallState = (typeof callStates)[number];

export type SvamlAction =
  | ConnectStream
  | ConnectSip
  | ConnectPstn
  | ConnectConf
  | RunMenu
  | Park
  | Hangup
  | Continue;

/** What a schema cannot say of an action. Only for one without schema problems. */
export function actionProblems(action: SvamlAction): SchemaProblem[] {
  switch (action.name) {
    case 'connectStream':
      return connectStreamProblems(action);
    case 'connectSip':
      return callHeadersProblems(action.callHeaders, []);
    case 'connectPstn':
      return [
        ...callHeadersProblems(action.callHeaders, []),
        ...(action.amd?.enabled === true
          ? [notHere(['amd', 'enabled'], 'answering machine detection is not available')]
          : []),
      ];
    case 'runMenu':
      return menuProblems(action);
    default:
      return [];
  }
}

/** For a switch that must stay off. */
export function notHere(path: SchemaPath, advice: string): SchemaProblem {
  return { path, kind: 'later', found: 'true', expected: 'false', advice };
}

function menuProblems({ menus, mainMenu, enableVoice }: RunMenu): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  if (enableVoice) problems.push(notHere(['enableVoice'], 'speech recognition is not available'));
  const ids = new Set(menus.map(({ id }) => id));
  const invalid = (path: SchemaPath, expected: string, found: string) =>
    problems.push({ path, kind: 'invalid', expected, found: JSON.stringify(found), advice: undefined });

  if (!ids.has(mainMenu)) invalid(['mainMenu'], 'the id of one of the menus', mainMenu);
  const seen = new Set<string>();
  for (const [index, { id, options }] of menus.entries()) {
    if (seen.has(id)) invalid(['menus', index, 'id'], 'different from those before', id);
    seen.add(id);
    const keys = new Set<string>();
    for (const [place, { dtmf, action }] of options.entries()) {
      const path = ['menus', index, 'options', place];
      if (keys.has(dtmf)) invalid([...path, 'dtmf'], 'different from those before', dtmf);
      keys.add(dtmf);
      const does = menuAction(action);
      if (does?.kind === 'menu' && !ids.has(does.menuId)) {
        invalid([...path, 'action'], 'the id of one of the menus within menu()', action);
      }
    }
  }
  return problems;
}
