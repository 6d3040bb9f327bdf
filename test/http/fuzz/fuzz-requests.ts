/** Requests drawn from the OpenAPI document of the API: as it wants them, with something wrong, and with
 *  nothing right. The same seed draws the same requests. */

import type { Random } from '../../../src/domain/random.ts';

export interface FuzzRequest {
  readonly method: string;
  /** The target, as it goes over the wire. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** The operation of the document that it is about; null where it is about none. */
  readonly operation: Operation | null;
}

export interface Operation {
  readonly method: string;
  readonly path: string;
  /** Statuses that the document has for it. */
  readonly statuses: ReadonlySet<number>;
  readonly query: readonly Parameter[];
  readonly bodyTypes: readonly string[];
}

interface Parameter {
  readonly name: string;
  readonly schema: { readonly type?: string; readonly enum?: readonly string[] };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentOperation>>>>;
}

interface DocumentOperation {
  readonly parameters?: readonly (Parameter & { readonly in: string })[];
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> };
  readonly responses: Readonly<Record<string, object>>;
}

export function operationsOf(document: unknown): Operation[] {
  return Object.entries((document as Document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      ...{ method: method.toUpperCase(), path },
      statuses: new Set(Object.keys(responses).map(Number)),
      query: parameters.filter((parameter) => parameter.in === 'query'),
      bodyTypes: Object.keys(requestBody?.content ?? {}),
    })),
  );
}

const NAMES = ['s1', 's2', 's3', 'acme%2Fs4', 'k1', 'k2', 'engine', 'registry', '1', '2', '17', 'nobody'];
const ODD = [
  ...[
    '%00',
    '%ff',
    '%2e%2e',
    '..',
    '%252F',
    '%2F%2F',
    '%E2%80%AE',
    '%',
    '%zz',
    "'--",
    '<script>',
    '{id}',
    '*',
  ],
  ...['-1', '1e9', '99999999999999999999', 'NaN', 'true', 'null', '[]', '💥', 'a'.repeat(2_000), '%0d%0aX:1'],
  ...[
    'now',
    '-10m',
    '2026-01-01',
    '0',
    '',
    ' ',
    '+',
    ';',
    '&&',
    '==',
    '__proto__',
    'constructor',
    'toString',
  ],
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'];
const TYPES = [
  'application/json',
  'text/plain',
  'application/yaml',
  'text/csv',
  'application/x-ndjson',
  'x',
  '',
];
const HEADERS: readonly (readonly [string, string])[] = [
  ...([
    ['origin', 'https://evil.example'],
    ['origin', 'null'],
    ['host', 'evil.example'],
    ['host', 'a b'],
  ] as const),
  ...([
    ['authorization', 'Bearer x'],
    ['authorization', 'Basic eDp4'],
    ['if-match', '"9"'],
    ['if-match', '*'],
  ] as const),
  ...([
    ['last-event-id', '-1'],
    ['last-event-id', '3'],
    ['content-encoding', 'gzip'],
    ['accept', 'text/html'],
  ] as const),
  ...([
    ['range', 'bytes=0-1'],
    ['cookie', 'a=b'],
    ['expect', '100-continue'],
    ['x', 'y'.repeat(8_000)],
  ] as const),
  ...([
    ['idempotency-key', 'k1'],
    ['idempotency-key', 'x'.repeat(300)],
    ['transfer-encoding', 'chunked'],
  ] as const),
];

export function createFuzz(operations: readonly Operation[], random: Random): () => FuzzRequest {
  const pick = <Item>(items: readonly Item[]): Item => items[random.integer(0, items.length - 1)] as Item;
  const happens = (chance: number) => random.next() < chance;
  const text = () => (happens(0.5) ? pick(NAMES) : encode(pick(ODD)));

  const body = ({ path, bodyTypes }: Operation): string => {
    if (path.includes('dead-letters'))
      return pick(['{"ids":[1]}', '{"select":{}}', '{"select":{"stage":"decode"}}']);
    if (path.includes('config'))
      return pick(['{}', '{"sources":{"c1":{"type":"push"}}}', '{"sorces":1}', 'a: [']);
    if (bodyTypes.includes('text/csv')) return pick(['{"a":1}\n{"a":2}', '[1,2]', '{"a":', 'a,b\n1,2']);
    const id = pick(['s1', 's2', 's3', 'acme/s4', 'k1', 'k2', 'a b']);
    const type = path.includes('sinks') ? pick(['nowhere', 'file', 'x']) : pick(['push', 'simulated', 'x']);
    const more = type === 'simulated' ? { intervalMs: 1_000 } : {};
    return JSON.stringify({ ...(path.includes('{') ? {} : { id }), type, ...more });
  };

  /** What another method makes of it. */
  const asked = ({ path }: Operation, method: string): Operation | null => {
    const known = method === 'HEAD' ? 'GET' : method;
    return operations.find((one) => one.path === path && one.method === known) ?? null;
  };

  /** Something in it is not as it was. */
  const broken = (right: string): string => {
    if (happens(0.2)) return '['.repeat(random.integer(1, 400)) + right;
    if (happens(0.2)) return right.replace('{', '{"__proto__":{"x":1},');
    if (happens(0.2)) return right.replace(/"(\w+)":/, `"${'x'.repeat(random.integer(0, 70_000))}$1":`);
    const at = random.integer(0, right.length);
    return (
      right.slice(0, at) +
      pick(['\u0000', '}', '"', '\ud800', '0', '💥', '\n', ',']) +
      right.slice(at + random.integer(0, 2))
    );
  };

  const query = ({ query: parameters }: Operation, isRight: boolean): string => {
    const given = parameters
      .filter(() => happens(0.3))
      .map(({ name, schema }) => {
        const right =
          schema.enum !== undefined
            ? pick(schema.enum)
            : schema.type === 'integer'
              ? String(random.integer(1, 50))
              : schema.type === 'boolean'
                ? 'true'
                : pick(['s1', 'engine', '-10m', '2026-01-01']);
        return `${name}=${isRight || happens(0.5) ? right : encode(pick(ODD))}`;
      });
    if (!isRight && happens(0.3)) given.push(`${encode(pick(ODD))}=${text()}`);
    if (!isRight && happens(0.1) && given[0] !== undefined) given.push(given[0]);
    return given.length === 0 ? '' : `?${given.join('&')}`;
  };

  return () => {
    const operation = pick(operations);
    const isRight = happens(0.4);
    const path = operation.path.replaceAll(/\{\w+\}/g, () => (isRight ? pick(NAMES) : text()));
    const method = isRight || happens(0.8) ? operation.method : pick(METHODS);
    const mangled = !isRight && happens(0.1) ? `${path}/${text()}` : path;
    const isBodied = operation.bodyTypes.length > 0 || (!isRight && happens(0.1));
    const right = isBodied ? body(operation) : null;
    const type = isRight || happens(0.7) ? (operation.bodyTypes[0] ?? 'application/json') : pick(TYPES);
    const headers: [string, string][] = isBodied && type !== '' ? [['content-type', type]] : [];
    if (!isRight && happens(0.25)) headers.push([...pick(HEADERS)]);
    return {
      ...{ method, target: mangled + query(operation, isRight) },
      headers: Object.fromEntries(headers),
      body: right === null || isRight || happens(0.5) ? right : broken(right),
      operation: mangled === path ? asked(operation, method) : null,
    };
  };
}

/** So that Node's client takes it; what is already encoded, or cannot be, stays. */
function encode(value: string): string {
  return value.replaceAll(/[^!-~]/gu, (character) => encodeURIComponent(character)).replaceAll('#', '%23');
}
