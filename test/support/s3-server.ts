import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface S3Request {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Speaks as much of the S3 protocol as an upload needs, checks every signature (AWS Signature Version 4), and fails
 *  on request. */
export class S3Server {
  readonly accessKeyId = 'AKIDEXAMPLE';
  readonly secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  readonly region = 'eu-north-1';
  /** By `bucket/key`. */
  readonly objects = new Map<string, { readonly body: Buffer; readonly contentType: string | undefined }>();
  readonly requests: string[] = [];
  /** Uploads in parts that were neither completed nor given up. */
  readonly open = new Map<string, Map<number, Buffer>>();
  /** Asked before each request is obeyed: an error's status and code, or undefined. */
  fail: (request: S3Request) => readonly [status: number, code: string] | undefined = () => undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<S3Server> {
    const server = createServer();
    const s3 = new S3Server(server);
    server.on('request', (message, response) => void s3.#receive(message, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return s3;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of message) parts.push(part as Buffer);
    const request = {
      method: message.method ?? '',
      url: new URL(message.url ?? '', this.endpoint),
      headers: message.headers,
      body: Buffer.concat(parts),
    };
    this.requests.push(`${request.method} ${request.url.pathname}${request.url.search}`);
    const failure = this.#refusal(request, message.url ?? '') ?? this.fail(request);
    if (failure === undefined) return this.#obey(request, response);
    const [status, code] = failure;
    response
      .writeHead(status)
      .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
  }

  #obey({ method, url, headers, body }: S3Request, response: ServerResponse): void {
    const name = decodeURIComponent(url.pathname.slice(1));
    const contentType = headers['content-type'];
    const uploadId = url.searchParams.get('uploadId') ?? '';
    if (method === 'PUT' && uploadId === '') {
      this.objects.set(name, { body, contentType });
      response.setHeader('ETag', '"whole"').end();
    } else if (method === 'POST' && url.searchParams.has('uploads')) {
      const id = `id+/${this.requests.length}`;
      this.open.set(id, new Map());
      response.end(
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    } else if (method === 'PUT') {
      const part = Number(url.searchParams.get('partNumber'));
      this.open.get(uploadId)?.set(part, body);
      response.setHeader('ETag', `"part-${part}"`).end();
    } else if (method === 'POST') {
      const named = [
        ...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"part-(\d+)"<\/ETag>/g),
      ];
      const held = this.open.get(uploadId);
      const parts = named.map(([, part]) => held?.get(Number(part)) ?? Buffer.alloc(0));
      this.objects.set(name, { body: Buffer.concat(parts), contentType });
      this.open.delete(uploadId);
      response.end('<CompleteMultipartUploadResult/>');
    } else if (method === 'DELETE') {
      this.open.delete(uploadId);
      response.writeHead(204).end();
    } else response.writeHead(405).end();
  }

  /** As the documentation of Signature Version 4 has it, from what came over the wire. */
  #refusal(request: S3Request, target: string): readonly [number, string] | undefined {
    const { method, headers, body } = request;
    const [, keyId, date = '', region, signed = '', signature] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
        headers.authorization ?? '',
      ) ?? [];
    if (keyId !== this.accessKeyId) return [403, 'InvalidAccessKeyId'];
    if (region !== this.region) return [400, 'AuthorizationHeaderMalformed'];
    const hash = createHash('sha256').update(body).digest('hex');
    if (headers['x-amz-content-sha256'] !== hash) return [400, 'XAmzContentSHA256Mismatch'];
    const [path = '', query = ''] = target.split('?');
    const names = signed.split(';');
    const canonical = [
      method,
      path,
      query.split('&').sort().join('&'),
      ...names.map((name) => `${name}:${String(headers[name]).trim()}`),
      '',
      signed,
      hash,
    ].join('\n');
    const scope = `${date}/${region}/s3/aws4_request`;
    const text = [
      'AWS4-HMAC-SHA256',
      headers['x-amz-date'],
      scope,
      createHash('sha256').update(canonical).digest('hex'),
    ].join('\n');
    const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
    const key = hmac(
      hmac(hmac(hmac(`AWS4${this.secretAccessKey}`, date), this.region), 's3'),
      'aws4_request',
    );
    const complete =
      names.includes('host') && names.includes('x-amz-date') && names.includes('x-amz-content-sha256');
    return complete && hmac(key, text).toString('hex') === signature
      ? undefined
      : [403, 'SignatureDoesNotMatch'];
  }
}
