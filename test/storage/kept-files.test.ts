/** Another program meddles with the files of a database that is in use: what was acknowledged is in the file
 *  that stands at its name, or nothing is acknowledged. */

import Database from 'better-sqlite3';
import { existsSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_RETENTION } from '../../src/domain/retention.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import {
  writeBatch,
  copyOfDatabase,
  headgateError,
  openOptions,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  timelineRow,
} from './fixture.ts';

/** Units of one row and one record each. */
class Writer {
  readonly file = temporaryFile();
  store!: EventStore;
  acknowledged = 0;
  #seq = 0;

  async open(how: 'here' | 'in a thread' = 'here'): Promise<void> {
    this.store =
      how === 'here' ? await openStore(this.file) : await openEventStoreInWorker(openOptions(this.file));
  }

  async write(seq = ++this.#seq): Promise<void> {
    const unit = { timeline: [timelineRow({ seq })], records: [recordRow({ sourceSeq: seq })] };
    await this.store.commit(writeBatch(unit));
    this.acknowledged++;
  }

  /** Rows that a kill at this moment leaves to the next start, or to whoever takes a copy. */
  rows(): number {
    return query(copyOfDatabase(this.file), 'SELECT count(*) AS n FROM records')[0]?.['n'] as number;
  }

  async look() {
    const needs = { recordsNeededAfter: null, alertsNeededAfter: null };
    const report = await this.store.maintain({
      ...{ nowMs: START_MS, monoMs: 0, retention: DEFAULT_RETENTION },
      ...needs,
    });
    return report.incidents?.map(({ change, outcome }) => `${change}: ${outcome}`);
  }
}

const remove =
  (...suffixes: string[]) =>
  (file: string) =>
    suffixes.forEach((suffix) => rmSync(file + suffix));

const MENDED: [string, (file: string) => void, string][] = [
  ['the database is removed', remove(''), 'gone: restored'],
  ['the database is removed with its log', remove('', '-wal', '-shm'), 'gone: restored'],
  ['everything is removed', remove('', '-wal', '-shm', '-lock'), 'gone: restored'],
  ['the database is moved away', (file) => renameSync(file, `${file}.moved`), 'gone: restored'],
  ['the log is removed', remove('-wal'), 'logGone: reopened'],
  ['the log is rotated', (file) => renameSync(`${file}-wal`, `${file}-wal.1`), 'logGone: reopened'],
  ['the shared memory is removed', remove('-shm'), 'logGone: reopened'],
  ['log and memory are removed', remove('-wal', '-shm'), 'logGone: reopened'],
  ['the lock is removed', remove('-lock'), 'lockGone: locked'],
];

describe.each(['here', 'in a thread'] as const)('a store %s', (how) => {
  test.each(MENDED)('keeps what it acknowledges where %s', async (_, meddle, incident) => {
    const writer = new Writer();
    await writer.open(how);
    for (let unit = 0; unit < 3; unit++) await writer.write();
    meddle(writer.file);
    await writer.write();
    expect(writer.rows()).toBe(4);
    expect(await writer.look()).toContain(incident);
    await writer.write();
    expect(writer.rows()).toBe(5);
    expect(await writer.look()).toEqual([]);
    // Still one engine.
    await headgateError(() => openStore(writer.file), 'HG_STORAGE_LOCKED');
    await writer.store.close({ atMs: START_MS });
    expect(await verifyDatabase(writer.file)).toMatchObject({ ok: true, records: { rows: 5 } });
    expect(readdirSync(dirname(writer.file)).filter((name) => name.includes('rescued'))).toEqual([]);
  });
});

describe('a store whose database was replaced by another file', () => {
  test('acknowledges nothing until it is back, and stores each unit once', async () => {
    const writer = new Writer();
    await writer.open();
    await writer.write();
    renameSync(writer.file, `${writer.file}.away`);
    writeFileSync(writer.file, 'something else');
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await headgateError(() => writer.write(2), 'HG_STORAGE_FAILED');
      expect(error).toMatchObject({ remedy: 'retry', details: { change: 'replaced' } });
      expect(error.message).toContain('what was stored is kept as edge.db.rescued');
    }
    await headgateError(() => writer.look(), 'HG_STORAGE_FAILED');
    expect(query(`${writer.file}.rescued`, 'SELECT count(*) AS n FROM records')).toEqual([{ n: 1 }]);
    renameSync(`${writer.file}.away`, writer.file);
    await writer.write(2);
    await writer.write(3);
    expect(writer.rows()).toBe(3);
    expect(await writer.look()).toEqual(['replaced: stopped']);
    expect(existsSync(`${writer.file}.rescued-2`)).toBe(false);
  });

  test('stores a unit once that it could not answer', async () => {
    const writer = new Writer();
    await writer.open();
    await writer.write();
    const { store, file } = writer;
    const unit = writeBatch({
      timeline: [timelineRow({ seq: 2 })],
      // The file is exchanged in the middle of the commit.
      records: [
        new Proxy(recordRow({ sourceSeq: 2 }), {
          get(row, field, receiver) {
            if (field === 'data' && !existsSync(`${file}.away`)) {
              renameSync(file, `${file}.away`);
              writeFileSync(file, 'something else');
            }
            return Reflect.get(row, field, receiver) as unknown;
          },
        }),
      ],
    });
    await headgateError(() => store.commit(unit), 'HG_STORAGE_FAILED');
    renameSync(`${file}.away`, file);
    await store.commit(unit);
    expect(writer.rows()).toBe(2);
  });
});

