/** Retention under whole engines: days go by and nothing grows beyond its bounds; sinks that have not
 *  delivered hold it up, and a full file holds the sources up, with an alert each. */

import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { functionSink, pushSource, simulatedSource } from '../../src/index.ts';
import { codeOf, engineRig, startedRig, type EngineRig } from '../support/engine-rig.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Days are short here: the data plane of a whole engine ticks every second, virtual or not. */
const DAY_MS = 3 * HOUR_MS;

const alerts = (rig: EngineRig) =>
  rig
    .query('SELECT actor, event, severity FROM alerts ORDER BY seq')
    .map((row) => Object.values(row).join(' '));
const count = (rig: EngineRig, table: string) =>
  rig.query(`SELECT count(*) AS n FROM ${table}`)[0]?.['n'] as number;

/** Writes where a sink stands, as one that is registered later would find it. */
async function sinkStandsAt(rig: EngineRig, seq: number): Promise<void> {
  const db = new Database(rig.file);
  db.prepare(
    "INSERT OR REPLACE INTO sink_cursors (tenant, sink_id, reads, seq) VALUES ('default', 'cloud', 'records', ?)",
  ).run(seq);
  db.close();
}

describe('an engine that runs for days', () => {
  test('keeps what its retention allows, and no more', { tags: 'full', timeout: 120_000 }, async () => {
    const records = { ageMsMax: DAY_MS, bytesMax: null };
    const rig = await startedRig(
      {
        health: { intervalMs: 5 * MINUTE_MS },
        storage: { retention: { records, health: { ageMsMax: 2 * DAY_MS } } },
      },
      simulatedSource({ id: 'plc-7', intervalMs: MINUTE_MS }),
    );
    for (let day = 1; day <= 7; day++) {
      await rig.clock.advance(DAY_MS);
      const perDay = DAY_MS / MINUTE_MS;
      // A row goes at most 1/256 of its age too late.
      expect(count(rig, 'records')).toBeLessThanOrEqual(perDay * (1 + 1 / 256) + 1);
      expect(count(rig, 'records')).toBeGreaterThanOrEqual(perDay - 1);
      expect(count(rig, 'health')).toBeLessThanOrEqual(2 * 36 * (1 + 1 / 256) + 1);
    }
    const [last] = rig.query('SELECT max(seq) AS seq FROM records');
    expect(last?.['seq']).toBeGreaterThan((6.9 * DAY_MS) / MINUTE_MS);
    const cleaned = rig.timeline("event = 'storage.cleaned'");
    const gone = cleaned.reduce((sum, { data }) => sum + Number(data?.['records'] ?? 0), 0);
    expect(gone).toBe((last?.['seq'] as number) - count(rig, 'records'));
    expect(cleaned.every(({ actor, kind }) => actor === 'janitor' && kind === 'storage')).toBe(true);
    // One row for a run of deletions, not one a look.
    expect(cleaned.length).toBeLessThanOrEqual(6 * 256 * 1.5);
    expect(new Set(rig.course('janitor'))).toEqual(new Set(['idle>cleaning', 'cleaning>idle']));
    expect(alerts(rig)).toEqual([]);
    expect(rig.complaints()).toEqual([]);
  });
});

