import { parse } from 'yaml';
import { nearest, type SchemaNode, type SchemaPath } from '../protocol/schema-check.ts';
import type { ConfigProblem } from './config-error.ts';

export interface EnvironmentSetting {
  readonly variable: string;
  readonly path: SchemaPath;
  readonly value: unknown;
}

/** Settings out of the environment: `CALLWIRE_` and the path in capitals, `__` between levels, a number for an
 *  item of a list (`CALLWIRE_APPLICATIONS__0__SECRET`). Values are YAML; where text is wanted they are taken as
 *  they are, and a list may be written with commas. An empty variable is as good as none. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  schema: SchemaNode,
): { readonly settings: readonly EnvironmentSetting[]; readonly problems: readonly ConfigProblem[] } {
  const settings: EnvironmentSetting[] = [];
  const problems: ConfigProblem[] = [];
  for (const variable of Object.keys(env).sort()) {
    const text = env[variable];
    if (!variable.startsWith(prefix) || text === undefined || text === '') continue;
    // A container platform with a service called callwire sets these in every container.
    if (/^CALLWIRE_(?:SERVICE_|PORT(?:_|$))/.test(variable)) continue;
    const place = findPlace(variable, schema);
    if ('problem' in place) problems.push(place.problem);
    else settings.push({ variable, path: place.path, value: readValue(text, place.schema) });
  }
  return { settings, problems };
}

const prefix = 'CALLWIRE_';

function findPlace(
  variable: string,
  root: SchemaNode,
): { readonly path: SchemaPath; readonly schema: SchemaNode } | { readonly problem: ConfigProblem } {
  const path: (string | number)[] = [];
  let schema = root;
  const steps = variable.slice(prefix.length).split('__');
  for (const [index, step] of steps.entries()) {
    const properties = schema.properties ?? {};
    const key = Object.keys(properties).find((name) => name.toUpperCase() === step);
    const items = Array.isArray(schema.items) ? schema.items[Number(step)] : schema.items;
    if (key !== undefined) {
      path.push(key);
      schema = properties[key]!;
    } else if (items !== undefined && /^\d{1,4}$/.test(step)) {
      path.push(Number(step));
      schema = items;
    } else {
      const known = Object.keys(properties).map((name) => name.toUpperCase());
      const near = nearest(step, known);
      const mended = [...steps.slice(0, index), near, ...steps.slice(index + 1)].join('__');
      return {
        problem: {
          source: variable,
          line: undefined,
          path: '',
          found: `the unknown setting \`${step}\``,
          expected: known.length === 0 ? 'no further level' : `one of ${known.join(', ')}`,
          advice: near === undefined ? 'unset it' : `did you mean \`${prefix}${mended}\`?`,
        },
      };
    }
  }
  return { path, schema };
}

function readValue(text: string, schema: SchemaNode): unknown {
  if (wantsText(schema)) return text;
  if (schema.type === 'array' && !/^\s*\[/.test(text)) {
    const items = Array.isArray(schema.items) ? schema.items[0] : schema.items;
    return text
      .split(',')
      .map((item) => item.trim())
      .map((item) => (items === undefined || wantsText(items) ? item : readYaml(item)));
  }
  return readYaml(text);
}

function wantsText(schema: SchemaNode): boolean {
  return schema.type === 'string' || schema.enum?.every((choice) => typeof choice === 'string') === true;
}

/** What is no YAML stays text, and the check of the settings says what was expected instead. */
function readYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0, logLevel: 'error' }) as unknown;
  } catch {
    return text;
  }
}
