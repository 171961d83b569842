import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The import rules of docs/architecture.md §1.5, kept by reading every import. */

const root = resolve(import.meta.dirname, '..');

interface Import {
  readonly file: string;
  /** Path below the root for our own files, the specifier for packages. */
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(
    /^(import|export)\s+(type\s+)?[^;'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )) {
    const specifier = match[3] ?? match[4] ?? '';
    const target = specifier.startsWith('.')
      ? relative(root, resolve(root, dirname(file), specifier))
      : specifier;
    found.push({ file, target, typeOnly: match[2] !== undefined });
  }
  return found;
}

const imports = ['gateway', 'protocol', 'codecs', 'bench'].flatMap(sources).flatMap(importsOf);

function folderOf(path: string): string {
  return path.split('/')[0] ?? '';
}

function offenders(broken: (entry: Import) => boolean): string[] {
  return imports.filter(broken).map(({ file, target }) => `${file} imports ${target}`);
}

describe('folders have a direction', () => {
  it('protocol and codecs import neither each other nor the gateway', () => {
    expect(
      offenders(({ file, target }) => {
        const from = folderOf(file);
        if (from !== 'protocol' && from !== 'codecs') return false;
        return (
          ['protocol', 'codecs', 'gateway', 'bench', 'test'].includes(folderOf(target)) &&
          folderOf(target) !== from
        );
      }),
    ).toEqual([]);
  });

  it('the gateway imports neither bench nor test', () => {
    expect(
      offenders(
        ({ file, target }) => folderOf(file) === 'gateway' && ['bench', 'test'].includes(folderOf(target)),
      ),
    ).toEqual([]);
  });

  it('media imports no other folder of the gateway', () => {
    expect(
      offenders(({ file, target }) => {
        if (!file.startsWith('gateway/media/')) return false;
        return /^gateway\/[^/]+\//.test(target) && !target.startsWith('gateway/media/');
      }),
    ).toEqual([]);
  });

  it('the rest of the gateway knows media only through the pool and the messages', () => {
    expect(
      offenders(({ file, target, typeOnly }) => {
        if (!file.startsWith('gateway/') || file.startsWith('gateway/media/') || typeOnly) return false;
        return target.startsWith('gateway/media/') && !/media-(pool|messages)\.ts$/.test(target);
      }),
    ).toEqual([]);
  });

  it('protocol and codecs touch neither the network, files, timers nor the clock', () => {
    const forbiddenModules = /^node:(net|dgram|fs|tls|http|https|worker_threads|dns|timers|child_process)/;
    expect(
      offenders(
        ({ file, target }) =>
          ['protocol', 'codecs'].includes(folderOf(file)) && forbiddenModules.test(target),
      ),
    ).toEqual([]);
    const forbiddenWords =
      /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.now|process\.(?!versions))\b/;
    const files = [...sources('protocol'), ...sources('codecs')];
    const touching = files.filter((file) =>
      forbiddenWords.test(withoutComments(readFileSync(join(root, file), 'utf8'))),
    );
    expect(touching).toEqual([]);
  });

  it('every import of our own names the file, with its .ts ending', () => {
    expect(
      offenders(
        ({ target }) => /^(gateway|protocol|codecs|bench)\//.test(target) && !/\.(ts|json)$/.test(target),
      ),
    ).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
