import { readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { errorCode } from '../errors.ts';
import { pendingFolder } from './destination.ts';
import type { RecordingFormat, RecordingPlan } from './recording-messages.ts';

/** What lies beside a recording that is not done yet, so that whoever comes after us can complete it: without
 *  credentials. */
export interface Manifest {
  readonly callId: string;
  readonly format: RecordingFormat;
  readonly channels: 1 | 2;
  readonly sampleRateHz: number;
  readonly target:
    | { readonly kind: 'file'; readonly path: string }
    | {
        readonly kind: 's3';
        readonly bucket: string;
        readonly key: string;
        readonly ownCredentials: boolean;
      };
  readonly owner: Owner;
}

/** Who writes it, or stores it. */
export interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When that process began, as the system counts; undefined where it does not tell. */
  readonly started?: string | undefined;
  /** Of one writer; a container begins each life with the same pid. */
  readonly token: string;
}

/** Nobody alive leaves a file alone for so long. */
export const abandonedMs = 60_000;

/** The files of one recording that is not done: `NAME.part` while it grows, `NAME` when it is whole and waits for its
 *  upload, `NAME.json` as long as there is one of them. */
export class PendingRecording {
  readonly directory: string;
  readonly name: string;
  readonly manifest: Manifest;

  constructor(directory: string, name: string, manifest: Manifest) {
    this.directory = directory;
    this.name = name;
    this.manifest = manifest;
  }

  get wholePath(): string {
    return join(this.directory, pendingFolder, this.name);
  }

  get partPath(): string {
    return `${this.wholePath}.part`;
  }

  get #manifestPath(): string {
    return `${this.wholePath}.json`;
  }

  async save(): Promise<void> {
    await mkdir(dirname(this.#manifestPath), { recursive: true });
    const path = `${this.#manifestPath}.new`;
    try {
      await writeFile(path, JSON.stringify(this.manifest), { mode: 0o640 });
      // A manifest is there or is not, never half of one.
      await rename(path, this.#manifestPath);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** The file is whole. Gives where it is now: its own place, or here until it is stored in S3. */
  async complete(): Promise<string> {
    const { target } = this.manifest;
    if (target.kind === 's3') {
      await rename(this.partPath, this.wholePath);
      await syncDirectory(dirname(this.wholePath));
      return this.wholePath;
    }
    const path = await reserve(join(this.directory, target.path));
    await rename(this.partPath, path);
    await syncDirectory(dirname(path));
    await rm(this.#manifestPath, { force: true });
    return path;
  }

  /** It has been stored, or there is nothing in it. */
  async discard(): Promise<void> {
    await rm(this.wholePath, { force: true });
    await rm(this.partPath, { force: true });
    await rm(this.#manifestPath, { force: true });
  }

  /** Which of its files there is, and since when nothing happened to it. */
  async state(): Promise<{ readonly kind: 'growing' | 'whole' | 'gone'; readonly changedMs: number }> {
    for (const [kind, path] of [
      ['growing', this.partPath],
      ['whole', this.wholePath],
    ] as const) {
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined) return { kind, changedMs: found.mtimeMs };
    }
    const manifest = await stat(this.#manifestPath).catch(() => undefined);
    return { kind: 'gone', changedMs: manifest?.mtimeMs ?? 0 };
  }
}

/** All that is not done. What is no manifest is left alone. */
export async function listPending(directory: string): Promise<PendingRecording[]> {
  const folder = join(directory, pendingFolder);
  const names = await readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const found: PendingRecording[] = [];
  for (const name of names) {
    if (!name.endsWith('.json')) continue;
    const manifest = await readManifest(join(folder, name));
    if (manifest !== undefined)
      found.push(new PendingRecording(directory, basename(name, '.json'), manifest));
  }
  return found;
}

async function readManifest(path: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Partial<Manifest> | null;
    const whole =
      manifest?.target !== undefined && manifest.owner !== undefined && manifest.format !== undefined;
    return whole ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether nobody works on it any more.
 *  @param alive tokens of this process. */
export function isAbandoned(owner: Owner, idleMs: number, alive: ReadonlySet<string>): boolean {
  if (owner.host === hostname()) {
    if (owner.pid === process.pid) return !alive.has(owner.token);
    if (!isRunning(owner)) return true;
  }
  return idleMs > abandonedMs;
}

export function ownerOf(token: string): Owner {
  const { pid } = process;
  return { host: hostname(), pid, started: processStart(pid), token };
}

function isRunning({ pid, started }: Owner): boolean {
  if (started !== undefined) return processStart(pid) === started;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Of a process that runs, undefined of others, as well of one that is dead and that nobody has asked about; see
 *  proc(5): a pid is given out again, this with it is not. */
function processStart(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** An empty file at `path`, or at `NAME-2`, `NAME-3` … where there is one: no recording replaces another. */
async function reserve(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? path : `${stem}-${count}${extension}`;
    try {
      await (await open(candidate, 'wx', 0o640)).close();
      return candidate;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || count > 10_000) throw error;
    }
  }
}

/** So that the new name is still there after a power cut. Not every file system can. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    await directory.sync().finally(() => directory.close());
  } catch {}
}

export function manifestOf(plan: RecordingPlan, owner: Owner): Manifest {
  const { target, ...shape } = plan;
  return {
    ...shape,
    target:
      target.kind === 'file'
        ? target
        : {
            kind: 's3',
            bucket: target.bucket,
            key: target.key,
            ownCredentials: target.credentials !== undefined,
          },
    owner,
  };
}
