/** Temporary databases and rows for the tests of storage. */

import Database from 'better-sqlite3';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { HeadgateError, type ErrorCode } from '../../src/domain/errors.ts';
import type { RecordRow } from '../../src/domain/record-row.ts';
import { writeBatch, type WriteBatch, type SourceRow, type TimelineRow } from '../../src/domain/timeline.ts';
import type { EventStore, OpenOptions } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';

export { writeBatch };

export const START_MS = Date.UTC(2020, 0, 1);

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-storage-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function temporaryFile(): string {
  return join(temporaryFolder(), 'edge.db');
}

let uuids = 0;

/** What a kill at this moment would leave behind: the file and its log as they are, under another name. */
export function copyOfDatabase(file: string): string {
  const copy = temporaryFile();
  for (const suffix of ['', '-wal'])
    if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
  return copy;
}

export function openOptions(path: string, overrides: Partial<OpenOptions> = {}): OpenOptions {
  return {
    path,
    nowMs: START_MS,
    version: '0.1.0',
    uuid: () => `uuid-${++uuids}`,
    configDigest: 'digest',
    ...overrides,
  };
}

/** Opens a store that is closed after the test, if the test did not. */
export async function openStore(path: string, overrides: Partial<OpenOptions> = {}): Promise<EventStore> {
  const store = await openEventStore(openOptions(path, overrides));
  onTestFinished(() => store.close(null));
  return store;
}

/** Ends a run that only prepared a file. */
export async function writeDatabase(path: string, ...units: Partial<WriteBatch>[]): Promise<void> {
  const store = await openEventStore(openOptions(path));
  for (const unit of units) await store.commit(writeBatch(unit));
  await store.close({ atMs: START_MS });
}

export function timelineRow(row: Partial<TimelineRow> & { seq: number }): TimelineRow {
  return {
    run: 1,
    atMs: START_MS + row.seq,
    monoMs: row.seq,
    tenant: 'default',
    actor: 'plc-7',
    incarnation: 1,
    kind: 'transition',
    event: 'broker.refused',
    fromState: 'connecting',
    toState: 'backingOff',
    cause: null,
    data: null,
    ...row,
  };
}

export function recordRow(row: Partial<RecordRow> & { sourceSeq: number }): RecordRow {
  return {
    tenant: 'default',
    sourceId: 'plc-7',
    incarnation: 1,
    dedupKey: null,
    atMs: START_MS + row.sourceSeq,
    data: JSON.stringify({ value: row.sourceSeq }),
    contentType: null,
    ...row,
  };
}

export function sourceRow(row: Partial<SourceRow> = {}): SourceRow {
  return {
    tenant: 'default',
    sourceId: 'plc-7',
    type: 'http',
    state: 'streaming',
    incarnation: 1,
    restarts: 0,
    recordsProduced: 10,
    dropped: 0,
    deadLettered: 0,
    consecutiveErrors: 0,
    lastReadAtMs: START_MS,
    lastError: null,
    registeredAtMs: START_MS,
    deregisteredAtMs: null,
    ...row,
  };
}

/** What any SQLite client sees in the file. */
export function query(path: string, sql: string, ...parameters: unknown[]): Record<string, unknown>[] {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare(sql).all(...parameters) as Record<string, unknown>[];
  } finally {
    db.close();
  }
}

/** The HeadgateError an action throws or rejects with; fails if there is none, or another. */
export async function headgateError(action: () => unknown, code: ErrorCode): Promise<HeadgateError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof HeadgateError && error.code === code) return error;
    throw error;
  }
  throw new Error(`nothing was thrown where ${code} was expected`);
}
