/** Random units, refused units, clean ends and crashes against a model of what the tables must hold. */

import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import type { CommitUnit } from '../../src/domain/timeline.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import {
  commitUnit,
  headgateError,
  openOptions,
  query,
  recordRow,
  sourceRow,
  temporaryFolder,
  timelineRow,
} from './fixture.ts';

interface Model {
  seqs: number[];
  /** `source/key` or `source#seq` of every record kept. */
  records: string[];
  /** Incarnation and state by source. */
  sources: Map<string, string>;
  incarnations: Map<string, number>;
  cursors: Map<string, string>;
  ends: ('clean' | 'crash' | null)[];
}

const SOURCES = ['plc-1', 'plc-2', 'plc-3'];

test.each(Array.from({ length: 10 }, (_, index) => 77 + index))(
  'the tables hold what was committed, whatever happens in between (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const model: Model = {
      seqs: [],
      records: [],
      sources: new Map(),
      incarnations: new Map(),
      cursors: new Map(),
      ends: [],
    };
    const folder = temporaryFolder();
    let generation = 0;
    let file = join(folder, 'edge-0.db');
    let store = await reopened(file, model);
    onTestFinished(() => store.close(null));
    for (let step = 0; step < 40; step++) {
      const action = random.next();
      if (action < 0.7) {
        await store.commit(randomUnit(random, store, model));
      } else if (action < 0.8) {
        await refusedUnit(random, store, model);
      } else if (action < 0.9) {
        await store.close({ atMs: 5 });
        model.ends[model.ends.length - 1] = 'clean';
        store = await reopened(file, model);
      } else {
        // What a killed process leaves: the files as they are at this moment.
        const copy = join(folder, `edge-${++generation}.db`);
        for (const suffix of ['', '-wal']) {
          if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
        }
        await store.close(null);
        file = copy;
        model.ends[model.ends.length - 1] = 'crash';
        // No source runs on after a crash; the next opening says so.
        for (const [id, told] of model.sources) model.sources.set(id, told.replace(/ \w+$/, ' stopped'));
        store = await reopened(file, model);
      }
      expectTables(file, model);
      expect(Object.fromEntries(store.cursors)).toEqual(Object.fromEntries(model.cursors));
    }
  },
);

async function reopened(file: string, model: Model): Promise<EventStore> {
  const store = await openEventStore(openOptions(file));
  model.ends.push(null);
  expect(store.run).toBe(model.ends.length);
  expect(store.lastSeq).toBe(model.seqs.at(-1) ?? 0);
  expect(store.lastIncarnation).toBe(Math.max(0, ...model.incarnations.values()));
  expect(store.previousRun?.end ?? null).toBe(model.ends.at(-2) ?? null);
  expect(store.movedAside).toBeNull();
  return store;
}

/** Makes a unit and writes it into the model. */
function randomUnit(random: Random, store: EventStore, model: Model): CommitUnit {
  const firstSeq = (model.seqs.at(-1) ?? 0) + 1;
  const timeline = Array.from({ length: random.integer(0, 150) }, (_, index) =>
    timelineRow({ seq: firstSeq + index, run: store.run }),
  );
  model.seqs.push(...timeline.map((row) => row.seq));
  const records = Array.from({ length: random.integer(0, 30) }, () =>
    recordRow({
      sourceId: pick(random, SOURCES),
      sourceSeq: random.integer(1, 1_000_000),
      dedupKey: random.next() < 0.5 ? String(random.integer(1, 40)) : null,
    }),
  );
  for (const row of records) {
    const name =
      row.dedupKey === null ? `${row.sourceId}#${row.sourceSeq}` : `${row.sourceId}/${row.dedupKey}`;
    if (row.dedupKey === null || !model.records.includes(name)) model.records.push(name);
  }
  const sources = Array.from({ length: random.integer(0, 3) }, () =>
    sourceRow({
      sourceId: pick(random, SOURCES),
      incarnation: random.integer(1, 20),
      state: pick(random, ['streaming', 'paused', 'stopped'] as const),
    }),
  );
  for (const row of sources) {
    if (row.incarnation < (model.incarnations.get(row.sourceId) ?? 0)) continue;
    model.incarnations.set(row.sourceId, row.incarnation);
    model.sources.set(row.sourceId, `${row.incarnation} ${row.state}`);
  }
  const cursors = Array.from({ length: random.integer(0, 2) }, () => ({
    tenant: 'default',
    sourceId: pick(random, SOURCES),
    cursor: String(random.integer(0, 1_000)),
  }));
  for (const row of cursors) model.cursors.set(`default/${row.sourceId}`, row.cursor);
  return commitUnit({ timeline, records, sources, cursors });
}

/** Commits a unit of which the last row cannot be written. */
async function refusedUnit(random: Random, store: EventStore, model: Model): Promise<void> {
  const seq = (model.seqs.at(-1) ?? 0) + 1;
  const unit = commitUnit({
    timeline: [timelineRow({ seq, run: store.run })],
    records: [recordRow({ sourceSeq: random.integer(1, 9) })],
    sources: [sourceRow({ sourceId: 'plc-1', incarnation: 1_000 })],
    cursors: [{ tenant: 'default', sourceId: 'plc-1', cursor: null as never }],
  });
  await headgateError(() => store.commit(unit), 'HG_STORAGE_FAILED');
}

function expectTables(file: string, model: Model): void {
  expect(query(file, 'SELECT seq FROM timeline ORDER BY seq').map((row) => row['seq'])).toEqual(model.seqs);
  const kept = query(
    file,
    "SELECT source_id || coalesce('/' || dedup_key, '#' || source_seq) AS name FROM records ORDER BY seq",
  );
  expect(kept.map((row) => row['name'])).toEqual(model.records);
  const sources = query(file, "SELECT source_id, incarnation || ' ' || state AS state FROM sources");
  expect(new Map(sources.map((row) => [row['source_id'], row['state']]))).toEqual(model.sources);
  expect(query(file, 'SELECT end FROM runs ORDER BY run').map((row) => row['end'])).toEqual(model.ends);
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.integer(0, values.length - 1)] as Value;
}
