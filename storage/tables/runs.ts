/** Runs: from the opening of a database to its close. A run that has no end when the next one begins has
 *  crashed. */

import type Database from 'better-sqlite3';
import type { OpenOptions, PreviousRun } from '../event-store.ts';

export interface BegunRun {
  readonly run: number;
  readonly gatewayId: string;
  readonly dbUuid: string;
  readonly previousRun: PreviousRun | null;
}

/** Names the database if it is new, closes the run that crashed and begins the next, in one transaction.
 *  `gatewayId` is the gateway whose damaged database this one replaces, if it is known. */
export function beginRun(db: Database.Database, options: OpenOptions, gatewayId: string | null): BegunRun {
  const begin = db.transaction((): BegunRun => {
    const gateway = metaValue(db, 'gateway_id', () => gatewayId ?? options.uuid());
    const dbUuid = metaValue(db, 'db_uuid', options.uuid);
    const previousRun = endPreviousRun(db);
    const { lastInsertRowid } = db
      .prepare(
        `INSERT INTO runs (started_at_ms, version, gateway_id, db_uuid, config_digest)
         VALUES (?, ?, ?, ?, ?)`,
      )
      .run(Math.round(options.nowMs), options.version, gateway, dbUuid, options.configDigest);
    return { run: Number(lastInsertRowid), gatewayId: gateway, dbUuid, previousRun };
  });
  return begin.immediate();
}

export function endRun(db: Database.Database, run: number, atMs: number): void {
  db.prepare("UPDATE runs SET ended_at_ms = ?, end = 'clean' WHERE run = ?").run(Math.round(atMs), run);
}

function metaValue(db: Database.Database, key: string, make: () => string): string {
  const known = db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key) as string | undefined;
  if (known !== undefined) return known;
  const value = make();
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(key, value);
  return value;
}

interface RunEnd {
  readonly run: number;
  readonly started_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly end: 'clean' | 'crash' | null;
}

function endPreviousRun(db: Database.Database): PreviousRun | null {
  const previous = db
    .prepare('SELECT run, started_at_ms, ended_at_ms, end FROM runs ORDER BY run DESC LIMIT 1')
    .get() as RunEnd | undefined;
  if (previous === undefined) return null;
  const { run } = previous;
  if (previous.end !== null) {
    const lastAtMs = previous.ended_at_ms ?? previous.started_at_ms;
    return { run, end: previous.end, lastAtMs, latestAtMs: latestTime(db) };
  }
  const lastAtMs = lastSignOfLife(db, previous);
  db.prepare("UPDATE runs SET ended_at_ms = ?, end = 'crash' WHERE run = ?").run(lastAtMs, run);
  db.prepare("UPDATE sources SET state = 'stopped' WHERE state NOT IN ('stopped', 'failed')").run();
  return { run, end: 'crash', lastAtMs, latestAtMs: latestTime(db) };
}

/** Once the end of the last run is written. */
function latestTime(db: Database.Database): number {
  const sql = 'SELECT max(max(started_at_ms, coalesce(ended_at_ms, started_at_ms))) FROM runs';
  return db.prepare(sql).pluck().get() as number;
}

/** The time of the run's last timeline row or health sample, whichever is later; its start if it left none.
 *  Times of records do not count: they are their devices'. */
function lastSignOfLife(db: Database.Database, run: RunEnd): number {
  const times: number[] = [];
  for (const [table, order] of [
    ['timeline', 'seq'],
    ['health', 'rowid'],
  ] as const) {
    const last = db.prepare(`SELECT run, at_ms FROM ${table} ORDER BY ${order} DESC LIMIT 1`).get();
    const row = last as { run: number; at_ms: number } | undefined;
    if (row?.run === run.run) times.push(row.at_ms);
  }
  return times.length === 0 ? run.started_at_ms : Math.max(...times);
}
