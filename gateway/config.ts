import { randomBytes } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, relative, resolve } from 'node:path';
import { checkSchema, pathText, type SchemaNode, type SchemaPath } from '../protocol/schema-check.ts';
import { findConfigWarnings, findContradictions } from './config-contradictions.ts';
import { readEnvironment } from './config-environment.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { readConfigFile } from './config-file.ts';
import { ConfigLayers } from './config-layers.ts';
import { type Config, configFormats, configSchema, type Route } from './config-schema.ts';
import { holdsSecrets, readableByOthers } from './config-secrets.ts';
import { errorCode } from './errors.ts';

export { ConfigError, type ConfigProblem, configProblemText } from './config-error.ts';
export type { Config, Route } from './config-schema.ts';

/** Any part of the configuration, not checked yet. */
export type ConfigInput = Loose<Config>;

type Loose<T> = T extends string
  ? string
  : T extends number
    ? number
    : T extends boolean
      ? boolean
      : T extends readonly (infer Item)[]
        ? readonly Loose<Item>[]
        : { readonly [Key in keyof T]?: Loose<T[Key]> };

export interface ConfigSources {
  /** Default: `callwire.yaml` in `directory`, if it is there. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From the command line. Its routes come before the file's. */
  readonly overrides?: ConfigInput;
  /** Default: the working directory. */
  readonly directory?: string;
  /** Takes what is worth saying but no reason to refuse. */
  readonly warn?: (sentence: string) => void;
}

/** The configuration out of file, environment and command line, the later before the earlier, with every default
 *  filled in. File names in it are made absolute, from the configuration file's directory.
 *  @throws ConfigError with everything that is wrong. */
export async function loadConfig({
  file: fileName,
  env,
  overrides = {},
  directory = process.cwd(),
  warn = () => {},
}: ConfigSources): Promise<Config> {
  const path = resolve(directory, fileName ?? 'callwire.yaml');
  const shown = fileName ?? relative(directory, path);
  const file = await readConfigFile({ path, name: shown, required: fileName !== undefined });
  const environment = readEnvironment(env, configSchema as SchemaNode);
  const layers = new ConfigLayers({
    base: computedDefaults(),
    file,
    environment: environment.settings,
    overrides,
  });
  const checked = check(layers);
  let problems = [...environment.problems, ...checked.problems];
  if (problems.length > 0) throw new ConfigError(problems);
  const config = withFiles(checked.config, dirname(path));
  problems = await missingFiles(config, layers);
  if (problems.length > 0) throw new ConfigError(problems);

  if (file?.readableByOthers === true && holdsSecrets(configSchema as SchemaNode, file.value)) {
    warn(`${shown} holds secrets and can be read by every user of this machine; run chmod o-r on it`);
  }
  for (const key of await readableByOthers(privateKeys(config))) {
    warn(`${key} is a private key and can be read by every user of this machine; run chmod o-r on it`);
  }
  for (const sentence of findConfigWarnings(config)) warn(sentence);
  return config;
}

/** The embedded default, with parts replaced. `routes` stays undefined: the embedded ones.
 *  @throws ConfigError */
export function defaultConfig(overrides: ConfigInput = {}): Config {
  const { config, problems } = check(
    new ConfigLayers({ base: computedDefaults(), file: undefined, environment: [], overrides }),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** A route as `--route` writes it, `PATTERN=WS_URL`.
 *  @throws ConfigError */
export function routeFromFlag(text: string): Route {
  const at = text.indexOf('=');
  const to = text.slice(0, Math.max(0, at));
  const endpoint = text.slice(at + 1);
  if (to === '' || !configFormats.glob!.accepts(to) || !configFormats['stream-url']!.accepts(endpoint)) {
    throw new ConfigError([
      {
        source: '--route',
        line: undefined,
        path: '',
        found: JSON.stringify(text),
        expected: 'PATTERN=WS_URL',
        advice: "for instance 'echo*=ws://127.0.0.1:9000/'",
      },
    ]);
  }
  const action = { name: 'connectStream', destination: { type: 'Websocket', endpoint } };
  return defaultConfig({ routes: [{ to, action }] }).routes![0]!;
}

/** Defaults that differ from machine to machine. */
function computedDefaults(): ConfigInput {
  return {
    node: { id: `gw-${randomBytes(3).toString('hex')}` },
    media: { workers: Math.min(256, Math.max(1, availableParallelism() - 1)) },
  };
}

function check(layers: ConfigLayers): { config: Config; problems: ConfigProblem[] } {
  const { value, problems } = checkSchema(configSchema, layers.merged, configFormats);
  const config: Config = value;
  const broken = problems.filter(({ kind }) => kind !== 'unknown');
  const contradictions = findContradictions(
    config,
    broken.map(({ path }) => pathText(path)),
  );
  return {
    config,
    problems: [...problems, ...contradictions]
      .map(({ path, found, expected, advice }) => ({ ...layers.sourceOf(path), found, expected, advice }))
      .sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
  };
}

/** What `tls` names of files. */
const tlsFiles = ['cert', 'key', 'ca'] as const;

function withFiles(config: Config, directory: string): Config {
  const absolute = <Tls extends object>(tls: Tls): Tls => {
    const files = Object.entries(tls).filter(([name]) => (tlsFiles as readonly string[]).includes(name));
    return { ...tls, ...Object.fromEntries(files.map(([name, file]) => [name, resolve(directory, file)])) };
  };
  const { sip, http, recording, stream } = config;
  return {
    ...config,
    recording: { ...recording, directory: resolve(directory, recording.directory) },
    sip: { ...sip, ...(sip.tls && { tls: absolute(sip.tls) }) },
    http: { ...http, ...(http.tls && { tls: absolute(http.tls) }) },
    stream: { ...stream, tls: stream.tls.map(absolute) },
  };
}

function privateKeys({ sip, http, stream }: Config): string[] {
  const keys = [sip.tls?.key, http.tls?.key, ...stream.tls.map(({ key }) => key)];
  return [...new Set(keys.filter((key) => key !== undefined))];
}

async function missingFiles({ sip, http, stream }: Config, layers: ConfigLayers): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  const places: [SchemaPath, object | undefined][] = [
    [['sip', 'tls'], sip.tls],
    [['http', 'tls'], http.tls],
    ...stream.tls.map((entry, index): [SchemaPath, object] => [['stream', 'tls', index], entry]),
  ];
  for (const [path, tls] of places) {
    for (const key of tlsFiles) {
      const name = (tls as { readonly [Key in typeof key]?: string } | undefined)?.[key];
      if (name === undefined) continue;
      try {
        await access(name, constants.R_OK);
      } catch (error) {
        problems.push({
          ...layers.sourceOf([...path, key]),
          found: `${JSON.stringify(name)} (${errorCode(error)})`,
          expected: 'a file that can be read',
          advice: undefined,
        });
      }
    }
  }
  return problems;
}
