/** Files that hold data are for their owner alone, whatever the process was started with. */

import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { databaseChecks } from '../../src/doctor/database-checks.ts';
import { DEFAULT_RETENTION } from '../../src/domain/retention.ts';
import { virtualClock } from '../../src/testing.ts';
import { backupDatabase } from '../../storage/backup/backup-database.ts';
import { restoreDatabase } from '../../storage/backup/restore-database.ts';
import { writeBatch, openStore, recordRow, START_MS, temporaryFile, timelineRow } from './fixture.ts';

const modesIn = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]),
  );

/** Writes a database, an archive, a backup, and restores it. */
async function everyFile(file: string, modes: () => void): Promise<void> {
  const archiveFolder = join(dirname(file), 'archive');
  mkdirSync(archiveFolder, { recursive: true });
  const store = await openStore(file);
  for (let seq = 1; seq <= 3; seq++) {
    await store.commit(
      writeBatch({ timeline: [timelineRow({ seq })], records: [recordRow({ sourceSeq: seq })] }),
    );
  }
  const retention = { ...DEFAULT_RETENTION, timeline: { ageMsMax: 1_000, archiveFolder } };
  for (const monoMs of [0, 2_000]) {
    const needs = { recordsNeededAfter: null, alertsNeededAfter: null };
    await store.maintain({ nowMs: START_MS + monoMs, monoMs, retention, ...needs });
  }
  // One that was taken away is put back.
  rmSync(file);
  await store.maintain({
    ...{ nowMs: START_MS, monoMs: 2_000, retention, recordsNeededAfter: null, alertsNeededAfter: null },
  });
  modes();
  const backup = join(dirname(file), 'nightly.db');
  await backupDatabase(file, backup);
  await store.close({ atMs: START_MS });
  await restoreDatabase(backup, file, { nowMs: 7, uuid: () => 'restored' });
  modes();
}

test('every file of a database is made with mode 0600', async () => {
  const mask = process.umask(0);
  onTestFinished(() => void process.umask(mask));
  const file = temporaryFile();
  await everyFile(file, () => {
    const modes = { ...modesIn(dirname(file)), ...modesIn(join(dirname(file), 'archive')) };
    expect(Object.keys(modes).length).toBeGreaterThan(3);
    expect(Object.entries(modes).filter(([, mode]) => mode !== '600')).toEqual([]);
  });
});

test('a database that is there keeps its mode, of which the doctor warns', async () => {
  const file = temporaryFile();
  const store = await openStore(file);
  await store.close({ atMs: START_MS });
  chmodSync(file, 0o644);
  const access = async () => {
    const check = databaseChecks(file, virtualClock()).find(({ subject }) => subject === 'database access');
    return check?.run(new AbortController().signal);
  };
  const again = await openStore(file);
  await again.commit(writeBatch({ records: [recordRow({ sourceSeq: 1 })] }));
  expect(modesIn(dirname(file))).toMatchObject({ 'edge.db': '644', 'edge.db-wal': '644' });
  expect(await access()).toMatchObject({ level: 'warning', remedy: expect.stringContaining('chmod 600') });
  await again.close({ atMs: START_MS });
  const backup = join(dirname(file), 'nightly.db');
  await backupDatabase(file, backup);
  await restoreDatabase(backup, file, { nowMs: 7, uuid: () => 'restored' });
  expect(modesIn(dirname(file))).toMatchObject({ 'edge.db': '644', 'nightly.db': '600' });
});
