import Database from 'better-sqlite3';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import {
  writeBatch,
  headgateError,
  openOptions,
  openStore,
  query,
  recordRow,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';
import { mountSmallDisk, whyNoSmallDisk } from './small-disk.ts';
import { skipNote } from '../support/skip-note.ts';

const noDisk = whyNoSmallDisk();
const note = skipNote(noDisk);
/** better-sqlite3 would wait for five seconds. */
const FAIL_SOON_MS_MAX = 4_000;

/** A unit of some pages. */
function bulkyUnit(firstSeq: number): WriteBatch {
  const rows = Array.from({ length: 100 }, (_, index) => firstSeq + index);
  return writeBatch({
    timeline: rows.map((seq) => timelineRow({ seq, data: { text: 'x'.repeat(500) } })),
    records: rows.map((sourceSeq) => recordRow({ sourceSeq })),
  });
}

describe.skipIf(noDisk !== undefined)(`a full disk${note}`, () => {
  test('refuses commits whole and takes them when there is space again', async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    const store = await openStore(file);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    disk.fill();
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await headgateError(() => store.commit(bulkyUnit(2)), 'HG_STORAGE_FULL');
      expect(error.remedy).toBe('retry');
      expect(query(file, 'SELECT count(*) AS rows FROM timeline')).toEqual([{ rows: 1 }]);
    }
    disk.free();
    await store.commit(bulkyUnit(2));
    expect(query(file, 'SELECT count(*) AS rows FROM timeline')).toEqual([{ rows: 101 }]);
    expect(query(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    await store.close({ atMs: 5 });
    expect(await openStore(file)).toMatchObject({ lastSeq: 101, previousRun: { end: 'clean' } });
  });

  test('filled by commits themselves keeps every unit that was taken', async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    const store = await openStore(file);
    let lastSeq = 0;
    await headgateError(async () => {
      for (;;) {
        await store.commit(bulkyUnit(lastSeq + 1));
        lastSeq += 100;
      }
    }, 'HG_STORAGE_FULL');
    expect(lastSeq).toBeGreaterThan(0);
    expect(query(file, 'SELECT max(seq) AS last, count(*) AS rows FROM timeline')).toEqual([
      { last: lastSeq, rows: lastSeq },
    ]);
  });

  test('refuses to open a new database and begins it once there is space', async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    disk.fill();
    await headgateError(() => openEventStore(openOptions(file)), 'HG_STORAGE_FULL');
    disk.free();
    expect(await openStore(file)).toMatchObject({ run: 1, movedAside: null });
  });
});

describe.skipIf(noDisk !== undefined)(`a disk that is mounted read-only${note}`, () => {
  test('refuses a new engine, and an old file', async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    await writeDatabase(file);
    disk.remount('ro');
    const old = await headgateError(() => openEventStore(openOptions(file)), 'HG_STORAGE_READONLY');
    expect(old.message).toContain(file);
    await headgateError(() => openEventStore(openOptions(`${file}2`)), 'HG_STORAGE_READONLY');
    disk.remount('rw');
    expect((await openStore(file)).run).toBe(2);
  });

  test('tells a reader that the folder must be one that can be written', async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    await writeDatabase(file);
    disk.remount('ro');
    const error = await headgateError(() => openTimelineReader(file), 'HG_STORAGE_READONLY');
    expect(error.message).toContain('folder can be written');
  });
});

describe('a write lock of another connection', () => {
  const lockForWriting = (file: string) => {
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    onTestFinished(() => void other.close());
    return other;
  };

  test('makes a commit fail soon, and the next one succeed once it is gone', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const other = lockForWriting(file);
    const unit = writeBatch({ timeline: [timelineRow({ seq: 1 })] });
    const startedMs = performance.now();
    const error = await headgateError(() => store.commit(unit), 'HG_STORAGE_BUSY');
    expect(performance.now() - startedMs).toBeLessThan(FAIL_SOON_MS_MAX);
    expect(error.remedy).toBe('retry');
    other.exec('ROLLBACK');
    await store.commit(unit);
    expect(query(file, 'SELECT seq FROM timeline')).toEqual([{ seq: 1 }]);
  });

  test('makes an opening fail soon, without keeping the file', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    const other = lockForWriting(file);
    const startedMs = performance.now();
    await headgateError(() => openEventStore(openOptions(file)), 'HG_STORAGE_BUSY');
    expect(performance.now() - startedMs).toBeLessThan(FAIL_SOON_MS_MAX);
    other.exec('ROLLBACK');
    expect((await openStore(file)).run).toBe(2);
  });

  test('keeps no reader out', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: [timelineRow({ seq: 1 })] });
    lockForWriting(file);
    const reader = openTimelineReader(file);
    onTestFinished(() => reader.close());
    expect(reader.timeline()).toHaveLength(1);
  });
});
