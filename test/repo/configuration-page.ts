/** The page docs/configuration.md, made of the schema in the code. Where that has changed:
 *  `npx node test/repo/configuration-page.ts > docs/configuration.md`. */

import { configurationJsonSchema, type JsonSchema } from '../../src/gateway/config/json-schema.ts';
import { CONFIGURATION_EXAMPLES } from './configuration-examples.ts';

const INTRODUCTION = `# The configuration file

A gateway is configured by one file, YAML or JSON. \`headgate init\` writes an example to begin with, \`headgate validate FILE\`
says everything that is wrong with one, each with its line and column, and \`headgate run FILE\` runs it.

Every section may be left out. An unknown name is an error that suggests the right one. Paths are seen from the folder of
the file. Names end in their unit: \`Ms\` is milliseconds.

For completion and checks in an editor, write the JSON Schema beside the file and name it in its first line:

<!-- not run: it writes beside the reader's own file -->
\`\`\`sh
headgate schema > headgate.schema.json
\`\`\`

\`\`\`yaml
# yaml-language-server: $schema=headgate.schema.json
\`\`\`

## References and secrets

Text may hold references, which are replaced when the file is read:

| written | becomes |
|---|---|
| \`\${NAME}\` | the environment variable; an error with its place where it is not set |
| \`\${NAME:-default}\` | the same, or the default where it is not set or empty |
| \`$\${\` | the two characters themselves |
| \`file:PATH\`, the whole of a text | the content of the file, without the line end at its end |

A reference to a number, or to true or false, may stand where one is wanted: \`port: \${PORT:-8484}\`. Examples are left as they
are. A file that a secret comes from must not be open to others (\`chmod 600\`): its group may read it, as Kubernetes has it,
and a file that no user may write (mode 0444), as Docker mounts secrets, is taken. It may have 64 KiB.
The named file must be a regular one of UTF-8 text: pipes, devices and folders are refused and never waited for.

Secret are passwords, tokens, keys, headers, credentials and queries in addresses, what is sent along (\`body\`, \`subscribe\`,
\`will.payload\`), and whatever a reference leads to. They
are shown as \`***\` wherever the configuration is shown, and appear in no message. The digest of a configuration leaves
them out.

## Expressions and code

Fields of the type *expression* are written in CEL: [expressions](expressions.md) tells how. What they cannot say, code can:
fields of the type *module* name a file and what it exports, \`./stages.js#enrich\`. It is loaded when the gateway starts;
a changed file counts from the next start on. Code can be named in the file only, never through the API.
`;

/** Sections that stand for entries by name, each of a kind. */
const NOUNS: Readonly<Record<string, string>> = { sources: 'source', sinks: 'sink' };

