import { describe, expect, it } from 'vitest';
import { recordingTarget } from '../../../gateway/recording/destination.ts';
import { RecordingError } from '../../../gateway/recording/recording-error.ts';

const s3 = { region: 'eu-north-1', bucket: 'calls', accessKeyId: 'AKID', secretAccessKey: 'secret-secret' };

function target(destination: string | undefined, credentials?: string, settings: typeof s3 | 'none' = s3) {
  const options = { callId: 'gw-1/../a b', destination, credentials, format: 'wav' } as const;
  return recordingTarget(options, settings === 'none' ? undefined : settings);
}

describe('where a recording goes', () => {
  it.each([
    { destination: undefined, path: 'gw-1_.._a_b.wav' },
    { destination: 'a', path: 'a.wav' },
    { destination: 'a.WAV', path: 'a.WAV' },
    { destination: 'a.mp3', path: 'a.mp3.wav' },
    { destination: 'kund/2026-11/', path: 'kund/2026-11/gw-1_.._a_b.wav' },
    { destination: 'möte 1/ä.wav', path: 'möte 1/ä.wav' },
  ])('$destination is $path', ({ destination, path }) => {
    expect(target(destination)).toEqual({ kind: 'file', path });
  });

  it.each([
    { destination: 's3://calls/a/b.wav', key: 'a/b.wav' },
    { destination: 's3://calls', key: 'gw-1_.._a_b.wav' },
    { destination: 'S3://calls/a/', key: 'a/gw-1_.._a_b.wav' },
  ])('$destination is the key $key', ({ destination, key }) => {
    expect(target(destination)).toEqual({ kind: 's3', bucket: 'calls', key, credentials: undefined });
  });

  it('may be a bucket of the caller, with credentials of the caller', () => {
    expect(target('s3://theirs/x.wav', 'AKIDOTHER:abc/def+ghi=:eu-west-1', 'none')).toEqual({
      kind: 's3',
      bucket: 'theirs',
      key: 'x.wav',
      credentials: { accessKeyId: 'AKIDOTHER', secretAccessKey: 'abc/def+ghi=', region: 'eu-west-1' },
    });
  });

  it.each([
    '/etc/passwd',
    '../a.wav',
    'a/../../b.wav',
    'a/./b',
    'a//b',
    '..',
    '/',
    'a\\..\\b',
    'a\0.wav',
    'a\n.wav',
    '.hidden',
    '-rf',
    'pending/x.wav',
    'file:///etc/passwd',
    'https://storage.example/a.wav',
    'x'.repeat(300),
    'x/'.repeat(600),
    's3://',
    's3://Bad_Bucket/a',
    's3://calls/../other/a.wav',
    's3://calls/a/../../other/b',
    's3://other/a.wav',
  ])('%j is refused', (destination) => {
    expect(() => target(destination)).toThrow(RecordingError);
    expect(() => target(destination)).toThrow(expect.objectContaining({ code: 'recording-malformed' }));
  });

  it('in S3 needs S3 to be set up', () => {
    expect(() => target('s3://calls/a.wav', undefined, 'none')).toThrow('recording.s3');
  });

  it.each([
    'x',
    'AKIDOTHER',
    'AKIDOTHER:short',
    'AKIDOTHER:longenough:EU WEST',
    'A:b:c:d',
    'AKID\n:longenough:eu',
  ])('with the credentials %j is refused, without showing them', (credentials) => {
    expect(() => target('s3://theirs/x.wav', credentials)).toThrow(
      'credentials must be ACCESSKEY:SECRET:REGION',
    );
  });
});
