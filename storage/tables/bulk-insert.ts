/** Inserts of many rows. A statement that takes a hundred rows at once is about twice as fast as a hundred
 *  that take one each, since most of an insert's cost is entering and leaving SQLite. Where many rows in a
 *  row have columns in common, those are handed over once: that saves about a quarter of the rest. */

import type Database from 'better-sqlite3';

export type SqlValue = string | number | null;

export interface BulkTable<Row> {
  readonly table: string;
  /** Columns of which each row has its own value. */
  readonly columns: readonly string[];
  /** What follows the values, e.g. an upsert clause. */
  readonly conflict?: string;
  /** Appends the row's values in the order of `columns`. */
  readonly values: (row: Row, out: SqlValue[]) => void;
  /** Columns that rows in a row often have in common. */
  readonly shared?: SharedColumns<Row>;
}

export interface SharedColumns<Row> {
  readonly columns: readonly string[];
  /** The row's values in the order of `columns`. */
  readonly values: (row: Row) => SqlValue[];
  /** Whether two rows have all of them in common. */
  readonly isSame: (one: Row, other: Row) => boolean;
}

/** Rows a statement takes, largest first; the last must be 1. */
const CHUNKS = [100, 10, 1] as const;

/** Fewer rows are not worth a statement of their own. */
const SHARED_ROWS_MIN = 20;

type Insert<Row> = (rows: readonly Row[], begin: number, end: number) => number;

/** Prepares the statements once; the returned function inserts rows within the caller's transaction, in
 *  order, and gives how many it wrote: a `conflict` clause may pass some over. `seen` is shown the values of
 *  each statement once it has run; not of a table with shared columns. */
export function bulkInsert<Row>(
  db: Database.Database,
  table: BulkTable<Row>,
  seen?: (values: readonly SqlValue[]) => void,
): (rows: readonly Row[]) => number {
  const { shared } = table;
  const insertEach = eachByItself(db, table, seen);
  if (shared === undefined) return (rows) => insertEach(rows, 0, rows.length);
  const insertShared = withSharedColumns(db, table, shared);
  return (rows) => {
    let written = 0;
    let pending = 0;
    for (let begin = 0; begin < rows.length;) {
      const end = endOfRun(rows, begin, shared);
      if (end - begin >= SHARED_ROWS_MIN) {
        written += insertEach(rows, pending, begin) + insertShared(rows, begin, end);
        pending = end;
      }
      begin = end;
    }
    return written + insertEach(rows, pending, rows.length);
  };
}

function eachByItself<Row>(
  db: Database.Database,
  table: BulkTable<Row>,
  seen: ((values: readonly SqlValue[]) => void) | undefined,
): Insert<Row> {
  const { shared } = table;
  const columns = [...(shared?.columns ?? []), ...table.columns];
  const statements = prepareChunks(db, table, columns, columns.map(() => '?').join(', '));
  return (rows, begin, end) =>
    inChunks(statements, begin, end, (statement, from, to) => {
      const values: SqlValue[] = [];
      for (let index = from; index < to; index++) {
        const row = rows[index] as Row;
        if (shared !== undefined) values.push(...shared.values(row));
        table.values(row, values);
      }
      const { changes } = statement.run(values);
      seen?.(values);
      return changes;
    });
}

function withSharedColumns<Row>(
  db: Database.Database,
  table: BulkTable<Row>,
  shared: SharedColumns<Row>,
): Insert<Row> {
  const columns = [...shared.columns, ...table.columns];
  const placeholders = [...shared.columns.map((column) => `@${column}`), ...table.columns.map(() => '?')];
  const statements = prepareChunks(db, table, columns, placeholders.join(', '));
  return (rows, begin, end) => {
    const common = shared.values(rows[begin] as Row);
    const named = Object.fromEntries(shared.columns.map((column, index) => [column, common[index]]));
    return inChunks(statements, begin, end, (statement, from, to) => {
      const values: SqlValue[] = [];
      for (let index = from; index < to; index++) table.values(rows[index] as Row, values);
      return statement.run(values, named).changes;
    });
  };
}

interface Chunk {
  readonly rows: number;
  readonly statement: Database.Statement;
}

function prepareChunks<Row>(
  db: Database.Database,
  { table, conflict }: BulkTable<Row>,
  columns: readonly string[],
  placeholders: string,
): Chunk[] {
  return CHUNKS.map((rows) => {
    const values = Array.from({ length: rows }, () => `(${placeholders})`).join(', ');
    const sql = `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${values} ${conflict ?? ''}`;
    return { rows, statement: db.prepare(sql) };
  });
}

function inChunks(
  chunks: readonly Chunk[],
  begin: number,
  end: number,
  run: (statement: Database.Statement, from: number, to: number) => number,
): number {
  let next = begin;
  let written = 0;
  for (const { rows, statement } of chunks) {
    for (; end - next >= rows; next += rows) written += run(statement, next, next + rows);
  }
  return written;
}

function endOfRun<Row>(rows: readonly Row[], begin: number, { isSame }: SharedColumns<Row>): number {
  const first = rows[begin] as Row;
  let end = begin + 1;
  while (end < rows.length && isSame(first, rows[end] as Row)) end++;
  return end;
}
