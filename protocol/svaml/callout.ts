import { type Static, Type } from 'typebox';
import { ProtocolError } from '../protocol-error.ts';
import { checkSchema, type DeepReadonly, foundText, type SchemaProblem } from '../schema-check.ts';
import { notHere } from './actions.ts';
import {
  amdSchema,
  callerIdSchema,
  conferenceDtmfSchema,
  conferenceIdSchema,
  dtmfSchema,
  durationSchema,
  formattedText,
  localeSchema,
  musicSchema,
} from './common-fields.ts';
import { actionError } from './connect-stream.ts';
import { sipAddress, svamlFormats, webUrl } from './formats.ts';
import { checkSvaml, isObject, type Svaml } from './svaml.ts';

const destinationSchema = Type.Object(
  {
    type: Type.Enum(['number', 'username', 'sip'], {
      caseless: true,
      description: 'number: through a trunk; username: a phone that registered here; sip: any SIP address.',
    }),
    endpoint: Type.String({
      minLength: 1,
      maxLength: 1_024,
      expected: 'text of 1 to 1024 characters',
      description: 'The number, the name or the address.',
    }),
  },
  { description: 'Who is called.' },
);

const common = {
  cli: Type.Optional(callerIdSchema),
  dtmf: Type.Optional(dtmfSchema),
  custom: Type.Optional(
    Type.String({
      maxLength: 4_096,
      expected: 'text of at most 4096 characters',
      description: "The application's own; callbacks carry it.",
    }),
  ),
  domain: Type.Optional(
    Type.Enum(['pstn', 'mxp'], {
      caseless: true,
      description: 'Means nothing here: `destination.type` says it.',
    }),
  ),
  maxDuration: durationSchema('Longest duration of the call in seconds.'),
  enableDice: Type.Boolean({
    default: false,
    description: 'The application gets a DICE when the call is over.',
  }),
  enablePie: Type.Boolean({ default: false, description: 'The application gets a PIE after a menu.' }),
  amd: Type.Optional(amdSchema),
};

const inline = (what: string) =>
  Type.Optional(
    Type.Unsafe<unknown>({
      type: 'string',
      description: `${what}: SVAML as JSON in a text, or the URL that is asked for it. Default: callbackUrl.`,
    }),
  );

export const customCalloutSchema = Type.Object({
  ...common,
  enableDice: Type.Boolean({
    default: true,
    description: 'The application gets a DICE when the call is over.',
  }),
  enablePie: Type.Boolean({ default: true, description: 'The application gets a PIE after a menu.' }),
  enableAce: Type.Boolean({
    default: true,
    description: 'The application gets an ACE when the call is answered.',
  }),
  destination: Type.Optional(destinationSchema),
  ice: inline('What the call begins with'),
  ace: inline('What happens when the called party answers'),
  pie: inline('What happens after a menu'),
});

export const conferenceCalloutSchema = Type.Object({
  ...common,
  enableAce: Type.Boolean({
    default: false,
    description: 'The application gets an ACE when the call is answered.',
  }),
  destination: destinationSchema,
  conferenceId: conferenceIdSchema,
  conferenceDtmfOptions: conferenceDtmfSchema,
  locale: localeSchema,
  greeting: Type.Optional(
    Type.String({ maxLength: 4_096, description: 'Spoken to the called party before the room.' }),
  ),
  mohClass: Type.Optional(musicSchema),
});

export const ttsCalloutSchema = Type.Object({
  ...common,
  enableAce: Type.Boolean({
    default: false,
    description: 'The application gets an ACE when the call is answered.',
  }),
  destination: destinationSchema,
  locale: localeSchema,
  text: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4_096,
      expected: 'text of 1 to 4096 characters',
      description: 'What is spoken.',
    }),
  ),
  prompts: Type.Optional(formattedText('prompt', 'In place of `text`: prompts, separated by `;`.')),
});

/** `number`: as written; `username`: a name; `sip`: a whole URI. */
export type CalloutDestination = DeepReadonly<Static<typeof destinationSchema>>;

/** Inline, or where to ask for it. */
export type CalloutSvaml =
  | { readonly kind: 'svaml'; readonly svaml: Svaml }
  | { readonly kind: 'url'; readonly url: string };

interface Inline {
  readonly ice: CalloutSvaml | undefined;
  readonly ace: CalloutSvaml | undefined;
  readonly pie: CalloutSvaml | undefined;
}

/** With a destination, or with an `ice` that says what is called. */
export type CustomCallout = { readonly method: 'customCallout' } & Omit<
  DeepReadonly<Static<typeof customCalloutSchema>>,
  keyof Inline
> &
  Inline;
export type ConferenceCallout = { readonly method: 'conferenceCallout' } & DeepReadonly<
  Static<typeof conferenceCalloutSchema>
>;
/** With `text` or `prompts`. */
export type TtsCallout = { readonly method: 'ttsCallout' } & DeepReadonly<Static<typeof ttsCalloutSchema>>;

export type Callout = CustomCallout | ConferenceCallout | TtsCallout;

