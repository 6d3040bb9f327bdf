/** The reference, the JSON Schema and the example are made of the schema, and say what it says. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { EXAMPLE_CONFIG } from '../../../src/gateway/config/example-config.ts';
import {
  configurationJsonSchema,
  editorJsonSchema,
  type JsonSchema,
} from '../../../src/gateway/config/json-schema.ts';
import { PROJECT_ROOT } from '../../support/project-files.ts';
import { CONFIGURATION_EXAMPLES } from '../../repo/configuration-examples.ts';
import { configurationPage } from '../../repo/configuration-page.ts';
import { configFolder, problemsOf } from './config-rig.ts';

const code = 'export const canSource = 1, enrich = 1, intoWarehouse = 1, kafkaSink = 1;';
const folder = configFolder({ 'sources.js': code, 'stages.js': code, 'sinks.js': code });
const env = { PLC_PASSWORD: 'p', METER_AUTHORIZATION: 'Bearer m', CLOUD_TOKEN: 't' };

const schema = editorJsonSchema();
const isValid = new Ajv2020({
  ...{ strict: true, strictRequired: false, strictTypes: false, allErrors: true },
  formats: { cel: true },
}).compile(schema);

/** The schemas of the kinds in a section of entries. */
function kindsOf(section: JsonSchema | undefined): readonly JsonSchema[] {
  const entry = section?.additionalProperties;
  return typeof entry === 'object' ? (entry.oneOf ?? []) : [];
}

/** Every field below, with the path that leads to it. */
function* fieldsOf(node: JsonSchema, path: string): Generator<[path: string, field: JsonSchema]> {
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    yield [`${path}.${name}`, field];
    yield* fieldsOf(field, `${path}.${name}`);
  }
  const inner = [node.items, node.additionalProperties, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];
  for (const one of inner) if (typeof one === 'object') yield* fieldsOf(one, path);
}

test('docs/configuration.md is the page that the schema makes', () => {
  expect(readFileSync(join(PROJECT_ROOT, 'docs/configuration.md'), 'utf8')).toBe(configurationPage());
});

test('every field says what it means, and of which type it is', () => {
  const fields = [...fieldsOf(configurationJsonSchema(), '')];
  expect(fields.length).toBeGreaterThan(300);
  const silent = fields.filter(
    ([, { description = '' }]) => description.length < 5 && description !== 'Records.',
  );
  expect(silent.map(([path]) => path)).toEqual([]);
  const untyped = fields.filter(
    ([, field]) => !['type', 'anyOf', 'oneOf', 'enum', 'const'].some((name) => name in field),
  );
  expect(untyped.map(([path]) => path)).toEqual(['.examples.input.data', '.examples.expect.data']);
});

describe('an example of the reference is valid:', () => {
  for (const [name, text] of Object.entries(CONFIGURATION_EXAMPLES)) {
    test(name, () => {
      expect(problemsOf(text, { folder, env })).toEqual([]);
      expect(isValid(parse(text)), JSON.stringify(isValid.errors)).toBe(true);
    });
  }

  test('there is one of every section and every kind', () => {
    const { properties = {} } = configurationJsonSchema();
    const kinds = ['sources', 'sinks'].flatMap((section) => {
      const oneOf = kindsOf(properties[section]);
      return oneOf.map((kind) => `${section}: ${String(kind.properties?.['type']?.const)}`);
    });
    const sections = Object.keys(properties).filter(
      (name) => !['$schema', 'sources', 'sinks'].includes(name),
    );
    expect(Object.keys(CONFIGURATION_EXAMPLES).sort()).toEqual([...sections, ...kinds].sort());
  });
});

describe('the JSON Schema', () => {
  test('is one of draft 2020-12, and takes the example that init writes', () => {
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(isValid(parse(EXAMPLE_CONFIG)), JSON.stringify(isValid.errors)).toBe(true);
    expect(problemsOf(EXAMPLE_CONFIG, { folder })).toEqual([]);
  });

  const refused: [title: string, text: string][] = [
    ['an unknown section', 'snks: {}'],
    ['an unknown field', 'http: { prot: 80 }'],
    ['a wrong type', 'http: { port: eighty }'],
    ['a number out of range', 'http: { port: 70000 }'],
    ['a wrong choice', 'logging: { level: loud }'],
    ['an unknown kind', 'sources: { a: { type: carrier-pigeon } }'],
    ['a field of another kind', 'sources: { a: { type: push, url: "http://h" } }'],
    ['a missing field', 'sources: { a: { type: http, url: "http://h" } }'],
    ['a stage that does nothing', 'stages: [{ name: a }]'],
    ['a stage that does two things', 'stages: [{ filter: "true", drop: a }]'],
  ];
  for (const [title, text] of refused) {
    test(`refuses ${title}, as the gateway does`, () => {
      expect(isValid(parse(text))).toBe(false);
      expect(problemsOf(text)).not.toEqual([]);
    });
  }

  test('takes references where numbers and choices stand', () => {
    const text = 'http: { port: "${P:-80}", enabled: "${E:-true}" }\nlogging: { level: "${L:-info}" }';
    expect(isValid(parse(text)), JSON.stringify(isValid.errors)).toBe(true);
    expect(problemsOf(text)).toEqual([]);
  });

  test('leads an editor to the fields of a kind by its type', () => {
    const oneOf = kindsOf(schema.properties?.['sources']);
    const types = oneOf.map(({ properties, required }) => [
      properties?.['type']?.const,
      required?.includes('type'),
    ]);
    expect(types).toEqual(
      ['mqtt', 'http', 'file', 'websocket', 'push', 'simulated', 'module'].map((type) => [type, true]),
    );
  });
});
