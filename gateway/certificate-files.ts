import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorCode, errorMessage, GatewayError } from './errors.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

export interface Certificate {
  /** PEM. */
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

/** Reads the files and tries whether they fit together. `setting` is named where they do not, in a `GatewayError`. */
export async function readCertificate(files: CertificateFiles, setting: string): Promise<Certificate> {
  try {
    const read = {
      cert: await readFile(files.cert),
      key: await readFile(files.key),
      ...(files.ca === undefined ? {} : { ca: await readFile(files.ca) }),
    };
    createSecureContext(read);
    return read;
  } catch (error) {
    throw new GatewayError(errorCode(error), `${setting}: ${errorMessage(error)}`, { cause: error });
  }
}
