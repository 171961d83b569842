import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { isTcpUrl, streamUrl } from '../protocol/svaml/formats.ts';
import { errorCode, errorMessage, GatewayError } from './errors.ts';
import type { StreamTls } from './media/media-messages.ts';
import { endpointMatches, parseEndpointPattern } from './routing/endpoint-pattern.ts';

export interface StreamCertificateFiles {
  /** Pattern of the endpoints that it is for. */
  readonly endpoints: string;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

/** Reads what `stream.tls` names and tries whether it fits together. What is returned finds the first entry that matches
 *  an endpoint. Throws `GatewayError` naming the entry. */
export async function readStreamCertificates(
  entries: readonly StreamCertificateFiles[],
): Promise<(endpoint: string) => StreamTls | undefined> {
  const read = await Promise.all(entries.map((entry, index) => readEntry(entry, `stream.tls[${index}]`)));
  return (endpoint) => {
    const url = streamUrl(endpoint);
    if (url === undefined || isTcpUrl(endpoint)) return undefined;
    return read.find(({ pattern }) => pattern !== undefined && endpointMatches(pattern, url))?.tls;
  };
}

async function readEntry({ endpoints, ...files }: StreamCertificateFiles, setting: string) {
  try {
    const tls: StreamTls = {
      ...(files.cert !== undefined && { cert: await readFile(files.cert, 'utf8') }),
      ...(files.key !== undefined && { key: await readFile(files.key, 'utf8') }),
      ...(files.ca !== undefined && { ca: await readFile(files.ca, 'utf8') }),
    };
    createSecureContext(tls);
    return { pattern: parseEndpointPattern(endpoints), tls };
  } catch (error) {
    throw new GatewayError(errorCode(error), `${setting}: ${errorMessage(error)}`, { cause: error });
  }
}
