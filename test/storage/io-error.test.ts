/** A disk whose writes and syncs fail for a while: what was acknowledged is there, once. */

import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import { StoreSession } from '../../storage/store-session.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import { startChild } from './child-process.ts';
import { edit } from './damage.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  query,
  recordRow,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';
import { underStrace, whyNoStrace } from './strace.ts';
import { skipNote } from '../support/skip-note.ts';

const OPENING = 1;

const noStrace = whyNoStrace();

test.skipIf(noStrace !== undefined).each([
  ['one sync fails', 'fsync:error=EIO:when=60'],
  ['four syncs in a row fail', 'fsync:error=EIO:when=60..63'],
  ['every tenth sync fails', 'fsync:error=EIO:when=60+10'],
  ['one write fails', 'pwrite64:error=EIO:when=250'],
  ['twenty writes in a row fail', 'pwrite64:error=EIO:when=250..269'],
  ['every fiftieth write fails', 'pwrite64:error=EIO:when=250+50'],
])(`where %s, units are stored once and stay${skipNote(noStrace)}`, async (_, inject) => {
  const file = temporaryFile();
  const child = startChild('keyless', file, underStrace(inject, `${file}.strace`));
  await child.printed(OPENING + 60);
  await child.kill();
  const calls = readFileSync(`${file}.strace`, 'utf8').split('\n');
  const failed = calls.findIndex((call) => call.includes('(INJECTED)'));
  expect(failed).not.toBe(-1);
  if (inject.startsWith('fsync')) {
    // A sync that failed is not just tried again: the main file is written and synced anew.
    const next = calls.slice(failed + 1).filter((call) => !call.includes('(INJECTED)'));
    expect(next.slice(0, 4).join('\n')).toMatch(/fsync\(\d+<[^>]*\/edge\.db>\)\s+= 0/);
  }

  const acknowledged = child.lines
    .slice(OPENING)
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
  expect(acknowledged.length).toBeGreaterThan(30);
  const store = await openStore(file);
  expect(store).toMatchObject({ movedAside: null, truncated: null, ancestors: [], restored: null });
  expect(store.lastSeq).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0);
  const seqs = Array.from({ length: store.lastSeq }, (__, index) => index + 1);
  const stored = (sql: string) => query(file, sql).map((row) => row['n']);
  expect(stored('SELECT seq AS n FROM timeline ORDER BY seq')).toEqual(seqs);
  expect(stored('SELECT source_seq AS n FROM records ORDER BY seq')).toEqual(seqs);
  expect((await verifyDatabase(file)).problems).toEqual([]);
});

describe('a commit that failed with an I/O error', () => {
  /** A session whose commits fail as told, after the rows are in the file. */
  async function failingSession(reopened: (file: string) => void = () => {}) {
    const file = temporaryFile();
    await writeDatabase(file, unit(1));
    const plan = { failures: 0, connections: 1 };
    const connect = () => {
      const db = openWritable(file);
      const transaction = db.transaction.bind(db);
      db.transaction = ((work: (unit: WriteBatch) => number) => {
        const real = transaction(work);
        const immediate = (given: WriteBatch) => {
          const result = real.immediate(given);
          if (plan.failures-- > 0) throw Object.assign(new Error('EIO'), { code: 'SQLITE_IOERR_FSYNC' });
          return result;
        };
        return { immediate };
      }) as never;
      return db;
    };
    const facts = {
      file,
      run: 1,
      gatewayId: 'g',
      dbUuid: 'd',
      truncated: null,
      ancestors: [],
      restored: null,
      lost: null,
    };
    const session = new StoreSession(connect(), facts, () => {
      plan.connections++;
      reopened(file);
      return connect();
    });
    onTestFinished(() => session.close());
    return { file, plan, session };
  }
  const unit = (seq: number) =>
    writeBatch({
      timeline: [timelineRow({ seq })],
      records: [recordRow({ sourceSeq: seq }), recordRow({ sourceSeq: seq, dedupKey: 'again' })],
    });
  const records = (file: string) =>
    query(file, 'SELECT source_seq FROM records ORDER BY seq').map((row) => row['source_seq']);

  test('and is in the file all the same is not written twice', async () => {
    const { file, plan, session } = await failingSession();
    plan.failures = 1;
    expect(session.commit(unit(2))).toEqual({ lastRecordSeq: 4, duplicates: 1 });
    expect(plan.connections).toBe(2);
    expect(records(file)).toEqual([1, 1, 2]);
    expect(session.commit(unit(3))).toEqual({ lastRecordSeq: 6, duplicates: 1 });
    expect(records(file)).toEqual([1, 1, 2, 3]);
    expect((await verifyDatabase(file)).problems).toEqual([]);
  });

  test('on the new connection too is asked for again, and found stored', async () => {
    const { file, plan, session } = await failingSession((path) => {
      // What the first try left is not there: as if the log's end had been lost.
      edit(path, UNDO_TWO);
    });
    plan.failures = 2;
    expect(() => session.commit(unit(2))).toThrow('EIO');
    expect(session.tail()).toMatchObject({ timelineSeq: 1, recordSeq: 2 });
    expect(session.commit(unit(2))).toEqual({ lastRecordSeq: 4, duplicates: 1 });
    expect(records(file)).toEqual([1, 1, 2]);
  });

  test('is reported where rows that were acknowledged are gone', async () => {
    const { plan, session } = await failingSession((path) => {
      edit(path, "DELETE FROM records; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'records'");
    });
    plan.failures = 1;
    await headgateError(() => session.commit(unit(2)), 'HG_STORAGE_CORRUPT');
    expect(() => session.parts).toThrow('could not be opened again');
    expect(session.tail()).toMatchObject({ timelineSeq: 1, recordSeq: 2 });
  });
});

const UNDO_TWO = `DELETE FROM records WHERE seq > 2; DELETE FROM timeline WHERE seq > 1;
  DELETE FROM timeline_chain WHERE seq > 1;
  UPDATE sqlite_sequence SET seq = 2 WHERE name = 'records';
  UPDATE sqlite_sequence SET seq = 1 WHERE name = 'timeline'`;
