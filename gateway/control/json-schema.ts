import type { TSchema } from 'typebox';
import { expectedText, type SchemaNode } from '../../protocol/schema-check.ts';
import { svamlFormats } from '../../protocol/svaml/formats.ts';

/** A schema of ours as plain JSON Schema 2020-12. What is filled in where it is left out is not required; with
 *  `closed`, objects take no other fields, as `checkSchema` takes none. */
export function jsonSchema(schema: TSchema, closed: boolean): object {
  return convert(schema as SchemaNode & { readonly anyOf?: readonly SchemaNode[] }, closed);
}

function convert(node: SchemaNode, closed: boolean): object {
  const { description, default: value, format } = node;
  const ours = format !== undefined && format in svamlFormats;
  const expected = ours ? `Expected: ${expectedText(node, svamlFormats)}.` : undefined;
  const said = [description, expected].filter((text) => text !== undefined).join(' ');
  return {
    ...shape(node, closed),
    ...(format !== undefined && !ours && { format }),
    ...(value !== undefined && { default: value }),
    ...(node.secret === true && { writeOnly: true }),
    ...(said !== '' && { description: said }),
  };
}

function shape(node: SchemaNode, closed: boolean): object {
  const { type, items, properties, minimum, maximum, minLength, maxLength, minItems, maxItems } = node;
  if (node.enum !== undefined) {
    return { type: typeof node.enum[0] === 'number' ? 'number' : 'string', enum: node.enum };
  }
  if (type === 'object') {
    const required = (node.required ?? []).filter((key) => properties?.[key]?.default === undefined);
    return {
      type,
      properties: Object.fromEntries(
        Object.entries(properties ?? {}).map(([key, property]) => [key, convert(property, closed)]),
      ),
      ...(required.length > 0 && { required }),
      ...(closed && { additionalProperties: false }),
    };
  }
  const bounds = { minimum, maximum, minLength, maxLength, minItems, maxItems };
  return {
    ...(type !== undefined && { type }),
    ...(items !== undefined && !Array.isArray(items) && { items: convert(items as SchemaNode, closed) }),
    ...Object.fromEntries(Object.entries(bounds).filter(([, bound]) => bound !== undefined)),
  };
}