describe('a store whose files were cut off', () => {
  test.each([
    ['', 'shorter'],
    ['-wal', 'logShorter'],
  ])('acknowledges nothing any more (edge.db%s)', async (suffix, change) => {
    const writer = new Writer();
    await writer.open();
    for (let unit = 0; unit < 3; unit++) await writer.write();
    truncateSync(writer.file + suffix, 100);
    const error = await headgateError(() => writer.write(), 'HG_STORAGE_CORRUPT');
    expect(error).toMatchObject({ remedy: 'retry', details: { change } });
    expect(writer.acknowledged).toBe(3);
  });

  test('does not acknowledge a unit during which that happened', async () => {
    const writer = new Writer();
    await writer.open();
    // Pages that the commit has no need of.
    checkpoint(writer.file, LARGE_TABLE);
    await writer.write();
    const half = statSync(writer.file).size >> 1;
    let isCut = false;
    const cutting = new Proxy(recordRow({ sourceSeq: 9 }), {
      get(row, field, receiver) {
        if (field === 'data' && !isCut) truncateSync(writer.file, half);
        isCut ||= field === 'data';
        return Reflect.get(row, field, receiver) as unknown;
      },
    });
    const unit = writeBatch({ timeline: [timelineRow({ seq: 9 })], records: [cutting] });
    const error = await headgateError(() => writer.store.commit(unit), 'HG_STORAGE_CORRUPT');
    expect(error).toMatchObject({ remedy: 'retry', details: { change: 'shorter' } });
    expect(isCut).toBe(true);
    await headgateError(() => writer.write(), 'HG_STORAGE_CORRUPT');
  });
});

const LARGE_TABLE = 'CREATE TABLE other (text TEXT); INSERT INTO other VALUES (hex(zeroblob(500000)))';

/** As a backup or the sqlite3 shell makes one when it closes the file. */
function checkpoint(file: string, before = ''): void {
  const other = new Database(file);
  other.exec(before);
  other.pragma('wal_checkpoint(TRUNCATE)');
  other.close();
}

test('a store goes on where a checkpoint of another program cut off pages that were given back', async () => {
  const writer = new Writer();
  await writer.open();
  checkpoint(writer.file, LARGE_TABLE);
  await writer.write();
  const before = statSync(writer.file).size;
  checkpoint(writer.file, 'DROP TABLE other; PRAGMA incremental_vacuum(1000)');
  expect(statSync(writer.file).size).toBeLessThan(before - 500_000);
  await writer.write();
  expect(writer.rows()).toBe(2);
  expect(await writer.look()).toEqual([]);
});

test('a store acknowledges nothing while its folder has another name, and goes on when it is back', async () => {
  const writer = new Writer();
  await writer.open();
  await writer.write();
  const folder = dirname(writer.file);
  renameSync(folder, `${folder}-moved`);
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(writer.write(2)).rejects.toMatchObject({
      code: expect.stringMatching(/^HG_STORAGE_/) as string,
    });
  }
  renameSync(`${folder}-moved`, folder);
  await writer.write(2);
  expect(writer.rows()).toBe(2);
});

test('a store acknowledges nothing while another engine has its lock', async () => {
  const writer = new Writer();
  await writer.open();
  await writer.write();
  rmSync(`${writer.file}-lock`);
  const other = new Database(`${writer.file}-lock`);
  other.exec('CREATE TABLE gateway (gateway_id TEXT NOT NULL) STRICT; BEGIN EXCLUSIVE');
  await headgateError(() => writer.write(2), 'HG_STORAGE_LOCKED');
  other.close();
  await writer.write(2);
  expect(writer.rows()).toBe(2);
});
