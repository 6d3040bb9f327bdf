/** Inserts of many rows. A statement that takes a hundred rows at once is about twice as fast as a hundred
 *  that take one each, since most of an insert's cost is entering and leaving SQLite. */

import type Database from 'better-sqlite3';

export type SqlValue = string | number | null;

export interface BulkTable<Row> {
  readonly table: string;
  readonly columns: readonly string[];
  /** What follows the values, e.g. an upsert clause. */
  readonly conflict?: string;
  /** Appends the row's values in the order of `columns`. */
  readonly values: (row: Row, out: SqlValue[]) => void;
}

/** Rows a statement takes, largest first; the last must be 1. */
const CHUNKS = [100, 10, 1] as const;

/** Prepares the statements once; the returned function inserts rows within the caller's transaction, and
 *  gives how many it wrote: a `conflict` clause may pass some over. `seen` is shown the values of each
 *  statement once it has run. */
export function bulkInsert<Row>(
  db: Database.Database,
  table: BulkTable<Row>,
  seen?: (values: readonly SqlValue[]) => void,
): (rows: readonly Row[]) => number {
  const statements = CHUNKS.map((rows) => ({ rows, statement: db.prepare(insertSql(table, rows)) }));
  return (rows) => {
    let next = 0;
    let written = 0;
    for (const chunk of statements) {
      while (rows.length - next >= chunk.rows) {
        const values: SqlValue[] = [];
        for (const row of rows.slice(next, next + chunk.rows)) table.values(row, values);
        written += chunk.statement.run(values).changes;
        seen?.(values);
        next += chunk.rows;
      }
    }
    return written;
  };
}

function insertSql(table: BulkTable<never>, rows: number): string {
  const row = `(${table.columns.map(() => '?').join(', ')})`;
  const values = Array.from({ length: rows }, () => row).join(', ');
  return `INSERT INTO ${table.table} (${table.columns.join(', ')}) VALUES ${values} ${table.conflict ?? ''}`;
}
