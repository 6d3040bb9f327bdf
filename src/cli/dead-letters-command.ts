/** `dead-letters`: what could not be used, listed, shown, queued for another try, deleted. */

import {
  openDeadLetters,
  type DeadLetters,
  type LetterSelection,
  type StoredLetter,
} from '../engine/dead-letters.ts';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import type { Output } from './output.ts';
import { documentWriter, writeAll, type ReadOptions } from './read-commands.ts';
import { readableCell, readableTime } from './readable.ts';
import { jsonDocumentWriter } from './row-writers.ts';
import type { Column } from './table.ts';

export interface LettersOptions extends ReadOptions, LetterSelection {}

/** What is read of the file at a time. */
const PAGE_ROWS = 500;

export function listLettersCommand(path: string, options: LettersOptions, output: Output): Promise<void> {
  return withLetters(path, true, async (letters) => {
    const writer = documentWriter(options, output, LETTER_COLUMNS, 'no dead letters');
    for (let afterId = 0; ;) {
      const page = await letters.list({ ...selectionOf(options), afterId, limit: PAGE_ROWS });
      await writer.rows(page.map(rowOf));
      if (!output.open) return;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) break;
      afterId = last.id;
    }
    await writer.end();
  });
}

export function showLetterCommand(
  path: string,
  id: number,
  options: ReadOptions,
  output: Output,
): Promise<void> {
  return withLetters(path, true, async (letters) => {
    const row = rowOf(await letters.show(id));
    if (options.json === true) await writeAll(jsonDocumentWriter(output), [row]);
    else await output.write(`${sheetOf(row).join('\n')}\n`);
  });
}

/** Both print what they did as one row: `{ "queued": 2 }`, `{ "purged": 2 }`. */
export function changeLettersCommand(
  path: string,
  action: 'retry' | 'purge',
  ids: readonly number[],
  options: LettersOptions,
  output: Output,
): Promise<void> {
  return withLetters(path, false, async (letters) => {
    const count = await letters[action](ids.length > 0 ? ids : selectionOf(options));
    const done = action === 'retry' ? 'queued' : 'purged';
    if (options.json === true) await writeAll(jsonDocumentWriter(output), [{ [done]: count }]);
    else await output.write(`${count} ${done}${action === 'retry' ? '; the next start tries again' : ''}\n`);
  });
}

async function withLetters(
  path: string,
  readOnly: boolean,
  use: (letters: DeadLetters) => Promise<void>,
): Promise<void> {
  const letters = openDeadLetters(path, { readOnly });
  try {
    await use(letters);
  } finally {
    letters.close();
  }
}

function selectionOf({ source, stage, status }: LettersOptions): LetterSelection {
  return {
    ...(source === undefined ? {} : { source }),
    ...(stage === undefined ? {} : { stage }),
    ...(status === undefined ? {} : { status }),
  };
}

/** As the table has it. */
function rowOf(letter: StoredLetter): Row {
  return {
    id: letter.id,
    tenant: letter.tenant,
    source_id: letter.sourceId,
    stage: letter.stage,
    code: letter.code,
    message: letter.message,
    payload: letter.payload,
    attempts: letter.attempts,
    first_at_ms: letter.firstAtMs,
    last_at_ms: letter.lastAtMs,
    status: letter.status,
    origin: letter.origin,
    truncated: letter.isTruncated ? 1 : 0,
  };
}

function sheetOf(row: Row): string[] {
  return Object.entries(row).map(([name, value]) => {
    const isTime = name.endsWith('_at_ms');
    const text = isTime ? readableTime(value) : typeof value === 'object' ? JSON.stringify(value) : value;
    return `${(isTime ? name.slice(0, -'_ms'.length) : name).padEnd(10)}  ${readableCell(text)}`;
  });
}

const LETTER_COLUMNS: readonly Column<Row>[] = [
  { title: 'id', align: 'right', cell: (row) => readableCell(row.id) },
  { title: 'last time', cell: (row) => readableTime(row.last_at_ms) },
  { title: 'source', shrinks: true, cell: (row) => readableCell(row.source_id), style: () => 'cyan' },
  { title: 'stage', cell: (row) => readableCell(row.stage) },
  { title: 'status', cell: (row) => readableCell(row.status) },
  { title: 'attempts', align: 'right', cell: (row) => readableCell(row.attempts) },
  { title: 'code', cell: (row) => readableCell(row.code), style: () => 'red' },
  { title: 'message', shrinks: true, cell: (row) => readableCell(row.message) },
  { title: 'payload', shrinks: true, cell: (row) => readableCell(row.payload), style: () => 'gray' },
];
