/** A database that is in use, foreign, damaged, locked or on a full disk, under a whole engine. */

import Database from 'better-sqlite3';
import { closeSync, openSync, readFileSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { expect, onTestFinished, test } from 'vitest';
import { createEngine, pushSource, simulatedSource, type Engine } from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { query, temporaryFile, temporaryFolder } from '../storage/fixture.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../storage/small-disk.ts';
import { codeOf, engineRig, startedRig } from '../support/engine-rig.ts';
import { skipNote } from '../support/skip-note.ts';

/** An engine on real time, stopped after the test; `complaint` resolves at its first log line of level
 *  error. */
function realEngine(path: string): { engine: Engine; complaint: Promise<void> } {
  const complained = Promise.withResolvers<void>();
  const logger = { ...SILENT_LOGGER, error: () => complained.resolve() };
  const engine = createEngine({ timeline: { path }, logger });
  onTestFinished(async () => void (await engine.stop({ deadlineMs: 100 })));
  return { engine, complaint: complained.promise };
}

/** Resolves when a row of the timeline says that `actor` is in `state`. */
function reaches(engine: Engine, actor: string, state: string): Promise<void> {
  return new Promise((resolve) => {
    const rows = engine.transitions$.subscribe((row) => {
      if (row.actor !== actor || row.toState !== state) return;
      rows.unsubscribe();
      resolve();
    });
  });
}

test('a file that is no database is refused and left as it was', async () => {
  const file = join(temporaryFolder(), 'holiday.jpg');
  writeFileSync(file, 'not a database, but dear to somebody');
  const { engine, clock } = engineRig({ file });
  expect(await clock.runUntil(codeOf(engine.start()))).toBe('HG_STORAGE_NOT_A_DATABASE');
  expect(engine.state).toBe('idle');
  expect(readFileSync(file, 'utf8')).toBe('not a database, but dear to somebody');
});

test('a damaged database is moved aside: the engine runs on a fresh one and says so by an alert', async () => {
  const file = temporaryFile();
  const first = await startedRig({ file }, simulatedSource({ id: 'a', intervalMs: 1 }));
  await first.clock.advance(2_000);
  await first.stop();
  const handle = openSync(file, 'r+');
  // Every page but the first, so that the header still says whose it is.
  writeSync(handle, Buffer.alloc(statSync(file).size - 4_096, 0xa5), 0, undefined, 4_096);
  closeSync(handle);

  const second = await startedRig({ file }, simulatedSource({ id: 'a', intervalMs: 10 }));
  await second.clock.advance(100);
  await second.stop();
  const [alert] = second.query("SELECT event, severity, data FROM alerts WHERE actor = 'recorder'");
  expect(alert).toMatchObject({ event: 'STORAGE_DAMAGED', severity: 'critical' });
  const { details } = JSON.parse(alert?.['data'] as string) as { details: { movedTo: string } };
  expect(readdirSync(dirname(file))).toContain(details.movedTo);
  expect(second.query('SELECT count(*) AS records FROM records')).toEqual([{ records: 10 }]);
});

test('a database that another process locks holds the sources back for that time and loses nothing', async () => {
  const file = temporaryFile();
  const { engine, complaint } = realEngine(file);
  const source = pushSource({ id: 'events' });
  await engine.start();
  await engine.register(source);
  const stored = firstValueFrom(engine.records$);
  await source.push(0);
  await stored;
  const other = new Database(file);
  onTestFinished(() => void other.close());
  const stalled = reaches(engine, 'recorder', 'stalled');
  const recovered = reaches(engine, 'recorder', 'recording');
  other.exec('BEGIN IMMEDIATE');
  const pushes = Array.from({ length: 500 }, (_, n) => source.push(n + 1));
  // The row that says so can only be stored later; the log says it at once.
  await complaint;
  expect(engine.report().delivered).toBe(1);
  other.exec('COMMIT');
  await Promise.all([stalled, recovered, ...pushes]);
  await engine.stop();
  expect(query(file, 'SELECT count(*) AS records, max(data) AS last FROM records')).toEqual([
    { records: 501, last: '99' },
  ]);
  const states = query(
    file,
    "SELECT from_state, to_state FROM timeline WHERE actor = 'recorder' ORDER BY seq",
  );
  expect(states.map((row) => row['to_state'])).toEqual(expect.arrayContaining(['stalled', 'recording']));
  expect(query(file, "SELECT severity FROM alerts WHERE event = 'RECORDER_STALLED'")).toEqual([
    { severity: 'critical' },
  ]);
});

const noDisk = whyNoSmallDisk();

test.skipIf(noDisk !== undefined)(
  `a full disk stalls the recorder and fills the outlets; freed, everything that was taken in is stored${skipNote(noDisk)}`,
  async () => {
    const disk = mountSmallDisk();
    const file = join(disk.folder, 'edge.db');
    const { engine, complaint } = realEngine(file);
    const source = pushSource({ id: 'events', outlet: { capacityRecords: 50 }, pendingMax: 100_000 });
    await engine.start();
    await engine.register(source);
    const stalled = reaches(engine, 'recorder', 'stalled');
    disk.fill();
    // More than recorder and outlet hold together: the last pushes can only end after the disk is free.
    const pushes = Array.from({ length: 12_000 }, (_, n) => source.push(n));
    let allIn = false;
    const all = Promise.all(pushes).then(() => (allIn = true));
    await complaint;
    while (engine.health('events').queueDepth < 50) await new Promise(setImmediate);
    expect(allIn).toBe(false);
    disk.free();
    await Promise.all([stalled, all]);
    await engine.stop();
    const [{ records, first, last } = {}] = query(
      file,
      'SELECT count(*) AS records, min(source_seq) AS first, max(source_seq) AS last FROM records',
    );
    expect({ records, first, last }).toEqual({ records: 12_000, first: 1, last: 12_000 });
    const course = query(
      file,
      "SELECT to_state FROM timeline WHERE actor = 'recorder' AND kind = 'transition'",
    );
    expect(course.map((row) => row['to_state'])).toEqual(['stalled', 'recording']);
  },
);

test('records with a key that is in the log already are not stored again, in this run or the next', async () => {
  const file = temporaryFile();
  for (let run = 1; run <= 2; run++) {
    const dedupKey = (data: unknown) => String((data as { id: number }).id);
    const twice = simulatedSource({
      id: 'a',
      intervalMs: 1,
      count: 10,
      value: (n) => ({ id: n >> 1 }),
      dedupKey,
    });
    const { clock, stop, delivered } = await startedRig({ file }, twice);
    await clock.advance(50);
    await stop();
    expect(delivered).toHaveLength(10);
    expect(query(file, 'SELECT dedup_key FROM records ORDER BY seq').map((row) => row['dedup_key'])).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
  }
});
