/** A process of its own around a store, for tests that kill it or keep it: `node child.ts MODE FILE`.
 *
 *  `hold` opens the database and prints `open`, or the code of the error. `write` then commits one unit after
 *  the other and prints the last seq of each once it is committed; `keyless` does the same with records that
 *  have no dedup key, and hands a unit in again where the error says so. All live until they are killed or
 *  their stdin ends. */

import { writeSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { writeBatch, type WriteBatch } from '../../src/domain/timeline.ts';
import { openEventStore } from '../../storage/open-event-store.ts';

const ROWS_PER_UNIT = 7;
const [mode, path] = process.argv.slice(2);
if (path === undefined) throw new Error('name a file');

process.stdin.resume().on('end', () => process.exit(0));
const store = await openEventStore({
  path,
  nowMs: 1_000,
  version: '0.1.0',
  uuid: () => 'uuid-of-the-child',
  configDigest: 'digest',
}).catch((error: unknown) => {
  writeSync(1, `${error instanceof HeadgateError ? error.code : String(error)}\n`);
  process.exit(1);
});
writeSync(1, 'open\n');

async function commitPatiently(unit: WriteBatch): Promise<void> {
  for (;;) {
    try {
      await store.commit(unit);
      return;
    } catch (error) {
      if (mode !== 'keyless' || !(error instanceof HeadgateError) || error.remedy !== 'retry') throw error;
      writeSync(1, `${error.code}\n`);
    }
  }
}

for (let seq = store.lastSeq; mode !== 'hold'; seq += ROWS_PER_UNIT) {
  const rows = Array.from({ length: ROWS_PER_UNIT }, (_, index) => seq + index + 1);
  await commitPatiently(
    writeBatch({
      timeline: rows.map((row) => ({
        seq: row,
        run: store.run,
        atMs: 1_000 + row,
        monoMs: row,
        tenant: 'default',
        actor: `plc-${row % 5}`,
        incarnation: 1,
        kind: 'transition',
        event: 'link.lost',
        fromState: 'streaming',
        toState: 'backingOff',
        cause: null,
        data: { row },
      })),
      records: rows.map((row) => ({
        tenant: 'default',
        sourceId: 'plc-0',
        incarnation: 1,
        sourceSeq: row,
        dedupKey: mode === 'write' ? String(row) : null,
        atMs: row,
        data: '{}',
        contentType: null,
      })),
      cursors: [{ tenant: 'default', sourceId: 'plc-0', cursor: String(rows.at(-1)) }],
    }),
  );
  writeSync(1, `${rows.at(-1)}\n`);
}
