import { Script } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { dashboardPage, dashboardScript } from '../../../gateway/control/dashboard-page.ts';
import { docsPage } from '../../../gateway/control/docs-page.ts';
import { httpRoutes } from '../../../gateway/control/http-routes.ts';
import { startHttpServer } from '../../../gateway/control/http-server.ts';
import { openApiDocument } from '../../../gateway/control/openapi.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics } from '../../../gateway/metrics.ts';
import { actionSchemas } from '../../../protocol/svaml/actions.ts';
import { instructionSchemas } from '../../../protocol/svaml/instructions.ts';
import { askHttp } from '../../support/http-ask.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
  readonly requestBody?: object;
  readonly security?: readonly object[];
}

const document = openApiDocument(httpRoutes) as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
};

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** Every value under `key`, however deep. */
function valuesOf(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, held]) => [
    ...(name === key ? [held] : []),
    ...valuesOf(held, key),
  ]);
}

describe('the OpenAPI document', () => {
  test('has every route', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
      httpRoutes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`).sort(),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('names every part of a path, and says of every answer what it is', () => {
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(named.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
      for (const { description } of Object.values(operation.responses)) expect(description).not.toBe('');
    }
  });

  test('is closed in itself and without words of ours that JSON Schema does not know', () => {
    const { schemas } = document.components;
    const refs = valuesOf(document, '$ref').map((ref) => String(ref).replace('#/components/schemas/', ''));
    expect(refs.filter((name) => !(name in schemas))).toEqual([]);
    for (const word of ['expected', 'caseless', 'decidedBy', 'later', 'secret']) {
      expect(valuesOf(Object.values(schemas), word).filter((value) => typeof value !== 'object')).toEqual([]);
    }
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  test('has every action and instruction', () => {
    expect(document.components.schemas).toMatchObject({
      Action: { oneOf: Object.keys(actionSchemas).map((name) => ({ $ref: `#/components/schemas/${name}` })) },
      Instruction: {
        oneOf: Object.keys(instructionSchemas).map((name) => ({ $ref: `#/components/schemas/${name}` })),
      },
      connectStream: {
        required: ['name', 'destination'],
        additionalProperties: false,
        properties: {
          maxDuration: { type: 'integer', minimum: 1, maximum: 14_400, default: 14_400 },
          authorization: { writeOnly: true },
        },
      },
    });
  });

  test('lets only probes in without credentials', () => {
    const open = operations.filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ path }) => path)).toEqual(['/healthz', '/readyz']);
  });
});

describe('the pages', () => {
  test('read everything from here', () => {
    const page = docsPage(document);
    for (const { path } of httpRoutes) expect(page).toContain(path.replace(/:(\w+)/g, '{$1}'));
    expect(page).not.toMatch(/<script|src="(?!\/)|href="(?![#/])|url\(|@import/);
    expect(page).not.toContain('undefined');
  });

  test('run nothing but a script that parses, and put nothing that came from outside into markup', () => {
    expect(() => new Script(dashboardScript)).not.toThrow();
    expect(dashboardScript).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
    expect(dashboardPage.match(/(?:src|href)="[^"]*"/g)).toEqual([
      'href="/docs"',
      'href="/metrics"',
      'src="/dashboard.js"',
    ]);
  });

  test('are served with a policy that keeps everything else out', async () => {
    const server = await startHttpServer({
      listen: { address: '127.0.0.1', port: 0 },
      applications: [],
      view: { calls: async () => [], hangup: () => false, drain: () => {}, state: () => 'ready' },
      metrics: createMetrics(),
      log: silentLog,
    });
    try {
      for (const [path, type] of [
        ['/', 'text/html'],
        ['/docs', 'text/html'],
        ['/dashboard.js', 'text/javascript'],
        ['/openapi.json', 'application/json'],
        ['/asyncapi.json', 'application/json'],
      ] as const) {
        const { status, headers, json } = await askHttp(server.url, 'GET', path);
        expect([path, status, headers['content-type']]).toEqual([path, 200, expect.stringContaining(type)]);
        if (type === 'application/json') expect(json).toBeDefined();
        else expect(headers['content-security-policy']).toContain("default-src 'none'");
      }
      const v1 = await askHttp(server.url, 'GET', '/calling/v1/calls/id/x');
      expect([v1.status, v1.json?.message]).toEqual([503, 'calls cannot be controlled here']);
    } finally {
      await server.close();
    }
  });
});
