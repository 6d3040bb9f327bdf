/** Backups of a database in use: that any SQLite client makes, the command, and the program itself. They
 *  verify, hold everything that was acknowledged before they began, and the engine goes on with them. */

import { execFile } from 'node:child_process';
import { copyFileSync, rmSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import {
  backupDatabase,
  createEngine,
  functionSink,
  pushSource,
  restoreDatabase,
  verifyDatabase,
  type CreateEngineOptions,
  type PushSource,
} from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { query, temporaryFile } from '../storage/fixture.ts';
import { headgate } from '../support/command-line.ts';

const root = new URL('../..', import.meta.url);

/** As an operator would, in a process of its own, while the engine writes. */
async function backUp(file: string, backup: string): Promise<void> {
  const script = `
    import Database from 'better-sqlite3';
    const db = new Database(process.argv[1], { readonly: true });
    db.prepare('VACUUM INTO ?').run(process.argv[2]);`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, file, backup], {
    cwd: root,
  });
}

async function startEngine(path: string, source: PushSource, options: CreateEngineOptions = {}) {
  const engine = createEngine({ ...options, timeline: { path }, logger: SILENT_LOGGER });
  onTestFinished(async () => void (await engine.stop({ deadlineMs: 1_000 })));
  await engine.start();
  await engine.register(source);
  return engine;
}

/** Pushes 1, 2, 3 … as fast as they are stored, until told to stop. */
function pushing(source: PushSource) {
  const state = { acknowledged: 0, isOver: false };
  const loop = async () => {
    for (let n = 1; !state.isOver; n += 50) {
      await source.pushAll(Array.from({ length: 50 }, (_, index) => n + index));
      state.acknowledged = n + 49;
    }
  };
  const done = loop();
  return {
    state,
    async stop() {
      state.isOver = true;
      await done;
    },
  };
}

/** An engine that is pushed to, and how much of it was acknowledged at that moment. */
async function startedUnderLoad(file: string) {
  const source = pushSource({ id: 'plc-7' });
  const engine = await startEngine(file, source);
  const load = pushing(source);
  await expect.poll(() => load.state.acknowledged).toBeGreaterThan(500);
  return { source, engine, load, before: load.state.acknowledged };
}

const numbers = (file: string) =>
  query(file, 'SELECT seq, data FROM records ORDER BY seq').map(({ seq, data }) => [seq, Number(data)]);
const countingUp = (count: number) => Array.from({ length: count }, (_, n) => [n + 1, n + 1]);

test('a backup made under load is whole, and the engine goes on with it', { timeout: 60_000 }, async () => {
  const file = temporaryFile();
  const source = pushSource({ id: 'plc-7' });
  const engine = await startEngine(file, source);
  const load = pushing(source);
  const backups: string[] = [];
  while (backups.length < 3) {
    const backup = `${file}.backup-${backups.length}`;
    const { acknowledged: before } = load.state;
    await backUp(file, backup);
    expect(load.state.acknowledged).toBeGreaterThan(before);
    const found = numbers(backup);
    expect(found.length).toBeGreaterThanOrEqual(before);
    expect(found).toEqual(countingUp(found.length));
    const report = await verifyDatabase(backup);
    expect(report).toMatchObject({ ok: true, problems: [], records: { rows: found.length, unchecked: 0 } });
    expect(report.timeline.links).toBeGreaterThan(1);
    backups.push(backup);
  }
  await load.stop();
  await engine.stop();
  const { acknowledged } = load.state;
  expect(numbers(file)).toEqual(countingUp(acknowledged));

  // The disk is lost, its mark is not: no number that was given out is given out again.
  const last = backups.at(-1) as string;
  const kept = numbers(last).length;
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  copyFileSync(last, file);
  const keys: string[] = [];
  const again = await startEngine(file, source);
  await again.registerSink(
    functionSink({ id: 'cloud', deliver: async (batch) => void keys.push(...batch.map(({ key }) => key)) }),
  );
  await source.push(0);
  await again.stop();
  const [next] = query(file, 'SELECT max(seq) AS seq FROM records') as [{ seq: number }];
  expect(next.seq).toBeGreaterThan(kept);
  expect(next.seq).toBeGreaterThan(acknowledged - 256 * 50);
  expect(keys).toHaveLength(kept + 1);
  expect(new Set(keys).size).toBe(kept + 1);
  expect(query(file, "SELECT count(*) AS n FROM alerts WHERE event = 'STORAGE_TRUNCATED'")).toEqual([
    { n: 1 },
  ]);
  expect((await verifyDatabase(file)).problems).toEqual([]);
});

