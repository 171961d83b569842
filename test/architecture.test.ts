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
  return importsIn(readFileSync(join(root, file), 'utf8')).map(({ specifier, typeOnly }) => {
    const own = specifier.startsWith('.');
    return {
      file,
      target: own ? relative(root, resolve(root, dirname(file), specifier)) : specifier,
      typeOnly,
    };
  });
}

/** `import … from`, `export … from`, `import '…'` for what it does, `import('…')`. */
function importsIn(text: string): { readonly specifier: string; readonly typeOnly: boolean }[] {
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s+)?[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm,
  );
  return [...found].map((match) => ({
    specifier: match[2] ?? match[3] ?? match[4] ?? '',
    typeOnly: match[1] !== undefined,
  }));
}

const files = ['gateway', 'protocol', 'codecs', 'bench'].flatMap(sources);
const imports = files.flatMap(importsOf);

function folderOf(path: string): string {
  return path.split('/')[0] ?? '';
}

function offenders(broken: (entry: Import) => boolean): string[] {
  return imports.filter(broken).map(({ file, target }) => `${file} imports ${target}`);
}

describe('the imports that the rules are kept for', () => {
  it.each([
    { text: "import { a } from './a.ts';", found: ['./a.ts'] },
    { text: "import {\n  a,\n  b,\n} from '../a.ts';", found: ['../a.ts'] },
    { text: "import type { A } from 'a';", found: ['type a'] },
    { text: "import './effect.ts';\nimport 'ws';", found: ['./effect.ts', 'ws'] },
    { text: "export { a } from './a.ts';\nexport * from './b.ts';", found: ['./a.ts', './b.ts'] },
    { text: "const a = await import('./a.ts');", found: ['./a.ts'] },
  ])('are seen: $text', ({ text, found }) => {
    expect(
      importsIn(text).map(({ specifier, typeOnly }) => `${typeOnly ? 'type ' : ''}${specifier}`),
    ).toEqual(found);
  });

  it('are there, in every folder', () => {
    for (const folder of ['gateway', 'protocol', 'codecs', 'bench']) {
      const own = imports.filter(({ file }) => folderOf(file) === folder);
      expect(own.filter(({ target }) => folderOf(target) === folder).length, folder).toBeGreaterThan(10);
    }
    expect(imports).toContainEqual({
      file: 'gateway/gateway.ts',
      target: 'gateway/media/media-pool.ts',
      typeOnly: false,
    });
    expect(imports.map(({ target }) => target)).toContain('fastify');
  });

  it('are as many as a plain search for the word finds', () => {
    const words = files.flatMap(
      (file) =>
        readFileSync(join(root, file), 'utf8').match(/^(?:import\b(?!\()|export\b[^;=(]*?\bfrom\s+')/gm) ??
        [],
    );
    expect(imports.length).toBeGreaterThanOrEqual(words.length);
  });
});

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
    const pure = [...sources('protocol'), ...sources('codecs')];
    const touching = pure.filter((file) =>
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
