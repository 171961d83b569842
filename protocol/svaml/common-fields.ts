import { Type } from 'typebox';
import { svamlFormats } from './formats.ts';

/** Fields that several actions, instructions and callouts share. */

const formatted = (format: string, description: string, options: object = {}) =>
  Type.String({ format, expected: svamlFormats[format]!.expected, description, ...options });

export const formattedText = formatted;

export const maxDurationSeconds = 14_400;

export const durationSchema = (description: string) =>
  Type.Integer({
    minimum: 1,
    maximum: maxDurationSeconds,
    default: maxDurationSeconds,
    description,
  });

export const localeSchema = formatted('locale', 'Language or voice of speech.', { default: 'en-US' });

/** Countries whose ringing tone `indications` may name. */
export const indicationCountries = [
  ...[
    'at',
    'au',
    'be',
    'bg',
    'br',
    'ch',
    'cl',
    'cn',
    'cz',
    'de',
    'dk',
    'ee',
    'es',
    'fi',
    'fr',
    'gr',
    'hu',
    'il',
  ],
  ...[
    'in',
    'it',
    'jp',
    'lt',
    'mx',
    'my',
    'nl',
    'no',
    'nz',
    'ph',
    'pl',
    'pt',
    'ru',
    'se',
    'sg',
    'th',
    'tw',
    'uk',
  ],
  ...['us', 've', 'za'],
];

export const callHeadersSchema = Type.Array(
  Type.Object({
    key: formatted('header-name', 'Name of the header.'),
    value: formatted('header-text', 'Its value.'),
  }),
  {
    default: [],
    maxItems: 64,
    expected: 'a list of at most 64 {key, value}',
    description: 'Sent as X- headers; at most 1024 bytes of keys and values in all.',
  },
);

/** `ring`, `music1` to `music3`, or a prompt. */
export const musicSchema = formatted(
  'prompt',
  'Music while waiting: `ring`, `music1`, `music2`, `music3`, or a prompt such as #href[URL].',
);

export const conferenceIdSchema = formatted('identifier', 'Name of the room.');

export const conferenceDtmfSchema = Type.Object(
  {
    mode: Type.Enum(['ignore', 'forward', 'detect'], {
      default: 'ignore',
      caseless: true,
      description:
        'ignore: nobody hears the keys; forward: all others do; detect: the application gets a PIE.',
    }),
    maxDigits: Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 1,
      description: 'Keys after which the PIE is sent.',
    }),
    timeoutMills: Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 3_000,
      description: 'Wait for a further key, in ms.',
    }),
  },
  { default: {}, description: "What a member's keys do." },
);

export const callerIdSchema = formatted(
  'caller-id',
  'Shown to the called party; `private` hides the caller.',
);

export const suppressCallbacksSchema = Type.Boolean({
  default: false,
  description: 'No ACE and no DICE for this call.',
});

export const dtmfSchema = formatted('digits', 'Keys that are pressed when the called party answers.');

export const amdSchema = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: 'Must be false: there is no such detection here.' }),
    async: Type.Boolean({ default: false, description: 'Means nothing while `enabled` is false.' }),
  },
  { description: 'Answering machine detection.' },
);
