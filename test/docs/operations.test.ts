import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { endingCode, endReasons } from '../../gateway/calls/end-reason.ts';
import { configSchema } from '../../gateway/config-schema.ts';
import { createMetrics } from '../../gateway/metrics.ts';
import type { SchemaNode } from '../../protocol/schema-check.ts';

/** docs/operations.md is what operators act on: what it names exists, and what exists is in it. */

const page = readFileSync('docs/operations.md', 'utf8');

/** What stands in backticks. */
const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

/** The rows of the table under a heading, their cells. */
function table(heading: string): string[][] {
  const section = page.split(/^## /m).find((each) => each.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => /^\| `/.test(line))
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
}

function sources(): string {
  return ['gateway', 'protocol']
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts'))
        .map((path) => readFileSync(join(folder, path), 'utf8')),
    )
    .join('\n');
}

const endings = Object.keys(endReasons).map((reason) => endingCode(reason as keyof typeof endReasons));

describe('each metric', () => {
  const exported = async (): Promise<string[]> => {
    const metrics = createMetrics();
    metrics.watchBacklog(() => ({
      callbacksWaiting: 0,
      recordings: 0,
      recordingBytes: 0,
      audioCacheBytes: 0,
    }));
    return [...(await metrics.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
  };

  it('that is exported is in the table, and no other', async () => {
    const named = table('Metrics').map(([name]) => quoted(name!)[0]);
    expect(named.toSorted()).toEqual((await exported()).toSorted());
  });

  it('that is named anywhere is exported', async () => {
    const known = new Set(await exported());
    const named = new Set(page.match(/callwire_[a-z_]+/g));
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('each reason', () => {
  const named = table('Reasons').flatMap(([names]) => quoted(names!));
  const text = sources();
  /** Put together where they are counted. */
  const composed = ['callback-expired', 'recording-write-failed', 'recording-upload-failed'];

  it('in the table is one that the gateway counts', () => {
    expect(named.filter((reason) => !text.includes(`'${reason}'`) && !composed.includes(reason))).toEqual([]);
    expect(new Set(named).size).toBe(named.length);
  });

  it('that the gateway counts by name is in the table', () => {
    const counted = [...text.matchAll(/counted\??\.?\(\s*'([a-z-]+)'/g)].map(([, reason]) => reason!);
    const coded = [...text.matchAll(/(?:AudioError|CallbackError)\(\s*'([a-z-]+)'/g)].map(
      ([, code]) => code!,
    );
    const both = [...new Set([...counted, ...coded])];
    expect(both.length).toBeGreaterThan(40);
    const known = new Set<string>([...named, ...endings]);
    expect(both.filter((reason) => !known.has(reason) && !reason.startsWith('bad-'))).toEqual([]);
  });

  it('of an alarm is one', () => {
    const alarms = [...page.matchAll(/\{(?:ending|reason)="([a-z-]+)"\}/g)].map(([, code]) => code!);
    expect(alarms.filter((code) => !named.includes(code) && !endings.includes(code))).toEqual([]);
  });
});

describe('each limit', () => {
  const rows = table('Limits');
  /** Numbers that bound nothing: what a user wants, not how much of it. */
  const wishes = new Set(
    `sip.sessionTimer.expires sip.sessionTimer.minSe sip.trace.calls sip.trace.messages rtp.opus.complexity
    rtp.opus.bitrate media.workers speech.atOnce routes[].action.streamingOptions.version
    routes[].action.streamingOptions.sampleRate routes[].action.streamingOptions.frameMs
    routes[].action.streamingOptions.prebufferMs routes[].action.streamingOptions.resumeSeconds`.split(/\s+/),
  );

  function numbers(schema: SchemaNode, path: string): string[] {
    const { type, properties = {}, items } = schema;
    if (type === 'number' || type === 'integer') return [path];
    if (items !== undefined && !Array.isArray(items)) return numbers(items as SchemaNode, `${path}[]`);
    return Object.entries(properties).flatMap(([key, property]) =>
      numbers(property, path === '' ? key : `${path}.${key}`),
    );
  }

  it('of the settings is in the table', () => {
    const named = rows.flatMap(([settings]) => quoted(settings!));
    const all = [...numbers(configSchema as SchemaNode, ''), 'rtp.ports'];
    expect(named.filter((setting) => !all.includes(setting))).toEqual([]);
    expect(all.filter((setting) => !named.includes(setting) && !wishes.has(setting))).toEqual([]);
  });

  it('shows in a figure that exists, and has its test', () => {
    const reasons = table('Reasons').flatMap(([names]) => quoted(names!));
    const metrics = table('Metrics').map(([name]) => quoted(name!)[0]!);
    const known = new Set([...reasons, ...metrics, ...endings, 'dropped']);
    for (const [settings, figure, tests] of rows) {
      expect(
        quoted(figure!).filter((name) => !known.has(name)),
        settings,
      ).toEqual([]);
      expect(
        quoted(tests!).filter((file) => !existsSync(file)),
        settings,
      ).toEqual([]);
      expect(quoted(tests!).length, settings).toBeGreaterThan(0);
    }
  });
});

it('what it refers to is there', () => {
  const links = [...page.matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link!);
  // Written when all of its figures are measured.
  expect(links.filter((link) => !existsSync(join('docs', link)))).toEqual([]);
});

it('figures of the process that are named are exported', async () => {
  const text = await createMetrics({ process: true }).text();
  const named = page.match(/`(?:nodejs|process)_[a-z0-9_]+`/g) ?? [];
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !text.includes(`# TYPE ${name.slice(1, -1)} `))).toEqual([]);
});
