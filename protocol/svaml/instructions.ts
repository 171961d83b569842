import { type Static, type TSchema, Type } from 'typebox';
import type { DeepReadonly, SchemaProblem } from '../schema-check.ts';
import { notHere } from './actions.ts';
import { formattedText, localeSchema } from './common-fields.ts';

const named = <Name extends string>(name: Name, description: string) => Type.Enum([name], { description });

const answerSchema = Type.Object({ name: named('answer', 'Answers the call before anything else happens.') });

const playFilesSchema = Type.Object({
  name: named('playFiles', 'Plays audio.'),
  ids: Type.Array(formattedText('prompt', 'A prompt: #href[URL], #tts[text], #ssml[markup] or a name.'), {
    minItems: 1,
    maxItems: 64,
    expected: 'a list of 1 to 64 prompts',
    description: 'Played one after the other.',
  }),
  locale: localeSchema,
});

const saySchema = Type.Object({
  name: named('say', 'Speaks a text.'),
  text: Type.String({
    minLength: 1,
    maxLength: 4_096,
    expected: 'text of 1 to 4096 characters',
    description: 'What is spoken.',
  }),
  locale: localeSchema,
});

const sendDtmfSchema = Type.Object({
  name: named('sendDtmf', 'Presses keys.'),
  value: formattedText('digits', 'The keys; `w` waits 500 ms.'),
});

const setCookieSchema = Type.Object({
  name: named('setCookie', 'Remembers a value for the duration of the call; callbacks carry it.'),
  key: formattedText('identifier', 'Its name.'),
  value: Type.String({
    maxLength: 1_024,
    expected: 'text of at most 1024 characters',
    description: 'The value.',
  }),
});

const startRecordingSchema = Type.Object({
  name: named('startRecording', 'Records the call from now on.'),
  options: Type.Object(
    {
      destinationUrl: Type.Optional(
        formattedText(
          'recording-destination',
          'Where the file goes: s3://BUCKET/PATH or a file name. Default: recording.directory.',
        ),
      ),
      credentials: Type.Optional(
        Type.String({
          maxLength: 4_096,
          secret: true,
          expected: 'text of at most 4096 characters',
          description: 'Name of credentials in the configuration, or KEY:SECRET:REGION.',
        }),
      ),
      format: Type.Enum(['wav', 'flac', 'ogg'], {
        caseless: true,
        default: 'wav',
        description: 'Format of the file.',
      }),
      channels: Type.Enum(['stereo', 'mixed'], {
        default: 'stereo',
        description: 'stereo: the caller left, the other side right; mixed: both in one.',
      }),
      notificationEvents: Type.Boolean({
        default: true,
        description: 'The application gets `notify` when the recording is finished and when it is available.',
      }),
      transcriptionOptions: Type.Optional(
        Type.Object({
          enabled: Type.Boolean({
            default: false,
            description: 'Must be false: there is no transcription here.',
          }),
          locale: Type.Optional(formattedText('locale', 'Means nothing while `enabled` is false.')),
        }),
      ),
    },
    { default: {} },
  ),
});

const plain = <Name extends string>(name: Name, description: string) =>
  Type.Object({ name: named(name, description) });

/** By name. */
export const instructionSchemas = {
  answer: answerSchema,
  playFiles: playFilesSchema,
  say: saySchema,
  sendDtmf: sendDtmfSchema,
  setCookie: setCookieSchema,
  startRecording: startRecordingSchema,
  pauseRecording: plain('pauseRecording', 'The recording has silence from now on.'),
  resumeRecording: plain('resumeRecording', 'A paused recording goes on.'),
  stopRecording: plain('stopRecording', 'Ends the recording.'),
} as const satisfies Record<string, TSchema>;

export type Answer = DeepReadonly<Static<typeof answerSchema>>;
export type PlayFiles = DeepReadonly<Static<typeof playFilesSchema>>;
export type Say = DeepReadonly<Static<typeof saySchema>>;
export type SendDtmf = DeepReadonly<Static<typeof sendDtmfSchema>>;
export type SetCookie = DeepReadonly<Static<typeof setCookieSchema>>;
export type StartRecording = DeepReadonly<Static<typeof startRecordingSchema>>;
export type PauseRecording = { readonly name: 'pauseRecording' };
export type ResumeRecording = { readonly name: 'resumeRecording' };
export type StopRecording = { readonly name: 'stopRecording' };

export type SvamlInstruction =
  | Answer
  | PlayFiles
  | Say
  | SendDtmf
  | SetCookie
  | StartRecording
  | PauseRecording
  | ResumeRecording
  | StopRecording;

/** What a schema cannot say of an instruction. Only for one without schema problems. */
export function instructionProblems(instruction: SvamlInstruction): SchemaProblem[] {
  if (instruction.name !== 'startRecording') return [];
  if (instruction.options.transcriptionOptions?.enabled !== true) return [];
  return [notHere(['options', 'transcriptionOptions', 'enabled'], 'transcription is not available')];
}
