import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { rules } from '../../../gateway/conformance/rules.ts';

it('docs/bots.md lists the rules as they are', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../../docs/bots.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (R\d+) \| (.*?) \| (.*?) \|$/gm)].map(([, id, title, expected]) => ({
    id,
    title,
    expected: expected!.replace('; only with `--long`', ''),
  }));
  expect(rows).toEqual(rules.map(({ id, title, expected }) => ({ id, title, expected })));
});
