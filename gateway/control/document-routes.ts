import { asyncApiDocument } from './asyncapi.ts';
import { dashboardPage, dashboardScript } from './dashboard-page.ts';
import { docsPage } from './docs-page.ts';
import type { HttpAnswer, HttpRoute } from './http-exchange.ts';
import { openApiDocument } from './openapi.ts';

const html = 'text/html; charset=utf-8';
const denied = { 401: { description: 'No or wrong credentials.' } };
/** Nothing from elsewhere, and nobody may frame the pages. */
const policy = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
};

/** Pages and descriptions. `routes` are all that exist, these among them. */
export function documentRoutes(routes: () => readonly HttpRoute[]): readonly HttpRoute[] {
  const openApi = once(() => openApiDocument(routes()));
  const asyncApi = once(asyncApiDocument);
  const docs = once(() => docsPage(openApi()));
  return [
    document('/openapi.json', 'This API, OpenAPI 3.1', 'application/json', () => ({
      status: 200,
      body: openApi(),
    })),
    document('/asyncapi.json', 'The stream protocol, AsyncAPI 3.0', 'application/json', () => ({
      status: 200,
      body: asyncApi(),
    })),
    document('/docs', 'This API, to read', html, () => page(docs(), html)),
    document('/', 'Live calls', html, () => page(dashboardPage, html)),
    document('/dashboard.js', 'Script of that page', 'text/javascript', () =>
      page(dashboardScript, 'text/javascript; charset=utf-8'),
    ),
  ];
}

function document(path: string, summary: string, contentType: string, answer: () => HttpAnswer): HttpRoute {
  const answers = { 200: { description: 'The document.', contentType }, ...denied };
  return { method: 'GET', path, doc: { tag: 'Documents', summary, answers }, answer };
}

function page(body: string, contentType: string): HttpAnswer {
  return { status: 200, body, contentType, headers: policy };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
