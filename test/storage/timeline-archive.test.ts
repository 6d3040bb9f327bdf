/** The archive of the timeline on a disk that loses what was not forced to it. */

import Database from 'better-sqlite3';
import { mkdirSync, readFileSync, readlinkSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { DEFAULT_RETENTION } from '../../src/domain/retention.ts';
import {
  writeBatch,
  openStore,
  query,
  START_MS,
  temporaryFile,
  temporaryFolder,
  timelineRow,
} from './fixture.ts';

/** What was forced to the disk, in order. */
const synced: string[] = [];

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const fsyncSync = (descriptor: number) => {
    synced.push(readlinkSync(`/proc/self/fd/${descriptor}`));
    fs.fsyncSync(descriptor);
  };
  return { ...fs, fsyncSync };
});

/** A database with rows that are due, whose deletion is refused until `allow` is called: what has happened by
 *  then has happened before the rows went. */
async function dueTimeline(folder: string) {
  const file = temporaryFile();
  const store = await openStore(file);
  const db = new Database(file);
  for (let unit = 0; unit < 3; unit++) {
    const rows = [1, 2].map((row) => timelineRow({ seq: unit * 2 + row }));
    await store.commit(writeBatch({ timeline: rows }));
    db.prepare("INSERT OR IGNORE INTO timeline_chain VALUES (?, x'00')").run(unit * 2 + 2);
  }
  const maintain = (nowMs: number) =>
    store.maintain({
      ...{ nowMs, monoMs: nowMs - START_MS, recordsNeededAfter: null, alertsNeededAfter: null },
      retention: { ...DEFAULT_RETENTION, timeline: { ageMsMax: 1_000, archiveFolder: folder } },
    });
  await maintain(START_MS);
  db.exec("CREATE TRIGGER kill BEFORE DELETE ON timeline BEGIN SELECT RAISE(ABORT, 'killed'); END");
  synced.length = 0;
  await expect(maintain(START_MS + 1_000)).rejects.toThrow('killed');
  const allow = () => {
    db.exec('DROP TRIGGER kill');
    db.close();
  };
  return { file, maintain, allow };
}

test.skipIf(process.platform !== 'linux')(
  'file, folder, and the folders that were made for it are on the disk before a row goes',
  async () => {
    const root = realpathSync(temporaryFolder());
    const folder = join(root, 'years', 'archive');
    await dueTimeline(folder);
    const [name] = readdirSync(folder) as [string];
    expect(synced).toContain(join(folder, `${name}.part`));
    expect(synced.indexOf(folder)).toBeGreaterThan(synced.indexOf(join(folder, `${name}.part`)));
    expect(synced).toContain(dirname(folder));
    expect(synced).toContain(root);
  },
);

test.skipIf(process.platform !== 'linux')(
  'a file that a killed process left behind is on the disk before its rows go',
  async () => {
    const folder = join(realpathSync(temporaryFolder()), 'archive');
    mkdirSync(folder);
    const { file, maintain, allow } = await dueTimeline(folder);
    allow();
    synced.length = 0;
    await maintain(START_MS + 1_000);
    expect(query(file, 'SELECT min(seq) AS first FROM timeline')).toEqual([{ first: 5 }]);
    expect(synced).toContain(folder);
  },
);

test('a row whose data a faulty disk has damaged goes as it is, and holds nothing up', async () => {
  const folder = join(realpathSync(temporaryFolder()), 'archive');
  const file = temporaryFile();
  const store = await openStore(file);
  const rows = [1, 2, 3].map((seq) => timelineRow({ seq, data: { n: seq } }));
  for (const row of rows) await store.commit(writeBatch({ timeline: [row] }));
  const db = new Database(file);
  for (const { seq } of rows) db.prepare("INSERT OR IGNORE INTO timeline_chain VALUES (?, x'00')").run(seq);
  db.prepare(`UPDATE timeline SET data = '{"n":' WHERE seq = 1`).run();
  db.close();
  for (const nowMs of [START_MS, START_MS + 1_000]) {
    await store.maintain({
      ...{ nowMs, monoMs: nowMs - START_MS, recordsNeededAfter: null, alertsNeededAfter: null },
      retention: { ...DEFAULT_RETENTION, timeline: { ageMsMax: 1_000, archiveFolder: folder } },
    });
  }
  expect(query(file, 'SELECT seq FROM timeline')).toEqual([{ seq: 3 }]);
  const [name] = readdirSync(folder) as [string];
  const lines = readFileSync(join(folder, name), 'utf8').trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { data: unknown }).data)).toEqual(['{"n":', { n: 2 }]);
});
