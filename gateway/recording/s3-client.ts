import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { AwsV4Signer } from 'aws4fetch';
import { linkedSignal } from '../audio/abort.ts';
import { errorCode, errorMessage, GatewayError } from '../errors.ts';
import type { S3Credentials } from './destination.ts';

export interface S3Place {
  readonly endpoint: string | undefined;
  readonly bucket: string;
  readonly key: string;
  readonly credentials: S3Credentials;
  readonly contentType: string;
}

export interface S3Options {
  readonly signal: AbortSignal;
  /** Waits, for back-off. Rejects where the signal does. */
  readonly wait: (delayMs: number) => Promise<void>;
  /** Beyond it a file goes in parts of this size. S3 takes at least 5 MiB. */
  readonly partBytes?: number | undefined;
}

export const s3PartBytesDefault = 8 * 1024 * 1024;
const partsMax = 9_000;
const attemptsMax = 5;
const backOffMs = 500;
const requestLimitMs = 120_000;
const answerBytesMax = 65_536;

/** What the storage said, or that it said nothing. `retriable`: the same may work later. */
export class S3Error extends GatewayError {
  readonly retriable: boolean;

  constructor(code: string, message: string, retriable: boolean, cause?: unknown) {
    super(code, message, { cause });
    this.name = 'S3Error';
    this.retriable = retriable;
  }
}

interface S3Request {
  readonly method: string;
  readonly query?: string;
  readonly body?: Buffer;
  readonly contentType?: string;
}

/** Puts a file there, in parts where it is long, each tried up to five times with growing pauses. Rejects with
 *  `S3Error`. */
export async function uploadToS3(path: string, place: S3Place, options: S3Options): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const partBytes = Math.max(options.partBytes ?? s3PartBytesDefault, Math.ceil(size / partsMax));
    const read = async (start: number, length: number) => {
      const body = Buffer.alloc(length);
      const { bytesRead } = await file.read(body, 0, length, start);
      return body.subarray(0, bytesRead);
    };
    const { contentType } = place;
    if (size <= partBytes) {
      await insist(place, { method: 'PUT', body: await read(0, size), contentType }, options);
      return;
    }
    await uploadParts(place, options, { size, partBytes, read });
  } finally {
    await file.close();
  }
}

async function uploadParts(
  place: S3Place,
  options: S3Options,
  source: { size: number; partBytes: number; read: (start: number, length: number) => Promise<Buffer> },
): Promise<void> {
  const { contentType } = place;
  const { text } = await insist(place, { method: 'POST', query: 'uploads=', contentType }, options);
  const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(text)?.[1];
  if (uploadId === undefined) throw new S3Error('s3-answer', 'the storage gave no UploadId', false);
  const id = `uploadId=${encodeURIComponent(uploadId)}`;
  try {
    const tags: string[] = [];
    for (let start = 0; start < source.size; start += source.partBytes) {
      const body = await source.read(start, Math.min(source.partBytes, source.size - start));
      const query = `partNumber=${tags.length + 1}&${id}`;
      const { etag } = await insist(place, { method: 'PUT', query, body }, options);
      tags.push(etag);
    }
    const list = tags.map(
      (tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${xml(tag)}</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
    await insist(place, { method: 'POST', query: id, body }, options);
  } catch (error) {
    // Or the parts are kept and paid for.
    await send(place, { method: 'DELETE', query: id }, AbortSignal.timeout(5_000)).catch(() => {});
    throw error;
  }
}

async function insist(place: S3Place, request: S3Request, { signal, wait }: S3Options): Promise<S3Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(place, request, signal);
    } catch (error) {
      const again = error instanceof S3Error && error.retriable && attempt < attemptsMax && !signal.aborted;
      if (!again) throw error;
    }
    await wait(backOffMs * 2 ** (attempt - 1) * (0.5 + Math.random()));
  }
}

interface S3Answer {
  readonly text: string;
  readonly etag: string;
}

async function send(place: S3Place, request: S3Request, signal: AbortSignal): Promise<S3Answer> {
  const { method, query = '', body = Buffer.alloc(0), contentType } = request;
  const { region, accessKeyId, secretAccessKey } = place.credentials;
  const endpoint = (place.endpoint ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '');
  const path = [place.bucket, ...place.key.split('/')].map(encoded).join('/');
  const signed = await new AwsV4Signer({
    method,
    url: `${endpoint}/${path}${query === '' ? '' : `?${query}`}`,
    headers: {
      'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
      ...(contentType !== undefined && { 'content-type': contentType }),
    },
    region,
    service: 's3',
    accessKeyId,
    secretAccessKey,
  }).sign();
  const limited = linkedSignal(signal, AbortSignal.timeout(requestLimitMs));
  try {
    const response = await fetch(signed.url, {
      method,
      headers: signed.headers,
      redirect: 'manual',
      signal: limited.signal,
      ...(method !== 'DELETE' && { body: new Uint8Array(body) }),
    });
    const text = await shortText(response);
    // The end of a multipart upload answers 200 before it knows whether it worked.
    if (response.ok && !/<Error>/.test(text)) return { text, etag: response.headers.get('etag') ?? '' };
    throw refusal(response.status, text, place);
  } catch (error) {
    if (error instanceof S3Error) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const why = errorCode(cause) === 'UNKNOWN' ? errorMessage(cause) : errorCode(cause);
    throw new S3Error('s3-unreachable', `${endpoint} cannot be reached (${why})`, !signal.aborted, error);
  } finally {
    limited.release();
  }
}

/** What is said beyond so much is not read. */
async function shortText({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= answerBytesMax) break;
  }
  return Buffer.concat(parts).subarray(0, answerBytesMax).toString();
}

const advice: Readonly<Record<string, string>> = {
  AccessDenied: 'the credentials may not write there',
  InvalidAccessKeyId: 'the storage does not know this access key',
  SignatureDoesNotMatch: 'the secret is another one',
  NoSuchBucket: 'there is no such bucket',
  PermanentRedirect: 'the bucket is in another region',
  AuthorizationHeaderMalformed: 'the bucket is in another region',
  RequestTimeTooSkewed: "this machine's clock is wrong",
};

function refusal(status: number, text: string, { bucket, key }: S3Place): S3Error {
  const code = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(text)?.[1] ?? `${status}`;
  const why = advice[code] === undefined ? '' : `: ${advice[code]}`;
  const retriable =
    status >= 500 || status === 429 || status === 408 || (status < 300 && code !== 'NoSuchUpload');
  return new S3Error(
    's3-refused',
    `s3://${bucket}/${key} was refused with ${status} ${code}${why}`,
    retriable,
  );
}

/** As the signature wants it: all but letters, digits and - . _ ~. */
function encoded(part: string): string {
  return encodeURIComponent(part).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
