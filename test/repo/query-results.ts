/** The results under the queries of docs/timeline.md, made by the queries over the database that the page's
 *  own program leaves behind. Where they have changed: `npx node test/repo/query-results.ts`. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Output } from '../../src/cli/output.ts';
import { queryCommand } from '../../src/cli/query-command.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { blocksOf, nameOf, runBlock } from './doc-blocks.ts';

export const QUERIES_PAGE = 'docs/timeline.md';

/** A query and the result that stands under it. */
const QUERY = /```sql\n([^]*?)\n```\n\n```text\n([^]*?)```/g;

/** Longer than it takes on a machine that has ten times too much to do. */
const DATABASE_MS_MAX = 240_000;

export interface ShownQuery {
  readonly sql: string;
  readonly shown: string;
}

export function queriesOf(page: string): ShownQuery[] {
  return [...page.matchAll(QUERY)].map(([, sql = '', shown = '']) => ({ sql, shown }));
}

/** Makes the database in a folder of the project; returns its path. */
export async function makeDatabase(page: string, folder: string): Promise<string> {
  const heading = page.slice(0, page.indexOf('## A run to ask about')).split('\n').length;
  const program = blocksOf(QUERIES_PAGE, page).find(
    ({ line, language }) => line > heading && language === 'ts',
  );
  if (program === undefined) throw new Error(`${QUERIES_PAGE} has no program that makes a database`);
  const { ok, report } = await runBlock(program, folder, DATABASE_MS_MAX);
  if (!ok) throw new Error(report);
  return join(folder, nameOf(program), 'edge.db');
}

/** What `headgate query` prints. */
export async function resultOf(file: string, sql: string): Promise<string> {
  let text = '';
  const output: Output = {
    columns: null,
    open: true,
    onClosed: () => undefined,
    write: async (part) => void (text += part),
    note: (line) => void (text += `(${line})\n`),
    style: (_, part) => part,
  };
  await queryCommand(file, sql, { limit: 1_000, timeout: 60 }, output);
  return text;
}

async function renewPage(): Promise<void> {
  const path = join(PROJECT_ROOT, QUERIES_PAGE);
  const page = readFileSync(path, 'utf8');
  const folder = mkdtempSync(join(PROJECT_ROOT, 'test', '.tmp-docs-'));
  try {
    const file = await makeDatabase(page, folder);
    const results = new Map<string, string>();
    for (const { sql } of queriesOf(page)) results.set(sql, await resultOf(file, sql));
    const renewed = page.replaceAll(
      QUERY,
      (_, sql: string) => `\`\`\`sql\n${sql}\n\`\`\`\n\n\`\`\`text\n${results.get(sql) ?? ''}\`\`\``,
    );
    writeFileSync(path, renewed);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) await renewPage();
