/** The document of the API is what callers can rely on: a session of requests to every operation, each body
 *  and each answer held against its schema. Public tools do the same by `npm run -s contract`. */

import { Ajv2020 } from 'ajv/dist/2020.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import { sessionOf, type Step } from './contract/session.ts';
import { openRig, type Answered, type HttpRig } from './open-rig.ts';

interface Content {
  readonly schema?: object;
}
interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let rig: HttpRig;
let document: Document;
let ajv: Ajv2020;
const folder = mkdtempSync(join(tmpdir(), 'headgate-contract-'));

beforeAll(async () => {
  rig = await openRig();
  document = (await rig.ask('/openapi.json')).json as Document;
  ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema(document, 'document');
});
afterAll(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What is wrong with a value, by the schema at this place of the document; null where nothing is. */
function complaint(pointer: readonly string[], value: unknown): string | null {
  const place = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
  const validate = ajv.getSchema(`document#/${place.join('/')}`);
  if (validate === undefined) return `no schema at ${pointer.join(' ')}`;
  return validate(value) === true ? null : ajv.errorsText(validate.errors);
}

function operations(): [name: string, path: string, method: string, operation: Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) =>
        [`${method.toUpperCase()} ${path}`, path, method, operation] as [string, string, string, Operation],
    ),
  );
}

test('every operation has an id of its own, a tag that is described, a summary and a description', () => {
  const tags = new Set(document.tags.map(({ name }) => name));
  const lacking = operations().flatMap(([name, , , { operationId, tags: own, summary, description }]) => [
    ...(operationId === undefined ? [`${name}: no id`] : []),
    ...(own?.length === 1 && tags.has(own[0] ?? '') ? [] : [`${name}: tag`]),
    ...((summary ?? '').length > 4 ? [] : [`${name}: summary`]),
    ...((description ?? '').endsWith('.') ? [] : [`${name}: description`]),
  ]);
  expect(lacking).toEqual([]);
  const ids = operations().map(([, , , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(document.tags.every(({ description }) => description.endsWith('.'))).toBe(true);
});

test('every example of the document fits the schema beside it', () => {
  let count = 0;
  const wrong: string[] = [];
  const walk = (value: unknown, pointer: readonly string[]): void => {
    if (typeof value !== 'object' || value === null) return;
    const { example } = value as { example?: unknown };
    if (example !== undefined) {
      // Of a parameter, its schema stands beside the example.
      const place = 'schema' in value ? [...pointer, 'schema'] : pointer;
      const found = complaint(place, example);
      count++;
      if (found !== null) wrong.push(`${pointer.join('/')}: ${found}`);
    }
    for (const [name, inner] of Object.entries(value)) walk(inner, [...pointer, name]);
  };
  walk(document, []);
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(5);
});

describe('a session', () => {
  const asked = new Set<string>();
  const judge = ({ operation, status, headers = {}, body }: Step, answer: Answered): string[] => {
    const [method = '', path = ''] = operation.split(' ');
    const place = ['paths', path, method.toLowerCase()];
    asked.add(operation);
    const found: (string | null)[] = [];
    if (answer.status !== status) found.push(`${answer.status} instead of ${status}: ${answer.text}`);
    if (headers['content-type'] === 'application/json' && body !== undefined) {
      const schema = [...place, 'requestBody', 'content', 'application/json', 'schema'];
      found.push(complaint(schema, JSON.parse(body)));
    }
    const described = document.paths[path]?.[method.toLowerCase()]?.responses[answer.status];
    if (described === undefined) found.push(`answers ${answer.status}, which the document does not have`);
    const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? '';
    if (described?.content !== undefined && !(type in described.content)) found.push(`answers ${type}`);
    else if (type.endsWith('json')) {
      const schema = [...place, 'responses', String(answer.status), 'content', type, 'schema'];
      found.push(complaint(schema, answer.json));
    }
    return found.filter((one) => one !== null).map((one) => `${operation}: ${one}`);
  };

  test('asks every operation, and nothing that is sent or answered differs from the document', async () => {
    await rig.ask('/api/sources', { method: 'POST', body: { id: 'line', type: 'push' } });
    const wrong: string[] = [];
    for (const step of sessionOf(join(folder, 'out.ndjson'))) {
      const { method, path, headers = {}, body } = step;
      const answer = await rig.ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
      wrong.push(...judge(step, answer));
    }
    expect(wrong).toEqual([]);
    expect(
      operations()
        .map(([name]) => name)
        .filter((name) => !asked.has(name)),
    ).toEqual([]);
  });

  test('notices a body that is none of the document', () => {
    const place = [
      'paths',
      '/api/config/validate',
      'post',
      'requestBody',
      'content',
      'application/json',
      'schema',
    ];
    expect(complaint(place, { sources: 5 })).toMatch(/sources must be object/);
    expect(complaint(place, { sources: { line3: { type: 'push' } } })).toBe(null);
  });
});
