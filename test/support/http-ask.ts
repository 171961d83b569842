import { request } from 'node:http';
import { authorizationOf } from '../../protocol/signing.ts';

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Parsed; undefined where it is no JSON. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

/** By hand, since `fetch` would not let every header be written. */
export function askHttp(
  base: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string | Buffer,
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const sent = request(base + path, { method, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function parsed(text: string): HttpReply['json'] {
  try {
    return JSON.parse(text) as HttpReply['json'];
  } catch {
    return undefined;
  }
}

/** Headers of a signed request. `wallMs` is its timestamp. */
export function signedHeaders(
  application: { readonly key: string; readonly secret: string },
  method: string,
  path: string,
  body: string | Buffer = '',
  wallMs = Date.now(),
): Record<string, string> {
  const timestamp = new Date(wallMs).toISOString();
  const contentType = 'application/json';
  const signed = { method, path, contentType, body: Buffer.from(body), timestamp };
  return {
    'content-type': contentType,
    'x-timestamp': timestamp,
    authorization: authorizationOf(signed, application),
  };
}

export function basicHeaders({ key, secret }: { readonly key: string; readonly secret: string }): {
  readonly authorization: string;
} {
  return { authorization: `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}` };
}
