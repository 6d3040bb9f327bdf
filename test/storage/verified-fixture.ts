/** A database with something of everything that is verified. */

import { edit } from './damage.ts';
import { writeBatch, recordRow, temporaryFile, timelineRow, writeDatabase } from './fixture.ts';

export const UNITS = 8;
export const ROWS_PER_UNIT = 5;

/** A database of eight transactions of five rows each in timeline, records and spill. */
export async function writtenDatabase(): Promise<string> {
  const file = temporaryFile();
  await writeDatabase(file, ...Array.from({ length: UNITS }, (_, unit) => unitAfter(unit * ROWS_PER_UNIT)));
  // Pages that were split keep old copies of rows; a bit of those is nobody's.
  edit(file, 'VACUUM');
  return file;
}

export function unitAfter(seq: number, run = 1) {
  const seqs = Array.from({ length: ROWS_PER_UNIT }, (_, index) => seq + index + 1);
  return writeBatch({
    timeline: seqs.map((row) =>
      timelineRow({
        seq: row,
        run,
        data: { note: `row-${row}-of-the-timeline` },
        cause: row > 1 ? row - 1 : null,
      }),
    ),
    records: seqs.map((row) => recordRow({ sourceSeq: row, data: `{"note":"record-${row}-of-the-log"}` })),
    spilled: seqs.map((row) => ({
      ...recordRow({ sourceSeq: row, data: `{"note":"spilled-${row}-on-disk"}` }),
      cursor: null,
    })),
  });
}