interface Row {
  readonly field: string;
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

export function configurationPage(): string {
  const { properties = {} } = configurationJsonSchema();
  const sections = Object.entries(properties).filter(([name]) => name !== '$schema');
  const contents = sections.map(([name]) => `[${name}](#${name})`).join(' · ');
  const pages = sections.map(([name, schema]) =>
    name in NOUNS ? kindsSection(name, schema) : plainSection(name, schema),
  );
  return `${INTRODUCTION}\n## Sections\n\n${contents}\n\n${pages.join('\n\n')}\n`;
}

function plainSection(name: string, schema: JsonSchema): string {
  const body = optionsOf(schema).flatMap((option) => rowsOf(option.items ?? option, ''));
  return [`### ${name}`, meaningOf(schema), table(body), example(name)].join('\n\n');
}

/** What all kinds have is told once. */
function kindsSection(name: string, schema: JsonSchema): string {
  const entry = schema.additionalProperties as JsonSchema;
  const kinds = [...(entry.oneOf ?? entry.anyOf ?? [])];
  const complete = kinds.filter(({ properties = {} }) => 'connectTimeoutMs' in properties);
  const [first] = complete;
  const shared = Object.keys(first?.properties ?? {}).filter(
    (field) =>
      field !== 'type' &&
      complete.every(({ properties = {} }) => isSame(properties[field], first?.properties?.[field])),
  );
  const common: JsonSchema = { properties: pick(first?.properties ?? {}, shared) };
  const parts = kinds.map((kind) => {
    const { properties = {}, required = [] } = kind;
    const type = String(properties['type']?.const);
    const own = Object.keys(properties).filter((field) => field !== 'type' && !shared.includes(field));
    const rows = rowsOf({ properties: pick(properties, own), required }, '');
    const heading = `#### ${name}: ${type}`;
    return [heading, meaningOf(properties['type'] ?? {}), table(rows), example(`${name}: ${type}`)].join(
      '\n\n',
    );
  });
  const noun = NOUNS[name] ?? name;
  const types = kinds.map(({ properties }) => `\`${String(properties?.['type']?.const)}\``).join(', ');
  return [
    `### ${name}`,
    `${meaningOf(schema)} The field \`type\` of an entry says which kind it is: ${types}.`,
    `Every ${noun} but one of the type \`module\` has these fields, beside those of its kind:`,
    table(rowsOf(common, '')),
    ...parts,
  ].join('\n\n');
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function pick(
  properties: Readonly<Record<string, JsonSchema>>,
  names: readonly string[],
): Record<string, JsonSchema> {
  return Object.fromEntries(names.map((name) => [name, properties[name] as JsonSchema]));
}

/** What a value may be, without null. */
function optionsOf(schema: JsonSchema): readonly JsonSchema[] {
  const options = schema.anyOf ?? [schema];
  return options.filter(({ type }) => type !== 'null');
}

/** The rows of all fields below, each under its path. */
function rowsOf({ properties = {}, required = [] }: JsonSchema, path: string): Row[] {
  const rows = new Map<string, Row>();
  for (const [name, schema] of Object.entries(properties)) {
    const field = path === '' ? name : `${path}.${name}`;
    rows.set(field, { field, schema, isRequired: required.includes(name) && schema.default === undefined });
    for (const option of optionsOf(schema)) {
      const inner = option.items === undefined ? option : (optionsOf(option.items)[0] ?? {});
      const place = option.items === undefined ? field : `${field}[]`;
      const objects = option.items === undefined ? [inner] : optionsOf(option.items);
      for (const object of objects) for (const row of rowsOf(object, place)) rows.set(row.field, row);
    }
  }
  return [...rows.values()];
}

function table(rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map(({ field, schema, isRequired }) => {
    const cells = [
      `\`${field}\``,
      typeOf(schema),
      unitOf(field, schema),
      defaultOf(schema, isRequired),
      meaningOf(schema),
    ];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| field | type | unit | default | meaning |', '|---|---|---|---|---|', ...lines].join('\n');
}

function typeOf(schema: JsonSchema): string {
  const texts = (schema.anyOf ?? [schema]).map(simpleType);
  return [...new Set(texts)].join(' or ');
}

function simpleType(schema: JsonSchema): string {
  const { type, enum: values, format, items, properties, additionalProperties, pattern } = schema;
  if (Array.isArray(type)) return type.map((one: string) => simpleType({ type: one })).join(' or ');
  if (schema.const !== undefined) return code(schema.const);
  if (values !== undefined) return values.map(code).join(', ');
  if (schema.anyOf !== undefined) return typeOf(schema);
  if (format === 'cel') return 'expression';
  if (pattern?.includes('[cm]?js') === true) return 'module';
  switch (type) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return `${type === 'integer' ? 'whole number' : 'number'}${range(schema)}`;
    case 'boolean':
      return '`true`, `false`';
    case 'array':
      return `list of ${typeOf(items ?? {})}`;
    case 'object':
      if (properties !== undefined) return 'map';
      return typeof additionalProperties === 'object' ? `map of ${typeOf(additionalProperties)}` : 'map';
    case 'null':
      return '`null`';
    case undefined:
    default:
      return 'anything';
  }
}

function range({ minimum, maximum }: JsonSchema): string {
  if (minimum === undefined && maximum === undefined) return '';
  if (maximum === undefined) return ` ≥ ${minimum}`;
  return minimum === undefined ? ` ≤ ${maximum}` : ` ${minimum} to ${maximum}`;
}

const UNITS: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/PerSecondMax$/, '1/s'],
  [/PerMinuteMax$/, '1/min'],
  [/Ms(?:Max)?$/, 'ms'],
  [/Seconds$/, 's'],
  [/(?:^b|B)ytes(?:Max)?$/, 'bytes'],
  [/(?:^r|R)ecords(?:Max|Min)?$|^rowsMax$|\.rowsMax$/, 'records'],
];

function unitOf(field: string, schema: JsonSchema): string {
  if (!optionsOf(schema).some(({ type }) => type === 'integer' || type === 'number')) return '';
  const name = field.split('.').at(-1) ?? '';
  return UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? '';
}

function defaultOf(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return '*required*';
  const { default: value } = schema;
  if (value === undefined) return '';
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return '';
  return code(value);
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function meaningOf({ description = '' }: JsonSchema): string {
  return description;
}

function example(name: string): string {
  const text = CONFIGURATION_EXAMPLES[name];
  if (text === undefined) throw new Error(`test/repo/configuration-examples.ts has no example "${name}"`);
  return `\`\`\`yaml\n${text}\n\`\`\``;
}

if (import.meta.main) process.stdout.write(configurationPage());
