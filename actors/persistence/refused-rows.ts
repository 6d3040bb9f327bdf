/** Takes the rows that the database refuses out of a commit unit, so that the rest of it is written.
 *
 *  A refused record becomes a dead letter in the same transaction. A refused row of the timeline, and a
 *  refused dead letter, is replaced by one that says why and holds plain values only. A refused row of
 *  any other table is given up and reported: it states what is so now, and the next one replaces it. */

import { DEFAULT_TENANT } from '../../src/domain/address.ts';
import { messageOf, type ErrorFacts } from '../../src/domain/errors.ts';
import type { RecordRow } from '../../src/domain/record-row.ts';
import type { WriteBatch, DeadLetter, TimelineRow } from '../../src/domain/timeline.ts';
import type { RefusedRow } from '../../storage/event-store.ts';
import type { RecordWrite } from './pending-writes.ts';

type Letters = Pick<WriteBatch, 'deadLetters' | 'letterFailures'>;

export interface RefusedRowsOptions {
  /** Takes the letters that wait for a transaction. */
  readonly takeLetters: () => Letters;
  readonly onGivenUp: (rows: number, error: ErrorFacts) => void;
}

type Rows = { -readonly [Table in keyof WriteBatch]: WriteBatch[Table][number][] };

export class RefusedRows {
  readonly #options: RefusedRowsOptions;
  /** Rows that took the place of others: one that is refused as well is given up. */
  readonly #substitutes = new WeakSet<object>();

  constructor(options: RefusedRowsOptions) {
    this.#options = options;
  }

  /** The unit as it can be written. `writes`: where its records come from. */
  takenOut(unit: WriteBatch, writes: readonly RecordWrite[], refused: readonly RefusedRow[]): WriteBatch {
    const rows = Object.fromEntries(Object.entries(unit).map(([table, all]) => [table, [...all]])) as Rows;
    const writeOf = parcelsByRow(writes);
    const gone = new Set<unknown>();
    for (const { table, index, reason } of refused) {
      const row = unit[table][index] as object;
      if (table === 'records' || table === 'spilled') {
        const mark = writeOf.get(row as RecordRow)?.onRefused?.(row as RecordRow, unstorable(reason));
        if (mark !== undefined) gone.add(mark);
        gone.add(row);
      } else if (table === 'timeline' && !this.#substitutes.has(row)) {
        rows.timeline[index] = this.#substitute(plainRow(row as TimelineRow, reason));
      } else if (table === 'deadLetters' && !this.#substitutes.has(row)) {
        rows.deadLetters[index] = this.#substitute(plainLetter(row as DeadLetter));
      } else {
        gone.add(row);
        this.#options.onGivenUp(1, { code: 'HG_STORAGE_FAILED', message: `a row of ${table}: ${reason}` });
      }
    }
    for (const table of Object.keys(rows) as (keyof Rows)[]) {
      (rows as Record<keyof Rows, unknown[]>)[table] = rows[table].filter((row) => !gone.has(row));
    }
    const { deadLetters, letterFailures } = this.#options.takeLetters();
    rows.deadLetters.push(...deadLetters);
    rows.letterFailures.push(...letterFailures);
    return rows;
  }

  #substitute<Row extends object>(row: Row): Row {
    this.#substitutes.add(row);
    return row;
  }
}

function parcelsByRow(writes: readonly RecordWrite[]): Map<RecordRow, RecordWrite> {
  const byRow = new Map<RecordRow, RecordWrite>();
  for (const write of writes) {
    for (const row of write.records ?? []) byRow.set(row, write);
    for (const row of write.spilled ?? []) byRow.set(row, write);
  }
  return byRow;
}

function unstorable(reason: string): ErrorFacts {
  return { code: 'HG_RECORD_UNSTORABLE', message: `the database refused its row: ${reason}` };
}

function plainRow(row: TimelineRow, reason: string): TimelineRow {
  return {
    seq: row.seq,
    run: row.run,
    atMs: wholeNumber(row.atMs) ?? 0,
    monoMs: wholeNumber(row.monoMs) ?? 0,
    tenant: textOr(row.tenant, DEFAULT_TENANT),
    actor: messageOf(row.actor),
    incarnation: wholeNumber(row.incarnation),
    kind: row.kind,
    event: messageOf(row.event),
    fromState: textOr(row.fromState, null),
    toState: textOr(row.toState, null),
    cause: wholeNumber(row.cause),
    data: { unstorable: reason },
  };
}

function plainLetter(letter: DeadLetter): DeadLetter {
  return {
    tenant: textOr(letter.tenant, DEFAULT_TENANT),
    sourceId: messageOf(letter.sourceId),
    stage: messageOf(letter.stage),
    code: messageOf(letter.code),
    message: messageOf(letter.message),
    payload: messageOf(letter.payload),
    attempts: wholeNumber(letter.attempts) ?? 1,
    firstAtMs: wholeNumber(letter.firstAtMs) ?? 0,
    lastAtMs: wholeNumber(letter.lastAtMs) ?? 0,
    origin: null,
    isTruncated: true,
  };
}

/** Values that a column of whole numbers takes. Code without types may say anything. */
function wholeNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null;
}

function textOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other;
}
