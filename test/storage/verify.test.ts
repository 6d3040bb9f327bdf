import Database from 'better-sqlite3';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { migrate } from '../../storage/file/schema.ts';
import { SCHEMA_VERSION } from '../../storage/file/schema.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { ROWS_PER_UNIT, unitAfter, UNITS, writtenDatabase } from './verified-fixture.ts';
import { copyCut, edit, holdLog } from './damage.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  recordRow,
  START_MS,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';

const SOUND = {
  ok: true,
  timeline: { rows: 40, firstSeq: 1, lastSeq: 40, links: UNITS + 1 },
  records: { rows: 40, unchecked: 0, damaged: [], damagedCount: 0 },
  spill: { rows: 40, unchecked: 0, damaged: [], damagedCount: 0 },
  problems: [],
  problemCount: 0,
};

describe('a sound database', () => {
  test('is found sound, with what it holds', async () => {
    expect(await verifyDatabase(await writtenDatabase())).toEqual(SOUND);
  });

  test('is found sound where it is new and empty', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    expect(await verifyDatabase(file)).toMatchObject({
      ok: true,
      timeline: { rows: 0, firstSeq: null, lastSeq: null, links: 1 },
      problems: [],
    });
  });

  test('is found sound while an engine writes it, and after a crash', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    for (let unit = 0; unit < UNITS; unit++) {
      await store.commit(unitAfter(unit * ROWS_PER_UNIT));
      expect(await verifyDatabase(file)).toMatchObject({ ok: true, timeline: { links: unit + 2 } });
    }
    const copy = join(dirname(file), 'copy.db');
    copyCut(file, copy, statSync(`${file}-wal`).size);
    expect(await verifyDatabase(copy)).toEqual(SOUND);
  });

  test('is found sound after units that were refused, at their end or in the middle', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(unitAfter(0));
    const bad = { ...unitAfter(5), cursors: [{ tenant: 'default', sourceId: null as never, cursor: '{}' }] };
    await headgateError(() => store.commit(bad), 'HG_STORAGE_FAILED');
    await store.commit(writeBatch({ records: [recordRow({ sourceSeq: 6 })] }));
    const rows = Array.from({ length: 130 }, (_, index) => timelineRow({ seq: 6 + index }));
    const half = writeBatch({ timeline: [...rows, timelineRow({ seq: 200, event: null as never })] });
    await headgateError(() => store.commit(half), 'HG_STORAGE_FAILED');
    await store.commit(unitAfter(5));
    await store.commit(unitAfter(10));
    expect(await verifyDatabase(file)).toMatchObject({ ok: true, timeline: { rows: 15, links: 4 } });
  });

  test('is found sound whatever characters and numbers its rows hold', async () => {
    const file = temporaryFile();
    await writeDatabase(file, {
      timeline: [
        timelineRow({ seq: 1, actor: 'half \ud800 a pair', event: 'nul \0 inside', monoMs: 0.4, atMs: 1e15 }),
        timelineRow({ seq: 2, actor: '😀', toState: '', data: { text: '\udc00 ÿ' }, monoMs: -0.4 }),
      ],
      records: [recordRow({ sourceSeq: 1, dedupKey: 'key \ud800', contentType: 'text/plain', atMs: 1.5 })],
    });
    expect(await verifyDatabase(file)).toMatchObject({ ok: true, problems: [] });
  });

  test('is found sound where rows up to a link were deleted, and the links below it', async () => {
    const file = await writtenDatabase();
    edit(file, 'DELETE FROM timeline WHERE seq <= 15; DELETE FROM timeline_chain WHERE seq < 15');
    expect(await verifyDatabase(file)).toMatchObject({
      ok: true,
      timeline: { rows: 25, firstSeq: 16, lastSeq: 40, links: 6 },
    });
    edit(file, 'DELETE FROM timeline; DELETE FROM timeline_chain WHERE seq < 40; DELETE FROM records');
    expect(await verifyDatabase(file)).toMatchObject({ ok: true, timeline: { rows: 0, links: 1 } });
  });

  test('of the first version is found sound, before it is brought up to date and after', async () => {
    const file = temporaryFile();
    const old = new Database(file);
    migrate(old, 1);
    old.exec(`INSERT INTO timeline (seq, run, at_ms, mono_ms, tenant, actor, kind, event)
      VALUES (7, 1, 1, 1, 'default', 'a', 'command', 'b');
      INSERT INTO records (tenant, source_id, incarnation, source_seq, at_ms, data)
      VALUES ('default', 'a', 1, 1, 1, '{}')`);
    old.close();
    const report = {
      ok: true,
      timeline: { rows: 1, firstSeq: 7, lastSeq: 7, links: 0 },
      records: { rows: 1, unchecked: 1, damagedCount: 0 },
    };
    expect(await verifyDatabase(file)).toMatchObject(report);
    const store = await openStore(file);
    await store.commit(unitAfter(7));
    await store.close({ atMs: START_MS });
    expect(await verifyDatabase(file)).toMatchObject({
      ok: true,
      timeline: { rows: 6, firstSeq: 7, lastSeq: 12, links: 2 },
      records: { rows: 6, unchecked: 1 },
    });
  });

  test('says how far it has come', async () => {
    const steps: string[] = [];
    await verifyDatabase(await writtenDatabase(), {
      onProgress: ({ step, rows, rowsTotal }) => void steps.push(`${step} ${rows}/${rowsTotal}`),
    });
    expect(steps).toEqual(['file 0/0', 'timeline 0/40', 'records 0/40', 'spill 0/40']);
  });
});

describe('a write-ahead log that was cut short', () => {
  test('is found by the mark where rows are gone that it knows', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    using _log = holdLog(file);
    for (let unit = 0; unit < UNITS; unit++) await store.commit(unitAfter(unit * ROWS_PER_UNIT));
    await store.close({ atMs: START_MS });
    const { size } = statSync(`${file}-wal`);
    const copy = join(dirname(file), 'cut.db');
    copyCut(file, copy, Math.floor(size / 2));
    const report = await verifyDatabase(copy);
    const { lastSeq } = report.timeline;
    expect(lastSeq).toBeLessThan(40);
    expect(report.problems).toEqual([
      { where: 'mark', firstSeq: (lastSeq ?? 0) + 1, lastSeq: 40, what: expect.stringContaining('timeline') },
      { where: 'mark', firstSeq: (lastSeq ?? 0) + 1, lastSeq: 40, what: expect.stringContaining('records') },
    ]);
  });
});

describe('a file that cannot be verified', () => {
  test('is refused as other readers refuse it', async () => {
    const file = temporaryFile();
    await headgateError(() => verifyDatabase(file), 'HG_STORAGE_NOT_FOUND');
    writeFileSync(file, 'no database\n'.repeat(400));
    await headgateError(() => verifyDatabase(file), 'HG_STORAGE_NOT_A_DATABASE');
    mkdirSync(`${file}.d`);
    await headgateError(() => verifyDatabase(`${file}.d`), 'HG_STORAGE_NOT_A_DATABASE');
  });

  test('is left without a trace of the visit', async () => {
    const file = await writtenDatabase();
    const { mtimeMs } = statSync(file);
    await verifyDatabase(file);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    const db = new Database(file, { readonly: true });
    onTestFinished(() => void db.close());
    expect(db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION);
  });
});
