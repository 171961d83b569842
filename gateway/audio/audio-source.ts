import { GatewayError } from '../errors.ts';

export type ToneName = 'ringback' | 'busy' | 'beep' | 'music';

/** What a caller is to hear. */
export type AudioSource =
  | { readonly kind: 'url'; readonly url: string }
  /** Of the operator alone: see `trusted`. */
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'speech';
      readonly text: string;
      /** BCP 47 tag such as `en-US`. */
      readonly locale?: string | undefined;
      /** As the text-to-speech command knows it; before `locale`. */
      readonly voice?: string | undefined;
    }
  /** `country` is an ISO 3166 code. All but the beep sound without end. */
  | { readonly kind: 'tone'; readonly name: ToneName; readonly country?: string | undefined };

export type AudioErrorCode =
  | 'audio-malformed'
  | 'audio-forbidden'
  | 'audio-unreachable'
  | 'audio-refused'
  | 'audio-too-large'
  | 'audio-too-long'
  | 'audio-not-audio'
  | 'audio-busy'
  | 'audio-closed'
  | 'speech-not-configured'
  | 'speech-failed';

/** Audio that cannot be played. The message names the source and what to do. */
export class AudioError extends GatewayError {
  declare readonly code: AudioErrorCode;

  constructor(code: AudioErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = 'AudioError';
  }
}

const promptTextMax = 5_000;

/** A prompt of the Voice API: `#tts[Hello]`, `#ssml[<speak>…</speak>]` (spoken without its tags), `#href[URL]`,
 *  `#tone[NAME]`, `#ringback[COUNTRY]`, a bare https URL, or a bare name of a tone. AudioError otherwise. */
export function parsePrompt(prompt: string): AudioSource {
  const text = prompt.trim();
  if (text.length > promptTextMax)
    throw new AudioError(
      'audio-malformed',
      `a prompt must be at most ${promptTextMax} characters, got ${text.length}`,
    );
  const [, form, inside = ''] = /^#([a-z]+)\[(.*)\]$/is.exec(text) ?? [];
  switch (form?.toLowerCase()) {
    case 'tts':
      return speech(prompt, inside);
    case 'ssml':
      return speech(prompt, withoutTags(inside));
    case 'href':
      return { kind: 'url', url: inside.trim() };
    case 'ringback':
      return ringback(prompt, inside.trim());
    case 'tone':
      return tone(prompt, inside.trim());
    case undefined:
      return /^https?:\/\//i.test(text) ? { kind: 'url', url: text } : tone(prompt, text);
    default:
      throw unknownPrompt(prompt);
  }
}

function speech(prompt: string, inside: string): AudioSource {
  const text = inside.replace(/\s+/g, ' ').trim();
  if (text === '') throw new AudioError('audio-malformed', `prompt ${shown(prompt)} has no text to speak`);
  return { kind: 'speech', text };
}

/** What remains of SSML to a program that knows no SSML; its breaks become pauses of a full stop. */
function withoutTags(ssml: string): string {
  return ssml
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replace(/<(?:break|\/p|\/s)\b[^<>]*>/gi, '. ')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/&(amp|lt|gt|quot|apos);/g, (_, name: keyof typeof entities) => entities[name]);
}

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" } as const;

function ringback(prompt: string, country: string): AudioSource {
  if (country === '') return { kind: 'tone', name: 'ringback' };
  if (!/^[a-z]{2}$/i.test(country))
    throw new AudioError(
      'audio-malformed',
      `prompt ${shown(prompt)} must name a country by its two letters, such as #ringback[se]`,
    );
  return { kind: 'tone', name: 'ringback', country: country.toLowerCase() };
}

function tone(prompt: string, name: string): AudioSource {
  const found = toneNames.get(name.toLowerCase());
  if (found === undefined) throw unknownPrompt(prompt);
  return { kind: 'tone', name: found };
}

/** `music1` … are the Voice API's names for music on hold. */
const toneNames: ReadonlyMap<string, ToneName> = new Map([
  ['ringback', 'ringback'],
  ['ring', 'ringback'],
  ['ringing', 'ringback'],
  ['busy', 'busy'],
  ['beep', 'beep'],
  ['music', 'music'],
  ['music1', 'music'],
  ['music2', 'music'],
  ['music3', 'music'],
]);

function unknownPrompt(prompt: string): AudioError {
  return new AudioError(
    'audio-malformed',
    `prompt ${shown(prompt)} must be #tts[TEXT], #ssml[TEXT], #href[URL], #ringback[COUNTRY], an https:// URL or one of beep, ringback, busy, music`,
  );
}

function shown(prompt: string): string {
  return JSON.stringify(prompt.length > 60 ? `${prompt.slice(0, 57)}...` : prompt);
}
