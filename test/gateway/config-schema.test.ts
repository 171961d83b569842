import { expect, test } from 'vitest';
import { configFormats, configSchema } from '../../gateway/config-schema.ts';
import { expectedText, type SchemaNode } from '../../protocol/schema-check.ts';

interface Setting {
  readonly path: string;
  readonly schema: SchemaNode;
}

/** Every setting that can be written, sections aside. */
function settings(schema: SchemaNode, path = '', later = false): (Setting & { readonly later: boolean })[] {
  const soon = later || schema.later === true;
  if (schema.type === 'object') {
    return Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
      settings(property, path === '' ? key : `${path}.${key}`, soon),
    );
  }
  const { items } = schema;
  if (items !== undefined && !Array.isArray(items) && (items as SchemaNode).type === 'object') {
    return [{ path, schema, later: soon }, ...settings(items as SchemaNode, `${path}[]`, soon)];
  }
  return [{ path, schema, later: soon }];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function kindText(schema: SchemaNode): string {
  const { items, later } = schema;
  const kind = expectedText(schema, configFormats);
  if (items !== undefined && !Array.isArray(items) && (items as SchemaNode).type !== 'object')
    return `${kind}, each ${kindText(items as SchemaNode)}`;
  return Array.isArray(later) ? `${kind} (later: ${later.join(', ')})` : kind;
}

/** docs/settings.md. After a change of the schema: `npx vitest run test/gateway/config-schema.test.ts -u`. */
function settingsPage(): string {
  const all = settings(configSchema as SchemaNode);
  const rows = all
    .filter(({ later }) => !later)
    .map(({ path, schema }) => {
      const { description = '' } = schema;
      const computed = /^(.*) Default: (.*?)\.?$/s.exec(description);
      const value =
        schema.default === undefined ? (computed?.[2] ?? '') : `\`${JSON.stringify(schema.default)}\``;
      const what = computed?.[1] ?? description;
      return `| \`${path}\` | ${cell(value)} | ${cell(kindText(schema))} | ${cell(what)} |`;
    });
  const reserved = all.filter(({ later }) => later).map(({ path }) => `\`${path}\``);
  return `# Settings

Read from \`callwire.yaml\` in the working directory, or from the file named with \`--config\`. Every setting may be
left out. The environment overrides the file: \`CALLWIRE_\` and the path in capitals, with \`__\` between the levels
(\`CALLWIRE_HTTP__LISTEN=127.0.0.1:8081\`, \`CALLWIRE_APPLICATIONS__0__SECRET=…\`); the command line overrides both.
Durations are in seconds unless the name ends in \`Ms\`. \`callwire check-config FILE\` names every mistake with its
line; the gateway does not start with one (exit status 78).

| setting | default | may be | what it does |
|---|---|---|---|
${rows.join('\n')}

Kept for later versions, and refused by this one rather than ignored: ${reserved.join(', ')}.
`;
}

test('docs/settings.md lists every setting as the schema has it', async () => {
  await expect(settingsPage()).toMatchFileSnapshot('../../docs/settings.md');
});

test('every setting says what it does', () => {
  for (const { path, schema } of settings(configSchema as SchemaNode)) {
    expect(schema.description, path).toMatch(/\S/);
  }
});