describe('records that a sink has not delivered', () => {
  test('hold retention up, with one warning an hour', async () => {
    const rig = engineRig({
      storage: { retention: { records: { ageMsMax: MINUTE_MS } } },
    });
    await rig.engine.start();
    await rig.stop();
    await sinkStandsAt(rig, 5);
    const again = await startedRig(
      { file: rig.file, clock: rig.clock, storage: { retention: { records: { ageMsMax: MINUTE_MS } } } },
      simulatedSource({ id: 'plc-7', intervalMs: 1_000 }),
    );
    await again.clock.advance(10 * MINUTE_MS);
    expect(again.query('SELECT min(seq) AS seq FROM records')).toEqual([{ seq: 6 }]);
    expect(count(again, 'records')).toBeGreaterThan(590);
    expect(alerts(again)).toEqual(['janitor STORAGE_HELD_FOR_SINK warning']);
    await again.clock.advance(HOUR_MS);
    expect(alerts(again)).toHaveLength(2);
  });

  test('are held for a sink whose cursor was kept, until it is forgotten', async () => {
    const rig = await startedRig(
      { storage: { retention: { records: { ageMsMax: MINUTE_MS } } } },
      simulatedSource({ id: 'plc-7', intervalMs: 1_000 }),
    );
    await rig.engine.registerSink(functionSink({ id: 'cloud', deliver: () => Promise.resolve() }));
    await rig.clock.advance(MINUTE_MS);
    await rig.clock.runUntil(rig.engine.deregisterSink('cloud', { keepCursor: true }));
    await rig.clock.advance(50);
    const [cursor] = rig.query('SELECT seq FROM sink_cursors');
    await rig.clock.advance(10 * MINUTE_MS);
    expect(rig.query('SELECT min(seq) AS seq FROM records')).toEqual([{ seq: Number(cursor?.['seq']) + 1 }]);
    await rig.engine.deregisterSink('cloud');
    await rig.clock.advance(MINUTE_MS);
    expect(rig.query('SELECT seq FROM sink_cursors')).toEqual([]);
    expect(count(rig, 'records')).toBeLessThanOrEqual(72);
  });

  test('go all the same where they may, and are counted', async () => {
    const rig = engineRig({});
    await rig.engine.start();
    await rig.stop();
    await sinkStandsAt(rig, 5);
    const retention = { records: { ageMsMax: MINUTE_MS }, undelivered: 'delete' as const };
    const again = await startedRig(
      { file: rig.file, clock: rig.clock, storage: { retention } },
      simulatedSource({ id: 'plc-7', intervalMs: 1_000 }),
    );
    await again.clock.advance(10 * MINUTE_MS);
    expect(count(again, 'records')).toBeLessThanOrEqual(72);
    await again.stop();
    const cleaned = again.timeline("event = 'storage.cleaned'");
    const sum = (name: string) => cleaned.reduce((total, { data }) => total + Number(data?.[name] ?? 0), 0);
    expect(sum('records')).toBeGreaterThan(500);
    expect(sum('undelivered')).toBe(sum('records') - 5);
    expect(alerts(again)).toEqual([]);
  });
});

describe('a file at its bound', () => {
  const MIB = 1024 * 1024;
  const big = 'x'.repeat(10_000);
  const commit = { bytesMax: 64 * 1024 };

  test('makes room by itself, and sources are not held back', async () => {
    const source = pushSource({ id: 'plc-7' });
    const rig = await startedRig({ storage: { commit, retention: { fileBytesMax: MIB } } }, source);
    await rig.clock.advance(10);
    for (let second = 0; second < 60; second++) {
      for (let n = 0; n < 10; n++) void codeOf(source.push(big));
      await rig.clock.advance(1_000);
    }
    await rig.stop();
    const [last] = rig.query('SELECT max(seq) AS seq, count(*) AS n FROM records');
    expect(last?.['seq']).toBe(600);
    expect(last?.['n']).toBeLessThanOrEqual(MIB / 10_000);
    expect(rig.query('PRAGMA page_count')[0]?.['page_count']).toBeLessThanOrEqual(MIB / 4_096);
  });

  test('holds sources back where nothing may go, and has what it acknowledged', async () => {
    const rig = engineRig({});
    await rig.engine.start();
    await rig.stop();
    await sinkStandsAt(rig, 0);
    const storage = { commit, retention: { fileBytesMax: MIB } };
    const source = pushSource({ id: 'plc-7' });
    const full = await startedRig({ file: rig.file, clock: rig.clock, storage }, source);
    await full.clock.advance(10);
    const outcomes: string[] = [];
    for (let n = 0; n < 200; n++) void codeOf(source.push(`${n}${big}`)).then((code) => outcomes.push(code));
    await full.clock.advance(30_000);
    const stored = count(full, 'records');
    expect(stored).toBeLessThan(110);
    expect(outcomes.every((code) => code === 'fulfilled')).toBe(true);
    expect(outcomes).toHaveLength(stored);
    expect(full.complaints('error')).toContain('recorder is stalled');
    expect(stored).toBeGreaterThan(50);
    // Nothing was lost but what was never acknowledged.
    await full.stop({ deadlineMs: 10 });
    expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(stored);
    expect(outcomes).toHaveLength(200);
    const next = await startedRig({ file: rig.file, clock: rig.clock });
    expect(count(next, 'records')).toBe(stored);
    expect(next.query('SELECT min(seq) AS seq FROM records')).toEqual([{ seq: 1 }]);
  });
});
