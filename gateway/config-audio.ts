import { Type } from 'typebox';
import { text, whole } from './config-fields.ts';

/** Settings of what is played and what is recorded. */

export const audioSettings = Type.Object(
  {
    cacheMb: whole(
      'Memory for audio that was fetched and decoded; the longest unused goes first.',
      0,
      65_536,
      64,
    ),
    fileMb: whole('Longest file that is fetched.', 1, 4_096, 32),
    maxSeconds: whole('Longest audio of one file.', 1, 86_400, 3_600),
    downloads: whole('Files fetched at a time; others wait.', 1, 1_000, 32),
    decoders: whole('Files decoded at a time; others wait.', 1, 1_000, 64),
    timeoutMs: whole(
      'Longest wait for a server to begin its answer, redirects included, and for each further part.',
      100,
      120_000,
      10_000,
    ),
  },
  { default: {} },
);

export const speechSettings = Type.Optional(
  Type.Object(
    {
      command: text(
        'Program that speaks, its arguments separated by spaces; no shell sees it. Text comes on its standard input, a WAV, MP3, FLAC or Ogg file is expected on its standard output. {voice} stands for the voice, or where there is none for the locale: espeak-ng --stdout -v {voice}.',
      ),
      voice: Type.String({
        format: 'voice',
        default: 'en',
        description: 'Voice of texts that name neither voice nor locale.',
      }),
      timeoutMs: whole('Longest time for one text.', 100, 600_000, 15_000),
      atOnce: whole('Programs that run at a time; others wait.', 1, 256, 4),
    },
    { description: 'Text to speech.' },
  ),
);

export const recordingSettings = Type.Object(
  {
    directory: text(
      'Where recordings are written, and where those wait that go to S3. What a killed gateway left in it is completed at the next start.',
      { default: './recordings' },
    ),
    format: Type.Enum(['wav', 'flac', 'ogg'], {
      default: 'wav',
      description:
        'Of recordings that name none: wav, flac (lossless, about half as long) or ogg (Opus, an eighth at 16 kHz).',
    }),
    s3: Type.Optional(
      Type.Object(
        {
          endpoint: Type.Optional(
            Type.String({
              format: 'http-url',
              description: "Storage that speaks S3. Default: Amazon's of that region.",
            }),
          ),
          region: text('Region, as the signature names it.', { default: 'us-east-1' }),
          bucket: Type.String({
            format: 's3-bucket',
            description: 'The only bucket for which these credentials are used.',
          }),
          accessKeyId: text('Access key.'),
          secretAccessKey: text('Its secret.', { secret: true }),
        },
        { description: 'For recordings whose destination is s3://BUCKET/KEY.' },
      ),
    ),
  },
  { default: {} },
);

export const audioFormats = {
  voice: {
    expected: 'a voice of at most 64 letters, digits and + - _ .',
    accepts: (voice: string) => isVoice(voice),
  },
  's3-bucket': {
    expected: 'a bucket of 3 to 63 small letters, digits, dots and hyphens',
    accepts: (bucket: string) => isS3Bucket(bucket),
  },
};

/** It becomes an argument of the program that speaks, and must not be able to be an option or a path. */
export function isVoice(voice: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9+_.-]{0,63}$/.test(voice);
}

export function isS3Bucket(bucket: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) && !bucket.includes('..');
}
