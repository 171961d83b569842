import { stat } from 'node:fs/promises';
import { type Certificate, type CertificateFiles, readCertificate } from '../certificate-files.ts';
import type { Clock, Timer } from '../clock.ts';
import { errorMessage } from '../errors.ts';

export interface CertificateWatchOptions {
  readonly files: CertificateFiles;
  /** Named where they cannot be used: `sip.tls`. */
  readonly setting: string;
  readonly clock: Clock;
  readonly log: {
    info(fields: object, sentence: string): void;
    warn(fields: object, sentence: string): void;
  };
  /** Between two looks at the files. Default: a minute. */
  readonly everyMs?: number;
  /** Takes a pair that fits together. */
  reload(certificate: Certificate): void;
}

const everyMsDefault = 60_000;

/** Certificates are renewed every few weeks, and calls go on for hours: new files are taken without a restart, when they
 *  change or when somebody asks for it. It looks at them instead of waiting to be told: renewal tools swap symbolic
 *  links, of which a watcher hears nothing. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #timer: Timer | undefined;
  /** What the files looked like when they were last read, `undefined` before the first look. */
  #seen: string | undefined;
  #open = true;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
  }

  /** Takes the files as they are now for those in use. */
  async start(): Promise<void> {
    this.#seen = await this.#look();
    this.#arm();
  }

  /** Reads them now, changed or not: for SIGHUP. False where they could not be used; the old ones then stay, and why is
   *  in the log. */
  async reload(): Promise<boolean> {
    this.#seen = await this.#look();
    const { files, setting, log, reload } = this.#options;
    try {
      const certificate = await readCertificate(files, setting);
      if (!this.#open) return false;
      reload(certificate);
      log.info({ setting }, 'certificate reloaded');
      return true;
    } catch (error) {
      log.warn({ setting, detail: errorMessage(error) }, 'certificate not reloaded, the old one stays');
      return false;
    }
  }

  close(): void {
    this.#open = false;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (!this.#open) return;
    this.#timer = this.#options.clock.after(this.#options.everyMs ?? everyMsDefault, () => {
      void this.#check().then(() => this.#arm());
    });
  }

  /** A pair of which one half is new already fails, and is read again when the other half changes. */
  async #check(): Promise<void> {
    if ((await this.#look()) !== this.#seen && this.#open) await this.reload();
  }

  /** Of what the names lead to. */
  async #look(): Promise<string> {
    const { cert, key, ca } = this.#options.files;
    const names = ca === undefined ? [cert, key] : [cert, key, ca];
    const looks = names.map(async (name) => {
      try {
        const { ino, size, mtimeMs } = await stat(name);
        return `${ino} ${size} ${mtimeMs}`;
      } catch {
        return 'missing';
      }
    });
    return (await Promise.all(looks)).join(', ');
  }
}
