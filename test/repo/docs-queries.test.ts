/** The queries of docs/timeline.md give what stands under them. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { makeDatabase, queriesOf, QUERIES_PAGE, resultOf } from './query-results.ts';

const page = readFileSync(join(PROJECT_ROOT, QUERIES_PAGE), 'utf8');
const queries = queriesOf(page);

let folder: string;
let file: string;
beforeAll(async () => {
  folder = mkdtempSync(join(PROJECT_ROOT, 'test', '.tmp-docs-'));
  file = await makeDatabase(page, folder);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('there are twenty, every sql block among them, and each has a result', () => {
  expect(queries).toHaveLength(20);
  expect(page.match(/```sql/g)).toHaveLength(20);
  for (const { shown } of queries) expect(shown.split('\n').length).toBeGreaterThan(2);
});

test.concurrent.each(queries)('$sql', { timeout: 180_000 }, async ({ sql, shown }) => {
  expect(await resultOf(file, sql)).toBe(shown);
});

test('another result than the one that is shown is noticed', async () => {
  expect(await resultOf(file, 'SELECT 1 AS one')).toBe('one\n  1\n');
});
