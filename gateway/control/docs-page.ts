import { pageStyle } from './page-style.ts';

/** `GET /docs`: the OpenAPI document as a page to read, without scripts and without anything from elsewhere. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description: string;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string;
        readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
      }
    >
  >;
}

interface Document {
  readonly info: { readonly title: string; readonly description: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, { readonly description: string }>>;
  };
}

const style = `${pageStyle}
body{max-width:60rem}
h2{border-bottom:1px solid var(--line);padding-bottom:.2rem}
pre{background:var(--panel);border-radius:.4rem;padding:.7rem 1rem;white-space:pre-wrap}
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;padding:.35rem .8rem}
details[open]>summary{margin-bottom:.4rem}
summary{cursor:pointer}
summary .path{font-weight:600}
.method{display:inline-block;font-weight:700;min-width:4.5rem}
.get{color:var(--link)}.post,.put{color:var(--good)}.patch{color:var(--busy)}.delete{color:var(--bad)}
h3{color:var(--soft);font-size:.9rem;margin:.8rem 0 .2rem}
p{margin:.4rem 0}
table{margin:.4rem 0}
td{padding:.3rem .8rem .3rem 0}
td:first-child{overflow-wrap:normal;width:1%}
td:first-child code{white-space:nowrap}
td:last-child{padding-right:0}
.required{color:var(--soft);font-size:.85em}
[id]{scroll-margin-top:3rem}
@media (max-width:40rem){
tr,td,td:first-child{display:block;width:auto}
td{border:0;padding:0}
td:first-child{border-top:1px solid var(--line);padding-top:.4rem}
td:first-child code{overflow-wrap:anywhere;white-space:normal}
td:last-child{padding-bottom:.4rem}
td table{border-left:2px solid var(--line);padding-left:.7rem}
td table,td tbody{display:block}
.method+.path{display:block}
}
`;

const accessExample = `curl -u KEY:SECRET http://127.0.0.1:8080/calls

# without configured applications, on the gateway's own machine
curl http://127.0.0.1:8080/calls`;

export function docsPage(document: object): string {
  const { info, tags, paths, components } = document as Document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(
    ({ name }) =>
      `<h2 id="${escaped(name)}">${escaped(name)}</h2>${operations
        .filter(({ operation }) => operation.tags.includes(name))
        .map(({ path, method, operation }) => operationHtml(path, method, operation))
        .join('')}`,
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      // The target of links lies inside, so that a browser opens what it is led to.
      `<details><summary><span class="path">${escaped(name)}</span></summary><div id="schema-${escaped(name)}">${schemaHtml(schema)}</div></details>`,
  );
  const access = Object.values(components.securitySchemes).map(
    ({ description }) => `<li>${prose(description)}</li>`,
  );
  return page(
    `${info.title}: HTTP API`,
    `<h1>${escaped(info.title)}: HTTP API</h1><p>${prose(info.description)}</p>
<nav>${[...tags.map(({ name }) => name), 'Schemas'].map((name) => `<a href="#${name}">${name}</a>`).join('')}<a href="/openapi.json">openapi.json</a><a href="/asyncapi.json">asyncapi.json (the stream protocol)</a></nav>
<h2>Access</h2><ul>${access.join('')}</ul><pre>${escaped(accessExample)}</pre>${sections.join('')}<h2 id="Schemas">Schemas</h2>${schemas.join('')}`,
  );
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head><body>${body}</body></html>`;
}

function operationHtml(path: string, method: string, operation: Operation): string {
  const { summary, parameters = [], requestBody, responses } = operation;
  const rows = parameters.map((parameter) =>
    row(
      `<code>${escaped(parameter.name)}</code> <span class="required">in ${parameter.in}</span>`,
      parameter.description,
    ),
  );
  const body = requestBody?.content['application/json']?.schema;
  const answers = Object.entries(responses).map(([status, { description, content }]) => {
    const shown = Object.values(content ?? {})[0]?.schema;
    const inner = shown?.properties === undefined ? '' : schemaHtml(shown);
    return `<tr><td><code>${status}</code></td><td>${prose(description)}${inner}</td></tr>`;
  });
  return `<details><summary><span class="method ${method}">${method.toUpperCase()}</span><span class="path">${escaped(path)}</span> ${escaped(summary)}</summary>
${rows.length === 0 ? '' : `<h3>Parameters</h3><table>${rows.join('')}</table>`}${body === undefined ? '' : `<h3>Body</h3><p>${typeHtml(body)}</p>`}<h3>Answers</h3><table>${answers.join('')}</table></details>`;
}

function schemaHtml(schema: Schema): string {
  const { properties, required = [], oneOf, description } = schema;
  const intro = description === undefined ? '' : `<p>${prose(description)}</p>`;
  if (oneOf !== undefined) return `${intro}<p>One of ${oneOf.map(typeHtml).join(', ')}</p>`;
  if (properties === undefined) return `${intro}<p>${typeHtml(schema)}</p>`;
  const rows = Object.entries(properties).map(([name, property]) => {
    const needed = required.includes(name) ? ' <span class="required">required</span>' : '';
    const value =
      property.default === undefined
        ? ''
        : ` Default: <code>${escaped(JSON.stringify(property.default))}</code>.`;
    const items = property.items ?? property;
    const inner =
      items.properties === undefined
        ? ''
        : schemaHtml({ properties: items.properties, required: items.required ?? [] });
    return `<tr><td><code>${escaped(name)}</code>${needed}</td><td>${typeHtml(property)}. ${prose(property.description ?? '')}${value}${inner}</td></tr>`;
  });
  return `${intro}<table>${rows.join('')}</table>`;
}

function typeHtml(schema: Schema): string {
  const { $ref, type, items, minimum, maximum } = schema;
  if ($ref !== undefined) {
    const name = escaped($ref.split('/').pop() ?? '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return `<code>${escaped(JSON.stringify(schema.const))}</code>`;
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `<code>${escaped(String(value))}</code>`).join(' or ');
  if (schema.properties?.method?.const !== undefined) {
    return Object.values(schema.properties).map(typeHtml).join(' with ');
  }
  if (items !== undefined) return `list of ${items.properties === undefined ? typeHtml(items) : 'objects'}`;
  const range =
    minimum === undefined && maximum === undefined ? '' : ` from ${minimum ?? 'any'} to ${maximum ?? 'any'}`;
  return escaped(`${type ?? 'any value'}${range}`);
}

function row(name: string, description: string): string {
  return `<tr><td>${name}</td><td>${prose(description)}</td></tr>`;
}

/** With `code` where it is written so. */
function prose(text: string): string {
  return escaped(text).replace(/`([^`]*)`/g, '<code>$1</code>');
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
