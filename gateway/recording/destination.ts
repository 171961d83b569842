import { isS3Bucket } from '../config-audio.ts';
import { RecordingError } from './recording-error.ts';
import type { RecordingFormat, RecordingPlan } from './recording-messages.ts';

/** As in the configuration's `recording.s3`. */
export interface S3Settings {
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Files beyond it go in parts of this size. Default 8 MiB; S3 itself takes no less than 5. */
  readonly partBytes?: number | undefined;
}

export interface S3Target {
  readonly bucket: string;
  readonly key: string;
  /** Of the call itself, never written anywhere; undefined: the configuration's. */
  readonly credentials: S3Credentials | undefined;
}

export interface S3Credentials {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Where recordings live until they are whole, below the recording directory. */
export const pendingFolder = 'pending';

const keyBytesMax = 1_024;
const nameBytesMax = 200;
const extensions: Readonly<Record<RecordingFormat, RegExp>> = {
  wav: /\.wav$/i,
  flac: /\.flac$/i,
  ogg: /\.(?:ogg|opus|oga)$/i,
};

/** What a call asked for, checked: a name below the recording directory, or a place in S3.
 *  @throws RecordingError */
export function recordingTarget(
  options: {
    readonly callId: string;
    readonly destination: string | undefined;
    readonly credentials?: string | undefined;
    readonly format: RecordingFormat;
  },
  s3: S3Settings | undefined,
): RecordingPlan['target'] {
  const { destination, format } = options;
  const ownName = `${options.callId.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100)}.${format}`;
  if (destination === undefined || destination === '') return { kind: 'file', path: ownName };
  if (/^s3:\/\//i.test(destination)) return { kind: 's3', ...s3Target(destination, ownName, options, s3) };
  if (/^[a-z][a-z0-9+.-]*:/i.test(destination))
    throw wrong(destination, 'must be a file name or s3://BUCKET/KEY; other storage is not supported');
  return { kind: 'file', path: named(checkedPath(destination, destination, nameBytesMax), ownName, format) };
}

function s3Target(
  destination: string,
  ownName: string,
  { credentials, format }: { readonly credentials?: string | undefined; readonly format: RecordingFormat },
  s3: S3Settings | undefined,
): S3Target {
  const [, bucket = '', place = ''] = /^s3:\/\/([^/]*)\/?(.*)$/is.exec(destination) ?? [];
  if (!isS3Bucket(bucket)) throw wrong(destination, 'must name a bucket, as in s3://BUCKET/KEY');
  const path = place === '' ? ownName : checkedPath(place, destination, keyBytesMax);
  const key = named(path, ownName, format);
  if (credentials !== undefined && credentials !== '')
    return { bucket, key, credentials: parseCredentials(credentials) };
  if (s3 === undefined)
    throw new RecordingError(
      'recording-not-configured',
      's3:// needs recording.s3, or credentials in the request',
    );
  if (s3.bucket !== bucket)
    throw wrong(
      destination,
      `must be in the bucket ${s3.bucket} (recording.s3.bucket), or bring credentials`,
    );
  return { bucket, key, credentials: undefined };
}

/** `ACCESSKEY:SECRET` with `:REGION`, else us-east-1. */
function parseCredentials(text: string): S3Credentials {
  const [accessKeyId = '', secretAccessKey = '', region = 'us-east-1', ...more] = text.split(':');
  const right =
    /^[\w+=,.@-]{3,128}$/.test(accessKeyId) &&
    /^[\x21-\x7e]{8,256}$/.test(secretAccessKey) &&
    /^[a-z0-9-]{3,40}$/.test(region);
  if (!right || more.length > 0)
    throw new RecordingError('recording-malformed', 'credentials must be ACCESSKEY:SECRET:REGION');
  return { accessKeyId, secretAccessKey, region };
}

/** No way out of the directory, nor into what is not finished. */
function checkedPath(path: string, destination: string, segmentBytesMax: number): string {
  const folder = path.endsWith('/');
  const segments = (folder ? path.slice(0, -1) : path).split('/');
  for (const segment of segments) {
    if (segment === '' || segment === '.' || segment === '..')
      throw wrong(destination, 'must not be absolute, nor have empty parts, . or ..');
    if (/[\p{Cc}\\]/u.test(segment))
      throw wrong(destination, 'must not have control characters or backslashes');
    if (segment.startsWith('.') || segment.startsWith('-'))
      throw wrong(destination, 'must not have parts that begin with . or -');
    if (Buffer.byteLength(segment) > segmentBytesMax)
      throw wrong(destination, `must have parts of at most ${segmentBytesMax} bytes`);
  }
  if (segments[0] === pendingFolder) throw wrong(destination, `must not be in ${pendingFolder}/`);
  if (Buffer.byteLength(path) > keyBytesMax - 100)
    throw wrong(destination, `must have at most ${keyBytesMax - 100} bytes`);
  return path;
}

function named(path: string, ownName: string, format: RecordingFormat): string {
  if (path.endsWith('/')) return path + ownName;
  return extensions[format].test(path) ? path : `${path}.${format}`;
}

function wrong(destination: string, what: string): RecordingError {
  const shown = JSON.stringify(destination.replace(/[?#].*$/s, '').slice(0, 200));
  return new RecordingError('recording-malformed', `recording destination ${shown} ${what}`);
}
