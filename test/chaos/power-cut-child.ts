/** The workload of the power cuts: `power-cut-child.ts HOST FILE NOTEBOOK UNITS SEED`. Commits units of
 *  records one after the other and writes the number of the last record to the notebook once a unit is
 *  committed.
 *
 *  `HOST` is `direct` (the storage core), `worker` (the same in a thread of its own), or `control`: the core
 *  again, but its connections are left at `synchronous=NORMAL`, as better-sqlite3 leaves them in WAL mode. */

import Database from 'better-sqlite3';
import { openSync, writeSync } from 'node:fs';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import { writeBatch, type WriteBatch } from '../../src/domain/timeline.ts';
import type { OpenOptions } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import type { PowerCutHost } from './power-cut/record-run.ts';

/** What the pragma says where it is. */
const FULL = 2;
const RECORDS_PER_UNIT_MAX = 40;
const TEXT_CHARS_MAX = 600;

const [host, file, notebook, units, seed] = process.argv.slice(2) as [
  PowerCutHost,
  string,
  string,
  string,
  string,
];
const random = seededRandom(seed);
const options: OpenOptions = {
  path: file,
  nowMs: 1_000,
  version: '0.1.0',
  uuid: () => random.uuid(),
  configDigest: 'digest',
};

type Pragma = (this: unknown, source: string, options?: Database.PragmaOptions) => unknown;

/** From here on every connection of this process stays at NORMAL and says it is at FULL. */
function weakenConnections(): void {
  const { prototype } = Database as unknown as { prototype: { pragma: Pragma } };
  const { pragma } = prototype;
  prototype.pragma = function (source, pragmaOptions) {
    if (source === 'synchronous') return FULL;
    return pragma.call(this, source.replace('synchronous = FULL', 'synchronous = NORMAL'), pragmaOptions);
  };
}

function unitOf(number: number, firstRecord: number, run: number, chance: Random): WriteBatch {
  const records = Array.from({ length: chance.integer(1, RECORDS_PER_UNIT_MAX) }, (_, index) => {
    const sourceSeq = firstRecord + index;
    return {
      tenant: 'default',
      sourceId: 'field',
      incarnation: 1,
      sourceSeq,
      dedupKey: String(sourceSeq),
      atMs: 1_000 + sourceSeq,
      data: JSON.stringify({ id: sourceSeq, text: 'x'.repeat(chance.integer(0, TEXT_CHARS_MAX)) }),
      contentType: null,
    };
  });
  return writeBatch({
    records,
    timeline: [
      {
        seq: number,
        run,
        atMs: 1_000 + number,
        monoMs: number,
        tenant: 'default',
        actor: 'field',
        incarnation: 1,
        kind: 'transition',
        event: 'link.opened',
        fromState: 'connecting',
        toState: 'streaming',
        cause: null,
        data: { unit: number },
      },
    ],
    cursors: [{ tenant: 'default', sourceId: 'field', cursor: String(records.at(-1)?.sourceSeq) }],
  });
}

const notes = openSync(notebook, 'a');
if (host === 'control') weakenConnections();
const store = await (host === 'worker' ? openEventStoreInWorker : openEventStore)(options);
let last = 0;
for (let number = 1; number <= Number(units); number++) {
  const unit = unitOf(number, last + 1, store.run, random);
  await store.commit(unit);
  last += unit.records.length;
  writeSync(notes, `${last}\n`);
}
await store.close({ atMs: 2_000 });
