/** Random units, refused units, clean ends, crashes, damaged records and files set back behind their mark,
 *  against a model of what the store must hold and give back. */

import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import type { EventStore, LogQuery, TruncatedRows } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { TRUNCATED_EVENT } from '../../storage/truncation.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { edit } from './damage.ts';
import { writeBatch, headgateError, openOptions, query, temporaryFolder, timelineRow } from './fixture.ts';
import { pick, StoreModel } from './store-model.ts';

/** A store beside its model. */
class Bench {
  readonly #folder = temporaryFolder();
  readonly #random: Random;
  #generation = 0;
  #file = join(this.#folder, 'edge-0.db');
  #store: EventStore | null = null;
  #model = new StoreModel();
  #backup: { readonly file: string; readonly model: StoreModel } | null = null;
  /** How often each action was taken. */
  readonly taken = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
    onTestFinished(() => this.#store?.close(null));
  }

  get store(): EventStore {
    if (this.#store === null) throw new Error('the store is not open');
    return this.#store;
  }

  async open(truncated: TruncatedRows | null = null): Promise<void> {
    const store = await openEventStore(openOptions(this.#file));
    this.#store = store;
    const model = this.#model;
    model.ends.push(null);
    expect(store).toMatchObject({
      run: model.ends.length,
      lastSeq: model.timelineSeq,
      lastRecordSeq: model.recordSeq,
      movedAside: null,
      truncated,
    });
    expect(store.lastIncarnation).toBeGreaterThanOrEqual(Math.max(0, ...model.incarnations.values()));
    expect(store.previousRun?.end ?? null).toBe(model.ends.at(-2) ?? null);
    expect(Object.fromEntries(store.sinkCursors)).toEqual(Object.fromEntries(model.sinkCursors));
    const deadlines = Array.from(store.deadlines.values()).flat();
    expect(
      Object.fromEntries(
        deadlines.map(({ sourceId, kind, dueAtMs, farEnd }) => [`${sourceId} ${kind}`, { dueAtMs, farEnd }]),
      ),
    ).toEqual(Object.fromEntries(model.deadlines));
    expect(store.spilled.reduce((sum, { records }) => sum + records, 0)).toBe(model.spill.size);
  }

  readonly actions = {
    commit: async () => {
      const unit = this.#model.randomUnit(this.#random, this.store.run);
      const result = await this.store.commit(unit);
      const duplicates = this.#model.commit(unit);
      expect(result).toEqual({ duplicates, lastRecordSeq: this.#model.recordSeq });
    },
    refusal: async () => {
      const unit = this.#model.randomUnit(this.#random, this.store.run);
      const cursors = [{ tenant: 'default', sourceId: 'plc-1', cursor: {} as never }];
      await headgateError(() => this.store.commit({ ...unit, cursors }), 'HG_STORAGE_FAILED');
    },
    restart: async () => {
      await this.store.close({ atMs: 5 });
      this.#model.end('clean');
      await this.open();
    },
    crash: async () => {
      // What a killed process leaves: the files as they are at this moment.
      const copy = this.#copy(this.#random.next() < 0.5 ? ['', '-wal', '-mark'] : ['', '-wal']);
      await this.store.close(null);
      this.#file = copy;
      this.#model.crash();
      await this.open();
    },
    damage: async () => {
      const stored = pick(this.#random, [null, ...this.#model.records]);
      if (stored === null) return;
      edit(this.#file, `UPDATE records SET data = '{"value":-1}' WHERE seq = ${stored.seq}`);
      this.#model.damaged.add(stored.seq);
    },
    backup: async () => {
      this.#backup = { file: this.#copy(['', '-wal']), model: this.#model.copy() };
    },
    setBack: async () => {
      if (this.#backup === null) return;
      await this.store.close({ atMs: 5 });
      const { timelineSeq, recordSeq } = this.#model;
      const { file, model } = this.#backup;
      copyFileSync(`${this.#file}-mark`, `${file}-mark`);
      this.#file = file;
      this.#backup = null;
      model.crash();
      const truncated = {
        timeline: { found: model.timelineSeq, known: timelineSeq },
        records: { found: model.recordSeq, known: recordSeq },
      };
      const isSetBack = model.timelineSeq < timelineSeq || model.recordSeq < recordSeq;
      this.#model = Object.assign(model, { timelineSeq, recordSeq });
      await this.open(isSetBack ? truncated : null);
      if (!isSetBack) return;
      const row = timelineRow({ seq: timelineSeq + 1, run: this.store.run, event: TRUNCATED_EVENT });
      const unit = writeBatch({ timeline: [row] });
      await this.store.commit(unit);
      model.commit(unit);
    },
  };

  async step(): Promise<void> {
    const chance = this.#random.next();
    const rare = ['refusal', 'restart', 'crash', 'damage', 'backup', 'setBack'] as const;
    const name = chance < 0.6 ? 'commit' : pick(this.#random, rare);
    this.taken.set(name, (this.taken.get(name) ?? 0) + 1);
    await this.actions[name]();
  }

  async expectAlike(): Promise<void> {
    const model = this.#model;
    expect(this.#column('SELECT seq FROM timeline ORDER BY seq')).toEqual(model.timeline);
    const sources = query(this.#file, "SELECT source_id, incarnation || ' ' || state AS state FROM sources");
    expect(new Map(sources.map((row) => [row['source_id'], row['state']]))).toEqual(model.sources);
    expect(this.#column('SELECT end FROM runs ORDER BY run')).toEqual(model.ends);
    expect(Object.fromEntries(this.store.cursors)).toEqual(Object.fromEntries(model.cursors));
    const letters = await this.store.readLetters({ rowsMax: 1e6 });
    expect(letters.map(({ id, code, attempts, status }) => [id, { code, attempts, status }])).toEqual([
      ...model.letters,
    ]);
    await this.#expectRecordsAlike();
    await this.#expectSpillAlike();
  }

  async expectSound(): Promise<void> {
    const report = await verifyDatabase(this.#file);
    const damaged = this.#model.records.map(({ seq }) => seq).filter((seq) => this.#model.damaged.has(seq));
    expect(report.records.damaged).toEqual(damaged);
    expect(report.problems.filter(({ where }) => where !== 'records')).toEqual([]);
  }

  async #expectRecordsAlike(): Promise<void> {
    const { records, damaged, recordSeq } = this.#model;
    const found: unknown[] = [];
    const lost: number[] = [];
    let afterSeq = 0;
    while (afterSeq < recordSeq) {
      const page = await this.store.readRecords(this.#query(afterSeq));
      found.push(...page.rows.map(({ seq, data, contentType }) => ({ seq, data, contentType })));
      lost.push(...page.damaged);
      expect(page.lastSeq).toBeGreaterThan(afterSeq);
      afterSeq = page.lastSeq;
    }
    expect(afterSeq).toBe(recordSeq);
    expect(found).toEqual(
      records
        .filter(({ seq }) => !damaged.has(seq))
        .map(({ seq, row }) => ({
          seq,
          data: JSON.parse(row.data) as unknown,
          contentType: row.contentType ?? undefined,
        })),
    );
    expect(lost).toEqual(records.map(({ seq }) => seq).filter((seq) => damaged.has(seq)));
    const place = this.#random.integer(0, recordSeq);
    const first = records.find(({ seq }) => seq > place);
    const lag = await this.store.lagOf('records', place);
    expect(lag.oldestAtMs).toBe(first?.row.atMs ?? null);
    expect(lag.rows).toBe(first === undefined ? 0 : (records.at(-1)?.seq ?? 0) - first.seq + 1);
  }

  async #expectSpillAlike(): Promise<void> {
    const spilled: [number, string][] = [];
    for (const sourceId of ['plc-1', 'plc-2', 'plc-3']) {
      const source = { tenant: 'default', sourceId };
      const page = await this.store.readSpilled({ ...source, afterSeq: 0, rowsMax: 1e6, bytesMax: 1e9 });
      expect(page.damaged).toEqual([]);
      spilled.push(...page.rows.map(({ seq, data }): [number, string] => [seq, data]));
    }
    expect(spilled.sort(([one], [other]) => one - other)).toEqual([...this.#model.spill]);
  }

  #query(afterSeq: number): LogQuery {
    return {
      afterSeq,
      rowsMax: pick(this.#random, [1, 7, 1_000]),
      bytesMax: pick(this.#random, [1, 100, 1e6]),
    };
  }

  #copy(suffixes: readonly string[]): string {
    const copy = join(this.#folder, `edge-${++this.#generation}.db`);
    for (const suffix of suffixes) {
      if (existsSync(this.#file + suffix)) copyFileSync(this.#file + suffix, copy + suffix);
      else rmSync(copy + suffix, { force: true });
    }
    return copy;
  }

  #column(sql: string): unknown[] {
    return query(this.#file, sql).map((row) => Object.values(row)[0]);
  }
}

test.each(Array.from({ length: 10 }, (_, index) => 77 + index))(
  'the tables hold what was committed, whatever happens in between (seed %i)',
  async (seed) => {
    const bench = new Bench(seededRandom(seed));
    await bench.open();
    for (let step = 0; step < 40; step++) {
      await bench.step();
      await bench.expectAlike();
    }
    await bench.expectSound();
    expect(bench.taken.size).toBeGreaterThan(4);
  },
);
