/** `headgate init`, `validate`, `schema` and `test`, as processes. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EXAMPLE_CONFIG } from '../../src/gateway/config/example-config.ts';
import { headgate } from '../support/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-commands-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('init writes an example that is valid, passes its own tests, and is not overwritten', async () => {
  const path = join(folder, 'new.yaml');
  const made = await headgate(['init', path]);
  expect(made).toMatchObject({ exitCode: 0, stdout: `${path}\n` });
  expect(made.stderr).toContain(`headgate validate ${path}`);
  expect(readFileSync(path, 'utf8')).toBe(EXAMPLE_CONFIG);
  // It is where passwords will stand.
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await headgate(['validate', path])).toMatchObject({
    ...{ exitCode: 0, stderr: '' },
    stdout: `${path}: valid; 3 sources, 2 stages, 1 sink, 2 examples\n`,
  });
  const tried = await headgate(['test', path]);
  expect(tried).toMatchObject({ exitCode: 0, stderr: '' });
  expect(tried.stdout).toMatch(/^ok {4}Fahrenheit becomes Celsius\nok {4}.*\n2 passed\n$/);

  write('new.yaml', '# mine\n');
  const again = await headgate(['init', path]);
  expect(again).toMatchObject({ exitCode: 78, stdout: '' });
  expect(again.stderr).toBe(
    `headgate: "${path}" is there already; --force overwrites it (HG_CONFIG_EXISTS)\n`,
  );
  expect(readFileSync(path, 'utf8')).toBe('# mine\n');
  expect((await headgate(['init', path, '--force'])).exitCode).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(EXAMPLE_CONFIG);
  expect((await headgate(['init', join(folder, 'new.json')])).exitCode).toBe(78);
});

test('validate tells everything that is wrong, for people and for programs', async () => {
  const path = write('bad.yaml', 'sources:\n  a: { type: push, decod: json }\nhttp: { port: -1 }\n');
  const told = await headgate(['validate', path]);
  expect(told).toMatchObject({ exitCode: 78, stderr: `headgate: ${path}: 2 problems (HG_CONFIG_INVALID)\n` });
  expect(told.stdout).toBe(
    `${path}:2:20 sources.a.decod: is unknown; did you mean "decode"?\n${path}:3:15 http.port: must be at least 0\n`,
  );
  const json = await headgate(['validate', path, '--json']);
  expect(json.exitCode).toBe(78);
  expect(JSON.parse(json.stdout)).toEqual({
    ...{ ok: false, file: path },
    problems: [
      {
        file: path,
        line: 2,
        column: 20,
        path: 'sources.a.decod',
        message: 'is unknown; did you mean "decode"?',
        suggestion: 'decode',
      },
      { file: path, line: 3, column: 15, path: 'http.port', message: 'must be at least 0' },
    ],
  });
  const good = write('good.json', '{ "http": { "port": 0 } }');
  const fine = await headgate(['validate', good, '--json']);
  expect(JSON.parse(fine.stdout)).toMatchObject({
    ok: true,
    problems: [],
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect((await headgate(['validate', join(folder, 'none.yaml')])).exitCode).toBe(78);
  expect((await headgate(['validate'])).exitCode).toBe(2);
});

test('validate takes references from the environment, and shows none of them', async () => {
  const path = write(
    'env.yaml',
    "sources: { a: { type: mqtt, url: 'mqtt://h', topics: a, username: g, password: '${CANARY}', qos: '${CANARY}' } }",
  );
  const told = await headgate(['validate', path, '--json'], { env: { CANARY: 'canary-value' } });
  expect(told.exitCode).toBe(78);
  expect(told.stdout).toContain('qos');
  expect(told.stdout + told.stderr).not.toContain('canary');
  const unset = await headgate(['validate', path], { env: { CANARY: undefined } });
  expect(unset.stdout).toContain('the environment variable CANARY is not set');
});

test('schema prints JSON Schema', async () => {
  const { exitCode, stdout, stderr } = await headgate(['schema']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    properties: { sources: { description: expect.any(String) } },
  });
});

test('test says what came out in the place of what was expected', async () => {
  const path = write(
    'examples.yaml',
    `
stages:
  - filter: record.data.v > 0
  - set: { twice: record.data.v * 2 }
examples:
  - name: passes
    input: [{ data: { v: 1 } }, { data: { v: 0 } }]
    expect: [{ data: { v: 1, twice: 2 } }]
  - name: fails
    input: [{ data: { v: 2 } }, { data: { v: -1 } }, { data: {} }, { data: { v: 3 } }]
    expect: [{ data: { v: 2, twice: 5, more: 1 } }, { poison: no such key }]
  - name: of several sources, in order
    input: [{ id: b, data: { v: 1 } }, { id: a, tenant: t, data: { v: 2 } }, { id: b, data: { v: 3 } }]
    expect: [{ data: { v: 1, twice: 2 } }, { data: { v: 2, twice: 4 } }, { data: { v: 3, twice: 6 } }]
`,
  );
  const { exitCode, stdout, stderr } = await headgate(['test', path]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: `headgate: ${path}: 1 of 3 failed (HG_EXAMPLE_FAILED)\n`,
  });
  expect(stdout).toBe(`ok    passes
FAIL  fails
      record 1: data.twice: expected 5, got 4
      record 1: data.more: expected 1, is not there
      record 3: expected nothing more, got data {"v":3,"twice":6}
      input 2 was left out by a filter
      input 3 was failed by a stage
ok    of several sources, in order
2 passed, 1 failed
`);
  const json = JSON.parse((await headgate(['test', path, '--json'])).stdout) as Record<string, unknown>;
  expect(json).toMatchObject({
    ...{ passed: 2, failed: 1 },
    examples: [
      { name: 'passes', passed: true, fates: ['passed', 'filtered'], output: [{ data: { v: 1, twice: 2 } }] },
      { name: 'fails', passed: false, fates: ['passed', 'filtered', 'failed', 'passed'] },
      { passed: true },
    ],
  });
  const none = await headgate(['test', write('none.yaml', 'sources: {}')]);
  expect(none).toMatchObject({ exitCode: 0, stdout: 'no examples; write some under "examples"\n' });
  const bad = await headgate(['test', write('bad2.yaml', 'stage: []')]);
  expect(bad).toMatchObject({ exitCode: 78, stdout: '' });
  expect(bad.stderr).toContain('bad2.yaml:1:1 stage: is unknown; did you mean "stages"?');
});
