import { pathText, type SchemaPath } from '../protocol/schema-check.ts';
import type { EnvironmentSetting } from './config-environment.ts';
import type { ConfigProblem } from './config-error.ts';
import type { ConfigFile } from './config-file.ts';

export interface LayersInput {
  readonly base: object;
  readonly file: ConfigFile | undefined;
  readonly environment: readonly EnvironmentSetting[];
  /** Its routes come before the file's; other lists replace. */
  readonly overrides: object;
}

/** What the sources say, the later one over the earlier, not checked yet, and where each part was said. */
export class ConfigLayers {
  readonly merged: unknown;
  readonly #file: ConfigFile | undefined;
  readonly #said: { readonly path: SchemaPath; readonly source: string }[] = [];
  /** Routes of the command line that stand before the file's. */
  readonly #routesBefore: number;

  constructor({ base, file, environment, overrides }: LayersInput) {
    this.#file = file;
    let merged = structuredClone(base) as unknown;
    if (file !== undefined) merged = mergedWith(merged, file.value);
    for (const { variable, path, value } of environment) {
      merged = withValueAt(merged, path, value);
      this.#said.push({ path, source: variable });
    }
    const { routes, ...others } = overrides as { readonly routes?: readonly unknown[] };
    this.#routesBefore = routes?.length ?? 0;
    if (routes !== undefined) {
      const behind: unknown = isMapping(merged) ? merged.routes : undefined;
      merged = withValueAt(merged, ['routes'], [...routes, ...(Array.isArray(behind) ? behind : [])]);
    }
    this.merged = mergedWith(merged, others);
    for (const path of leaves(others)) this.#said.push({ path, source: flags[pathText(path)] ?? 'override' });
  }

  sourceOf(path: SchemaPath): Pick<ConfigProblem, 'source' | 'line' | 'path'> {
    const [section, index] = path;
    let inFile = path;
    if (section === 'routes' && typeof index === 'number') {
      if (index < this.#routesBefore) return { source: '--route', line: undefined, path: pathText(path) };
      inFile = [section, index - this.#routesBefore, ...path.slice(2)];
    }
    const said = this.#said.findLast((place) => startsWith(path, place.path) || startsWith(place.path, path));
    if (said !== undefined) return { source: said.source, line: undefined, path: pathText(path) };
    if (this.#file === undefined) return { source: 'configuration', line: undefined, path: pathText(path) };
    return { source: this.#file.name, line: this.#file.lineOf(inFile), path: pathText(inFile) };
  }
}

/** The flags that set something, for messages. */
const flags: Readonly<Record<string, string>> = {
  'sip.listen': '--sip',
  'http.listen': '--http',
  'log.level': '--log-level',
};

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mergedWith(below: unknown, above: unknown): unknown {
  // `sip:` with nothing under it says nothing.
  if (above === undefined || (above === null && isMapping(below))) return below;
  if (!isMapping(below) || !isMapping(above)) return above;
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    put(merged, key, mergedWith(Object.hasOwn(below, key) ? below[key] : undefined, value));
  }
  return merged;
}

function withValueAt(held: unknown, path: SchemaPath, value: unknown): unknown {
  const [step, ...deeper] = path;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const items: unknown[] = Array.isArray(held) ? [...held] : [];
    items[step] = withValueAt(items[step], deeper, value);
    return Array.from(items);
  }
  const copy = isMapping(held) ? { ...held } : {};
  put(copy, step, withValueAt(Object.hasOwn(copy, step) ? copy[step] : undefined, deeper, value));
  return copy;
}

/** As an own property also where the key is `__proto__`, which is then refused as unknown. */
function put(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Paths of the values in nested mappings; a list is one value. */
function leaves(value: unknown, path: SchemaPath = []): SchemaPath[] {
  if (!isMapping(value)) return value === undefined ? [] : [path];
  return Object.entries(value).flatMap(([key, held]) => leaves(held, [...path, key]));
}

function startsWith(path: SchemaPath, start: SchemaPath): boolean {
  return start.length <= path.length && start.every((step, index) => step === path[index]);
}
