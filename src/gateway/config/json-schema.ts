/** The JSON Schema of the configuration (draft 2020-12), for editors: what is allowed where, with the
 *  meaning of every field. Made of the schema that checks the configuration, so that neither knows what the
 *  other does not. */

import { z } from 'zod';
import { gatewaySchema } from './gateway-schema.ts';

export interface JsonSchema {
  readonly $schema?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** `port: ${PORT}` is text until it is resolved. */
const REFERENCE: JsonSchema = { type: 'string', pattern: '\\$\\{[A-Za-z_]\\w*(:-[^}]*)?\\}' };

export function configurationJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(gatewaySchema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const made = jsonSchema as Record<string, unknown>;
      if (made['maximum'] === Number.MAX_SAFE_INTEGER) delete made['maximum'];
      if (made['minimum'] === Number.MIN_SAFE_INTEGER) delete made['minimum'];
      // Checked by the gateway itself, whose messages say more.
      delete made['propertyNames'];
    },
  }) as JsonSchema;
  return {
    ...schema,
    title: 'Headgate configuration',
    description: 'The configuration of a Headgate gateway.',
  };
}

/** The same, with a reference allowed wherever a number, a choice or the like is. */
export function editorJsonSchema(): JsonSchema {
  return withReferences(configurationJsonSchema());
}

/** Whether the text of a reference would not fit. */
function isNarrow({ type = '', enum: values, pattern }: JsonSchema): boolean {
  return (
    [type].flat().some((one) => ['number', 'integer', 'boolean'].includes(one)) ||
    values !== undefined ||
    pattern !== undefined
  );
}

const KEPT_BESIDE: readonly (keyof JsonSchema)[] = ['description', 'default'];

function withReferences(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items, anyOf, oneOf } = schema;
  const made: JsonSchema = {
    ...schema,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, inner]) => [name, withReferences(inner)]),
          ),
        }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: withReferences(additionalProperties) }
      : {}),
    ...(items === undefined ? {} : { items: withReferences(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(withReferences) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(withReferences) }),
  };
  if (!isNarrow(schema)) return made;
  const outer = Object.fromEntries(
    KEPT_BESIDE.filter((name) => name in made).map((name) => [name, made[name]]),
  );
  const inner = Object.fromEntries(
    Object.entries(made).filter(([name]) => !KEPT_BESIDE.includes(name as keyof JsonSchema)),
  );
  return { ...outer, anyOf: [inner, REFERENCE] };
}
