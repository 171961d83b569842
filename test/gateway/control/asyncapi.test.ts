import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { asyncApiDocument } from '../../../gateway/control/asyncapi.ts';
import { commandSchemas, eventSchemas } from '../../../protocol/stream/message-schemas.ts';

type Json = Record<string, unknown>;

// As it is served.
const document = JSON.parse(JSON.stringify(asyncApiDocument())) as {
  asyncapi: string;
  channels: Record<string, { messages: Json }>;
  operations: Record<string, { action: string; channel: unknown; messages: { $ref: string }[] }>;
  components: {
    messages: Record<string, { name: string; examples?: { payload: unknown }[] }>;
    schemas: Json;
  };
};
const { messages, schemas } = document.components;

describe('the AsyncAPI document', () => {
  it('is of version 3 and refers to nothing that is not in it', () => {
    expect(document.asyncapi).toBe('3.0.0');
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(60);
    for (const reference of references) expect(resolve(reference), reference).toBeTypeOf('object');
  });

  it('has every message once, each with its sender', () => {
    const events = Object.keys(eventSchemas).map((name) => `${name}Event`);
    const sent = namesOf('toServer');
    const received = namesOf('fromServer');
    expect(sent).toEqual(['connect', ...events, 'audio']);
    expect(received).toEqual([...Object.keys(commandSchemas), 'audio']);
    expect(new Set([...sent, ...received])).toEqual(new Set(Object.keys(messages)));
  });

  it('does what its operations say from the gateway’s side', () => {
    expect(document.operations.toServer?.action).toBe('send');
    expect(document.operations.fromServer?.action).toBe('receive');
  });

  const texts = Object.keys(messages).filter((name) => name !== 'audio');
  it.each(texts)('has an example of %s that keeps its schema', (name) => {
    const examples = messages[name]?.examples ?? [];
    expect(examples.length).toBeGreaterThan(0);
    for (const { payload } of examples) expect([...Value.Errors(schemas[name] as Json, payload)]).toEqual([]);
  });

  it('keeps the document to JSON', () => {
    expect(document).toEqual(asyncApiDocument());
  });
});

function namesOf(operation: string): string[] {
  return document.operations[operation]!.messages.map(({ $ref }) => $ref.split('/').at(-1)!);
}

function resolve(reference: string): unknown {
  expect(reference.startsWith('#/')).toBe(true);
  return reference
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);
}
