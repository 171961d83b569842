import { Type } from 'typebox';
import { actionSchemas } from '../../protocol/svaml/actions.ts';
import {
  conferenceCalloutSchema,
  customCalloutSchema,
  ttsCalloutSchema,
} from '../../protocol/svaml/callout.ts';
import { instructionSchemas } from '../../protocol/svaml/instructions.ts';
import { instructionsMax } from '../../protocol/svaml/svaml.ts';
import { conferenceCommands } from './calling-routes.ts';
import type { HttpRoute, RouteDoc } from './http-exchange.ts';
import { jsonSchema } from './json-schema.ts';

const errorSchema = Type.Object({
  errorCode: Type.Integer({ description: 'The status times 100.' }),
  message: Type.String({ description: 'Which field, what is wrong with it, what was expected.' }),
  reference: Type.String({ description: 'The log has it under this.' }),
});

/** The HTTP API as an OpenAPI 3.1 document, made from its routes. Plain JSON; every `$ref` is local. */
export function openApiDocument(routes: readonly HttpRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:([A-Za-z]+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Callwire',
      version: '1.0.0',
      description:
        'Call control over HTTP. The paths below /calling/v1 are those of the public Voice REST API v1. Requests are authorized by the key and secret of an application; without configured applications, by coming from this machine.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ signature: [] }, { basic: [] }],
    tags: ['Callouts', 'Calls', 'Conferences', 'Gateway', 'Documents'].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description:
            '`Application KEY:SIGNATURE`. The signature is the base64 HMAC-SHA256, with the base64-decoded secret as key, over these lines: method, base64 MD5 of the body (empty without one), Content-Type, `x-timestamp:` and the x-timestamp header (ISO 8601, at most 5 minutes off), path. Each signature is taken once.',
        },
        basic: {
          type: 'http',
          scheme: 'basic',
          description: '`Basic` with the key as user and the secret, in base64 as configured, as password.',
        },
      },
      schemas: schemas(),
    },
  };
}

function operation({ method, path, open, doc }: HttpRoute): object {
  const { tag, summary, params = {}, headers = {}, body, answers } = doc;
  const parameters = [
    ...Object.entries(params).map(([name, description]) => ({
      name,
      in: 'path',
      required: true,
      description,
      schema: name === 'leg' ? { type: 'string', enum: ['caller', 'callee', 'both'] } : { type: 'string' },
    })),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
    })),
  ];
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary,
    ...(open === true && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: ref(body) } } },
    }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, response(status, answer)]),
    ),
  };
}

function response(status: string, answer: RouteDoc['answers'][number]): object {
  const { description, schema, contentType } = answer;
  if (schema !== undefined) {
    return { description, content: { 'application/json': { schema: jsonSchema(schema, false) } } };
  }
  if (contentType !== undefined) {
    return { description, content: { [contentType]: { schema: { type: 'string' } } } };
  }
  if (Number(status) < 400) return { description };
  return { description, content: { 'application/json': { schema: ref('Error') } } };
}

/** `patchCallingV1CallsIdCallIdLegLeg` */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return method.toLowerCase() + (name === '' ? 'Root' : name);
}

function ref(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

function schemas(): Record<string, object> {
  const actions = named(actionSchemas);
  const instructions = named(instructionSchemas);
  const callouts = {
    customCallout: customCalloutSchema,
    conferenceCallout: conferenceCalloutSchema,
    ttsCallout: ttsCalloutSchema,
  };
  return {
    Error: jsonSchema(errorSchema, false),
    Svaml: {
      type: 'object',
      description: 'How a call goes on: instructions, in order, then the action.',
      properties: {
        instructions: { type: 'array', maxItems: instructionsMax, items: ref('Instruction') },
        action: ref('Action'),
      },
      additionalProperties: false,
    },
    Action: oneOfThem(Object.keys(actions), 'name'),
    Instruction: oneOfThem(Object.keys(instructions), 'name'),
    Callout: {
      oneOf: Object.keys(callouts).map((method) => ({
        type: 'object',
        properties: { method: { const: method }, [method]: ref(method) },
        required: ['method', method],
        additionalProperties: false,
      })),
    },
    ConferenceCommand: {
      type: 'object',
      properties: {
        command: { type: 'string', enum: conferenceCommands },
        moh: { type: 'string', description: 'Heard on hold: ring, music1, music2, music3 or a prompt.' },
      },
      required: ['command'],
      additionalProperties: false,
    },
    ...actions,
    ...instructions,
    ...named(callouts),
  };
}

function named(all: Readonly<Record<string, Parameters<typeof jsonSchema>[0]>>): Record<string, object> {
  return Object.fromEntries(Object.entries(all).map(([name, schema]) => [name, jsonSchema(schema, true)]));
}

function oneOfThem(names: readonly string[], propertyName: string): object {
  const mapping = Object.fromEntries(names.map((name) => [name, `#/components/schemas/${name}`]));
  return { oneOf: names.map(ref), discriminator: { propertyName, mapping } };
}