/** Keys of all records as a far end is told them, until it was told of so many. */
async function keysOf(file: string, source: PushSource, sinkId: string, count: number): Promise<string[]> {
  const keys: string[] = [];
  const engine = await startEngine(file, source);
  const sink = functionSink({
    id: sinkId,
    deliver: async (batch) => void keys.push(...batch.map(({ key }) => key)),
  });
  await engine.registerSink(sink);
  await expect.poll(() => keys.length).toBeGreaterThanOrEqual(count);
  await engine.stop();
  return keys;
}

test(
  'the drill: backed up under load, lost with its mark, restored elsewhere',
  { timeout: 120_000 },
  async () => {
    const file = temporaryFile();
    const backup = `${file}.backup`;
    const { source, engine, load, before } = await startedUnderLoad(file);
    const made = await headgate(['backup', file, backup, '--json']);
    expect(made).toMatchObject({ exitCode: 0, stderr: '' });
    expect(load.state.acknowledged).toBeGreaterThan(before);
    await load.stop();
    await engine.stop();
    const backedUp = numbers(backup).length;
    expect(backedUp).toBeGreaterThanOrEqual(before);
    expect(backedUp).toBeLessThan(load.state.acknowledged);
    expect(JSON.parse(made.stdout)).toMatchObject({
      file: backup,
      records: { rows: backedUp, damagedCount: 0 },
    });
    const told = await keysOf(file, source, 'cloud', load.state.acknowledged);

    // Another machine: there is nothing but the backup.
    const elsewhere = temporaryFile();
    const restored = await headgate(['restore', backup, elsewhere]);
    expect(restored).toMatchObject({ exitCode: 0, stderr: '' });
    expect(restored.stdout).toContain(`${backedUp.toLocaleString('en')} records`);
    expect(numbers(elsewhere)).toEqual(countingUp(backedUp));
    expect(await verifyDatabase(elsewhere)).toMatchObject({ ok: true, problems: [] });

    const again = await startEngine(elsewhere, source);
    await source.pushAll([1, 2, 3]);
    await again.stop();
    const toldAgain = await keysOf(elsewhere, source, 'cloud', backedUp + 3);
    expect(toldAgain.slice(0, backedUp)).toEqual(told.slice(0, backedUp));
    expect(new Set([...told, ...toldAgain]).size).toBe(told.length + 3);

    const rows = "SELECT data FROM timeline WHERE event = 'storage.restored'";
    expect(query(elsewhere, rows).map(({ data }) => JSON.parse(data as string) as unknown)).toMatchObject([
      { records: { found: backedUp, known: backedUp } },
    ]);
    expect(query(elsewhere, "SELECT * FROM alerts WHERE event = 'STORAGE_TRUNCATED'")).toEqual([]);
    expect((await verifyDatabase(elsewhere)).problems).toEqual([]);
  },
);

test('a program backs up the database of its own engine, which goes on, and restores it', async () => {
  const file = temporaryFile();
  const backup = `${file}.backup`;
  const { source, engine, load, before } = await startedUnderLoad(file);
  const made = await backupDatabase(file, backup);
  expect(load.state.acknowledged).toBeGreaterThan(before);
  expect(made).toMatchObject({ file: backup, verified: { ok: true } });
  expect(made.bytes).toBe(statSync(backup).size);
  expect(made.verified.records.rows).toBeGreaterThanOrEqual(before);

  await expect(backupDatabase(file, backup)).rejects.toMatchObject({
    ...{ name: 'HeadgateError', code: 'HG_FILE_EXISTS', details: { file: backup } },
  });
  await expect(restoreDatabase(backup, file)).rejects.toMatchObject({ code: 'HG_STORAGE_LOCKED' });
  await load.stop();
  await engine.stop();
  expect(numbers(file)).toEqual(countingUp(load.state.acknowledged));

  const { from, movedAside, verified } = await restoreDatabase(backup, file);
  expect(verified.records.rows).toBe(made.verified.records.rows);
  expect(movedAside).toMatch(/\.replaced-/);
  expect(from.records.known).toBeGreaterThanOrEqual(from.records.found);
  const again = await startEngine(file, source);
  await source.push(0);
  await again.stop();
  expect(numbers(file)).toHaveLength(made.verified.records.rows + 1);
});
