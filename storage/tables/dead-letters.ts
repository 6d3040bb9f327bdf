/** Dead letters: read, queued for another try, purged. */

import type Database from 'better-sqlite3';
import type { LetterOrigin, LetterStatus } from '../../src/domain/timeline.ts';
import type { LetterQuery, StoredLetter } from '../event-store.ts';
import { schemaVersion } from '../file/schema.ts';

export interface DeadLetters {
  read(query: LetterQuery): StoredLetter[];
  mark(query: LetterQuery, status: Extract<LetterStatus, 'new' | 'queued'>): number;
  purge(query: LetterQuery): number;
}

/** `db` may be one of the first version, where it is only read. */
export function createDeadLetters(db: Database.Database): DeadLetters {
  const fields =
    FIELDS + (schemaVersion(db) < 2 ? ', NULL AS origin, 0 AS truncated' : ', origin, truncated');
  return {
    read(query) {
      const { where, values } = conditionOf(query);
      const sql = `SELECT ${fields} FROM dead_letters WHERE ${where} ORDER BY id LIMIT ?`;
      return (db.prepare(sql).all(...values, query.rowsMax) as LetterRow[]).map(letterOf);
    },
    mark(query, status) {
      const { where, values } = conditionOf(query);
      // What was not kept whole cannot be tried again.
      const isWhole = status === 'queued' ? "AND status <> 'queued' AND truncated = 0" : '';
      const may = `status <> 'delivered' ${isWhole}`;
      const chosen = `SELECT id FROM dead_letters WHERE ${where} AND ${may} ORDER BY id LIMIT ?`;
      return db
        .prepare(`UPDATE dead_letters SET status = ? WHERE id IN (${chosen})`)
        .run(status, ...values, query.rowsMax).changes;
    },
    purge(query) {
      const { where, values } = conditionOf(query);
      const chosen = `SELECT id FROM dead_letters WHERE ${where} ORDER BY id LIMIT ?`;
      return db.prepare(`DELETE FROM dead_letters WHERE id IN (${chosen})`).run(...values, query.rowsMax)
        .changes;
    },
  };
}

const FIELDS = `id, tenant, source_id AS sourceId, stage, code, message, payload, attempts,
  first_at_ms AS firstAtMs, last_at_ms AS lastAtMs, status`;

interface LetterRow extends Omit<StoredLetter, 'origin' | 'isTruncated'> {
  readonly origin: string | null;
  readonly truncated: number;
}

function letterOf({ origin, truncated, ...row }: LetterRow): StoredLetter {
  return {
    ...row,
    origin: origin === null ? null : (JSON.parse(origin) as LetterOrigin),
    isTruncated: truncated !== 0,
  };
}

function conditionOf(query: LetterQuery): { where: string; values: (string | number)[] } {
  const conditions: [sql: string, value: string | number | undefined][] = [
    [
      'id IN (SELECT value FROM json_each(?))',
      query.ids === undefined ? undefined : JSON.stringify(query.ids),
    ],
    ['status = ?', query.status],
    ['tenant = ?', query.tenant],
    ['source_id = ?', query.sourceId],
    ['stage = ?', query.stage],
    ['id > ?', query.afterId],
  ];
  const given = conditions.filter(([, value]) => value !== undefined);
  return {
    where: given.length === 0 ? '1' : given.map(([sql]) => sql).join(' AND '),
    values: given.map(([, value]) => value as string | number),
  };
}
