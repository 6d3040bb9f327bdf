/** A restore that is killed at any step: the next start, or the next restore, finishes it, or nothing has
 *  changed. */

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { databaseChecks } from '../../src/doctor/database-checks.ts';
import { virtualClock } from '../../src/testing.ts';
import { backupDatabase } from '../../storage/backup/backup-database.ts';
import { restoreDatabase } from '../../storage/backup/restore-database.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import {
  writeBatch,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  writeDatabase,
} from './fixture.ts';

/** Changes of names and of contents until the process "dies": whatever it does to the disk then fails. */
const disk = vi.hoisted(() => ({ stepsLeft: Number.POSITIVE_INFINITY, steps: 0 }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const counted =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      if (disk.stepsLeft <= 0) throw new Error('killed');
      disk.stepsLeft--;
      disk.steps++;
      return call(...args);
    };
  return {
    ...fs,
    renameSync: counted(fs.renameSync),
    rmSync: counted(fs.rmSync),
    writeSync: counted(fs.writeSync),
  };
});

beforeEach(() => {
  disk.stepsLeft = Number.POSITIVE_INFINITY;
});

const records = (count: number) => Array.from({ length: count }, (_, at) => recordRow({ sourceSeq: at + 1 }));
const rowsOf = (file: string) => query(file, 'SELECT count(*) AS n FROM records')[0]?.['n'];

/** A database of five records, and a backup of three. */
async function field(): Promise<{ file: string; backup: string }> {
  const file = temporaryFile();
  const backup = join(dirname(file), 'nightly.db');
  await writeDatabase(file, { records: records(3) });
  await backupDatabase(file, backup);
  const store = await openStore(file);
  await store.commit(writeBatch({ records: records(2) }));
  await store.close({ atMs: START_MS });
  return { file, backup };
}

const options = { nowMs: 777, uuid: () => 'restored' };

async function restoreKilledAfter(steps: number, { file, backup }: { file: string; backup: string }) {
  disk.stepsLeft = steps;
  const outcome = await restoreDatabase(backup, file, options).then(
    () => 'done',
    () => 'killed',
  );
  disk.stepsLeft = Number.POSITIVE_INFINITY;
  return outcome;
}

describe('a restore that is killed', () => {
  test('at any step is finished by the next start, or has changed nothing', { tags: 'full' }, async () => {
    const seen = { before: 0, after: 0 };
    for (let steps = 0; ; steps++) {
      const places = await field();
      const { file } = places;
      if ((await restoreKilledAfter(steps, places)) === 'done') break;
      const store = await openStore(file);
      await store.close({ atMs: START_MS });
      const isRestored = rowsOf(file) === 3;
      seen[isRestored ? 'after' : 'before']++;
      // Whatever was there before is there still, and nothing is left over.
      expect(rowsOf(isRestored ? `${file}.replaced-777` : file)).toBe(5);
      expect(store).toMatchObject({ lost: null, truncated: null, movedAside: null, previousRun: {} });
      expect(store.restored === null).toBe(!isRestored);
      expect(readdirSync(dirname(file)).filter((name) => name.includes('restor'))).toEqual([]);
      expect(await verifyDatabase(file)).toMatchObject({ ok: true });
    }
    expect(seen.before).toBeGreaterThan(3);
    expect(seen.after).toBeGreaterThan(3);
  });

  test('at any step can be begun once more', async () => {
    for (let steps = 0; ; steps += 3) {
      const places = await field();
      if ((await restoreKilledAfter(steps, places)) === 'done') break;
      await restoreDatabase(places.backup, places.file, { ...options, uuid: () => 'once more' });
      expect(rowsOf(places.file)).toBe(3);
      expect(rowsOf(`${places.file}.replaced-777`)).toBe(5);
    }
  });

  test('is told by verify, by doctor and by those who read, until it is finished', async () => {
    let isToldOfAbsence = false;
    for (let steps = 0; ; steps += 3) {
      const places = await field();
      const { file } = places;
      if ((await restoreKilledAfter(steps, places)) === 'done') break;
      if (!existsSync(`${file}.restore`)) continue;
      const verdict = await databaseChecks(file, virtualClock())[0]?.run(new AbortController().signal);
      expect(verdict?.message).toContain('a restore of');
      if (existsSync(file)) {
        const { problems } = await verifyDatabase(file);
        expect(problems.map(({ what }) => what)).toEqual([
          expect.stringContaining('a restore of it was cut off'),
        ]);
      } else {
        isToldOfAbsence = true;
        expect(() => openTimelineReader(file)).toThrow('a restore of it was cut off');
      }
    }
    expect(isToldOfAbsence).toBe(true);
  });
});
