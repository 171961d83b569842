import { readFile, stat } from 'node:fs/promises';
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { foundText, type SchemaPath } from '../protocol/schema-check.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { errorCode, errorMessage } from './errors.ts';

export interface ConfigFile {
  readonly name: string;
  readonly value: unknown;
  /** Others than owner and group may read it. */
  readonly readableByOthers: boolean;
  /** Line of what stands at `path`, or of the nearest that encloses it. */
  lineOf(path: SchemaPath): number | undefined;
}

const sizeBytesMax = 1_048_576;

/** @throws ConfigError where it cannot be read or is no YAML. Undefined where it is not there and need not be. */
export async function readConfigFile({
  path,
  name,
  required,
}: {
  readonly path: string;
  /** As messages show it. */
  readonly name: string;
  readonly required: boolean;
}): Promise<ConfigFile | undefined> {
  let text: string;
  let mode: number;
  try {
    const status = await stat(path);
    if (status.size > sizeBytesMax) {
      throw new ConfigError([
        fileProblem(name, `a file of ${status.size} bytes`, `at most ${sizeBytesMax} bytes`),
      ]);
    }
    mode = status.mode;
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = errorCode(error);
    if (code === 'ENOENT' && !required) return undefined;
    throw new ConfigError([
      fileProblem(name, unreadable[code] ?? errorMessage(error), 'a readable YAML file'),
    ]);
  }
  return { ...parseConfigFile(name, text), readableByOthers: (mode & 0o004) !== 0 };
}

/** @throws ConfigError with every place at which it is no YAML. */
export function parseConfigFile(name: string, text: string): Omit<ConfigFile, 'readableByOthers'> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw new ConfigError(
      faults.map(({ message, pos }) => ({
        ...fileProblem(name, sentence(message), 'valid YAML'),
        line: lines.linePos(pos[0]).line,
      })),
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    // More aliases than any person would write: a few lines that unfold into gigabytes.
    throw new ConfigError([fileProblem(name, sentence(errorMessage(error)), 'fewer aliases')]);
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    const problem = fileProblem(
      name,
      foundText(value),
      'a mapping with sections such as sip, http and routes',
    );
    const offset = isNode(document.contents) ? document.contents.range?.[0] : undefined;
    throw new ConfigError([{ ...problem, line: lines.linePos(offset ?? 0).line }]);
  }
  return { name, value, lineOf: (path) => lineOf(document, lines, path) };
}

const unreadable: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'a directory',
  EACCES: 'a file that we may not read',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'bytes that are no UTF-8',
};

function fileProblem(source: string, found: string, expected: string): ConfigProblem {
  return { source, line: undefined, path: '', found, expected, advice: undefined };
}

function sentence(message: string): string {
  const [first = ''] = message.split('\n');
  return first.slice(0, 200);
}

function lineOf(document: Document, lines: LineCounter, path: SchemaPath): number | undefined {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      const item: unknown = node.items[step];
      if (item === undefined) break;
      if (isNode(item)) offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      break;
    }
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}
