/** A database that should be there and is not, wholly or in part: never an empty one without a word. */

import {
  copyFileSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findingsOf } from '../../src/engine/storage-findings.ts';
import { LOST_EVENT } from '../../storage/lost-database.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { databaseChecks } from '../../src/doctor/database-checks.ts';
import { virtualClock } from '../../src/testing.ts';
import {
  writeBatch,
  copyOfDatabase,
  headgateError,
  openStore,
  recordRow,
  START_MS,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';

const UNIT = { timeline: [timelineRow({ seq: 1 })], records: [recordRow({ sourceSeq: 1 })] };

const alertsOf = (store: Parameters<typeof findingsOf>[0]) =>
  findingsOf(store).flatMap(({ alert }) => (alert === null ? [] : [alert.name]));

/** A database that was closed in order, with its mark and its lock. */
async function database(): Promise<string> {
  const file = temporaryFile();
  await writeDatabase(file, UNIT);
  return file;
}

describe('a database that is gone', () => {
  const ways: [string, (file: string) => void, boolean][] = [
    ['was removed', (file) => rmSync(file), true],
    ['was emptied', (file) => truncateSync(file), true],
    [
      'was removed with its log and its mark',
      (file) => ['', '-wal', '-mark'].forEach((suffix) => rmSync(file + suffix, { force: true })),
      false,
    ],
    [
      'was removed while its log was left',
      (file) => {
        rmSync(file);
        rmSync(`${file}-mark`);
        writeFileSync(`${file}-wal`, 'what was not copied yet');
      },
      true,
    ],
  ];

  test.each(ways)('since it %s is an alert, and what is left of it is kept', async (_, lose, hasLeft) => {
    const file = await database();
    lose(file);
    const store = await openStore(file, { nowMs: 777 });
    expect(store).toMatchObject({ run: 1, lastSeq: 0, lost: { what: 'gone' } });
    expect(alertsOf(store)).toEqual(['STORAGE_GONE']);
    expect(store.lost?.movedTo).toBe(hasLeft ? 'edge.db.lost-777' : null);
    const kept = readdirSync(dirname(file)).filter((name) => name.startsWith('edge.db.lost-'));
    expect(kept.length > 0).toBe(hasLeft);
    await store.commit(writeBatch(UNIT));
    await store.close({ atMs: START_MS });
    expect(await verifyDatabase(file)).toMatchObject({ ok: true });
  });

  test('is told with what its mark knew, until a row says so', async () => {
    const file = await database();
    rmSync(file);
    const first = await openStore(file);
    expect(first.lost).toMatchObject({ timelineSeq: 1, recordSeq: 1 });
    await first.close(null);
    const second = await openStore(file);
    expect(second.lost).toEqual(first.lost);
    await second.commit(writeBatch({ timeline: [timelineRow({ seq: 1, event: LOST_EVENT })] }));
    await second.close({ atMs: START_MS });
    expect((await openStore(file)).lost).toBeNull();
  });

  test('is told by those who read it, before an engine begins a fresh one', async () => {
    const file = await database();
    const knows = /the mark beside it knows a database with 1 records and 1 timeline rows/;
    const saysSo = async () => {
      for (const action of [() => openTimelineReader(file), () => verifyDatabase(file)]) {
        const error = await headgateError(
          action,
          existsSync(file) ? 'HG_STORAGE_NOT_A_DATABASE' : 'HG_STORAGE_NOT_FOUND',
        );
        expect(error.message).toMatch(knows);
      }
      const verdict = await databaseChecks(file, virtualClock())[0]?.run(new AbortController().signal);
      expect(verdict).toMatchObject({ level: 'problem', message: expect.stringMatching(knows) });
    };
    truncateSync(file);
    await saysSo();
    rmSync(file);
    await saysSo();
  });

  test('is none where there never was one', async () => {
    const file = temporaryFile();
    expect((await openStore(file)).lost).toBeNull();
  });
});

describe('another database in the place of the one that the mark knows', () => {
  test('is an alert', async () => {
    const file = await database();
    const other = await database();
    copyFileSync(other, file);
    const store = await openStore(file);
    expect(store.lost).toMatchObject({ what: 'replaced', timelineSeq: 1 });
    expect(alertsOf(store)).toEqual(['STORAGE_REPLACED']);
    await store.close({ atMs: START_MS });
  });
});

describe('the log of a run that was killed', () => {
  async function killed(cut: (file: string) => void): Promise<string> {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch(UNIT));
    // The mark is of now.
    await store.maintain({
      ...{ nowMs: START_MS, monoMs: 0, recordsNeededAfter: null, alertsNeededAfter: null },
      retention: {
        ...{ records: NEVER, deadLetters: NEVER, health: NEVER, timeline: null, fileBytesMax: null },
        undelivered: 'keep',
      },
    });
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 2 })] }));
    const copy = copyOfDatabase(file);
    copyFileSync(`${file}-mark`, `${copy}-mark`);
    cut(copy);
    return copy;
  }
  const NEVER = { ageMsMax: null, bytesMax: null };

  test('that is gone is an alert', async () => {
    const file = await killed((copy) => rmSync(`${copy}-wal`));
    const store = await openStore(file);
    expect(alertsOf(store)).toContain('STORAGE_LOG_GONE');
  });

  /** A second run that was killed after one more record, with the shared memory it left. The mark is that of
   *  the first run. */
  async function killedAgain(cut: (file: string) => void): Promise<{ file: string; dbUuid: string }> {
    const file = await database();
    const store = await openStore(file);
    await store.commit(
      writeBatch({ timeline: [timelineRow({ seq: 2 })], records: [recordRow({ sourceSeq: 2 })] }),
    );
    const copy = copyOfDatabase(file);
    for (const suffix of ['-mark', '-shm']) copyFileSync(file + suffix, copy + suffix);
    cut(copy);
    return { file: copy, dbUuid: store.dbUuid };
  }
  const ALL_BUT_ONE_BYTE = -1;

  test.each([
    ['is gone', (file: string) => rmSync(`${file}-wal`)],
    ['is empty', (file: string) => truncateSync(`${file}-wal`)],
    [
      'is a byte short',
      (file: string) => truncateSync(`${file}-wal`, statSync(`${file}-wal`).size + ALL_BUT_ONE_BYTE),
    ],
  ])(
    'that %s is an alert, whatever the mark knows, and no record gets a key that one had',
    async (_, cut) => {
      const { file, dbUuid } = await killedAgain(cut);
      const store = await openStore(file);
      expect(alertsOf(store)).toEqual(['STORAGE_LOG_GONE']);
      expect(store.dbUuid).not.toBe(dbUuid);
      expect(store.ancestors.map((one) => one.dbUuid)).toEqual([dbUuid]);
      expect(store.restored).toBeNull();
    },
  );

  test('that is whole is none, and the name stays', async () => {
    const { file, dbUuid } = await killedAgain(() => {});
    const store = await openStore(file);
    expect(store).toMatchObject({ lost: null, truncated: null, lastSeq: 2, dbUuid });
  });

  test('is not judged by shared memory from before the machine was started', async () => {
    const { file } = await killedAgain((copy) => {
      truncateSync(`${copy}-wal`);
      utimesSync(`${copy}-shm`, 1, 1);
    });
    expect((await openStore(file)).lost).toBeNull();
  });

  test('that is there is none', async () => {
    const store = await openStore(await killed(() => {}));
    expect(store).toMatchObject({ lost: null, truncated: null, lastSeq: 2 });
  });
});