const schemas = {
  customCallout: customCalloutSchema,
  conferenceCallout: conferenceCalloutSchema,
  ttsCallout: ttsCalloutSchema,
} as const;

type Method = keyof typeof schemas;

const methods = Object.keys(schemas) as Method[];

/** The body of a callout, `{ method: 'ttsCallout', ttsCallout: {…} }`.
 *  @throws ProtocolError `bad-action`, 400, for the first problem, with the path of the field. */
export function checkCallout(value: unknown): Callout {
  if (!isObject(value)) throw invalid('the body', 'a mapping with method', value);
  const given = Object.hasOwn(value, 'method') ? value.method : undefined;
  const method = methods.find(
    (name) => typeof given === 'string' && name.toLowerCase() === given.toLowerCase(),
  );
  if (method === undefined) throw invalid('method', `one of ${methods.join(', ')}`, given);
  for (const key of Object.keys(value)) {
    if (key !== 'method' && key !== method) {
      const expected = `one of method, ${method}`;
      throw actionError({ path: [key], kind: 'unknown', found: '', expected, advice: undefined }, '');
    }
  }
  const body = Object.hasOwn(value, method) ? value[method] : undefined;
  if (method === 'customCallout') return checkCustom(body);
  const fields = checkFields(schemas[method], body, method);
  const destination = wholeDestination(fields.destination, `${method}.destination`);
  const callout = { method, ...fields, destination } as ConferenceCallout | TtsCallout;
  if (callout.method === 'ttsCallout' && callout.text === undefined && callout.prompts === undefined) {
    throw invalid('ttsCallout.text', 'text, unless there are prompts', undefined);
  }
  return callout;
}

function checkCustom(body: unknown): CustomCallout {
  const fields = checkFields(customCalloutSchema, withoutInline(body), 'customCallout');
  const given = body as Readonly<Record<string, unknown>>;
  const svaml = (key: keyof Inline) =>
    Object.hasOwn(given, key) ? inlineSvaml(given[key], `customCallout.${key}`) : undefined;
  const { destination } = fields;
  const callout: CustomCallout = {
    method: 'customCallout',
    ...fields,
    destination: destination && wholeDestination(destination, 'customCallout.destination'),
    ice: svaml('ice'),
    ace: svaml('ace'),
    pie: svaml('pie'),
  } as CustomCallout;
  if (destination === undefined && callout.ice === undefined) {
    throw invalid(
      'customCallout.destination',
      'a mapping with type and endpoint, unless there is an ice',
      undefined,
    );
  }
  return callout;
}

function withoutInline(body: unknown): unknown {
  if (!isObject(body)) return body;
  const { ice, ace, pie, ...rest } = body;
  return rest;
}

function checkFields<Schema extends (typeof schemas)[Method]>(
  schema: Schema,
  value: unknown,
  path: string,
): Static<Schema> {
  if (!isObject(value)) throw invalid(path, 'a mapping', value);
  const { value: checked, problems } = checkSchema(schema, value, svamlFormats);
  const problem = problems[0];
  if (problem !== undefined) throw actionError(problem, path);
  const amd = (checked as { readonly amd?: { readonly enabled: boolean } }).amd;
  if (amd?.enabled === true) {
    throw actionError(notHere(['amd', 'enabled'], 'answering machine detection is not available'), path);
  }
  return checked;
}

function wholeDestination({ type, endpoint }: CalloutDestination, path: string): CalloutDestination {
  if (type === 'sip') {
    const address = sipAddress(endpoint);
    if (address === undefined)
      throw invalid(`${path}.endpoint`, svamlFormats['sip-address']!.expected, endpoint);
    return { type, endpoint: address };
  }
  const format = svamlFormats[type === 'number' ? 'phone-number' : 'identifier']!;
  if (!format.accepts(endpoint)) throw invalid(`${path}.endpoint`, format.expected, endpoint);
  return { type, endpoint };
}

/** SVAML as JSON in a text, as the API's published clients send it, or as it is; or a URL. */
function inlineSvaml(value: unknown, path: string): CalloutSvaml | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') return { kind: 'svaml', svaml: checkSvaml(value, path) };
  if (/^https?:/i.test(value)) {
    if (webUrl(value) === undefined)
      throw invalid(path, 'SVAML as JSON, or an http:// or https:// URL', value);
    return { kind: 'url', url: value };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (cause) {
    // Not quoted: what is broken may still hold an authorization.
    const found = `a text of ${value.length} characters that is neither`;
    const message = `${path} must be SVAML as JSON, or an http:// or https:// URL, got ${found}`;
    throw new ProtocolError('bad-action', message, { status: 400, cause });
  }
  return { kind: 'svaml', svaml: checkSvaml(parsed, path) };
}

function invalid(path: string, expected: string, found: unknown): ProtocolError {
  const problem: SchemaProblem = {
    path: [],
    kind: 'invalid',
    expected,
    found: foundText(found),
    advice: undefined,
  };
  return actionError(problem, path);
}
