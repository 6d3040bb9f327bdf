import Database from 'better-sqlite3';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/domain/errors.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { migrate } from '../../storage/file/schema.ts';
import type { TimelineFilter } from '../../storage/reading/timeline-reader.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  query,
  sourceRow,
  temporaryFile,
  temporaryFolder,
  timelineRow,
  writeDatabase,
} from './fixture.ts';
import { reading, readerOf, seqs, SCENARIO } from './scenario.ts';

test.each([1, 2])('a file of version %i is read as it is', (version) => {
  const path = made(temporaryFile(), (file) => {
    const db = new Database(file);
    migrate(db, version);
    db.exec(`INSERT INTO timeline (run, at_ms, mono_ms, tenant, actor, kind, event)
      VALUES (1, 1, 1, 'default', 'plc-7', 'command', 'source.poll')`);
    db.close();
  });
  const reader = reading(path);
  expect(seqs(reader.timeline({ event: 'source.poll', actor: 'plc-7', kind: 'command' }))).toEqual([1]);
  expect(seqs(reader.timeline({ event: 'source.poll', limit: 2 }))).toEqual([1]);
});

test('a file of the first version has sources and no sinks', () => {
  const path = made(temporaryFile(), (file) => {
    const db = new Database(file);
    migrate(db, 1);
    db.close();
  });
  const reader = openTimelineReader(path);
  expect([reader.sources(), reader.sinks()]).toEqual([[], []]);
  reader.close();
});

describe('a page of the timeline', () => {
  const cases: [TimelineFilter, number[]][] = [
    [{}, [1, 2, 3, 4, 5, 6, 7]],
    [{ actor: 'plc-7' }, [3, 5, 6]],
    [{ actor: 'default/plc-7' }, [3, 5, 6]],
    [{ actor: 'north/plc-8' }, [4, 7]],
    [{ actor: 'plc-8' }, []],
    [{ kind: 'born' }, [1, 3, 4]],
    [{ kind: 'born', actor: 'plc-7' }, [3]],
    [{ sinceMs: 130 }, [4, 5, 6, 7]],
    [{ sinceMs: 131, untilMs: 150 }, [5, 6]],
    [{ untilMs: 99 }, []],
    [{ sinceMs: 161 }, []],
    [{ sinceMs: 150, untilMs: 120 }, []],
    [{ event: 'xstate.init' }, [3, 4]],
    [{ event: 'xstate.init', actor: 'plc-7' }, [3]],
    [{ event: 'xstate.init', kind: 'ended' }, []],
    [{ event: 'broker.refused', kind: 'transition', sinceMs: 140 }, [5]],
    [{ event: 'nothing of the kind' }, []],
    [{ beforeSeq: 3 }, [1, 2]],
    [{ beforeSeq: 6, limit: 2 }, [4, 5]],
    [{ beforeSeq: 1, limit: 2 }, []],
    [{ beforeSeq: 0 }, []],
    [{ afterSeq: 1, beforeSeq: 6, limit: 2 }, [2, 3]],
    [{ afterSeq: 6, beforeSeq: 3 }, []],
    [{ actor: 'plc-7', beforeSeq: 6, limit: 1 }, [5]],
    [{ kind: 'born', beforeSeq: 4 }, [1, 3]],
    [{ afterSeq: 5 }, [6, 7]],
    [{ afterSeq: 2, limit: 2 }, [3, 4]],
    [{ limit: 2 }, [6, 7]],
    [{ limit: 0 }, []],
    [{ limit: 100 }, [1, 2, 3, 4, 5, 6, 7]],
    [{ kind: 'born', limit: 2 }, [3, 4]],
    [{ kind: 'born', afterSeq: 1, limit: 1 }, [3]],
    [{ actor: 'plc-7', sinceMs: 121, limit: 1 }, [6]],
  ];
  test.each(cases)('for %o has the rows %o', async (filter, expected) => {
    const reader = await readerOf(SCENARIO);
    expect(seqs(reader.timeline(filter))).toEqual(expected);
  });

  test('between two times is exact where the clock stepped back a little without a word', async () => {
    const times = [100_000, 101_000, 97_000, 98_000, 102_000, 150_000, 103_000, 104_000];
    const reader = await readerOf(times.map((atMs, index) => timelineRow({ seq: index + 1, atMs })));
    expect(seqs(reader.timeline({ sinceMs: 98_000, untilMs: 101_000 }))).toEqual([1, 2, 4]);
    expect(seqs(reader.timeline({ sinceMs: 103_000 }))).toEqual([6, 7, 8]);
    expect(seqs(reader.timeline({ untilMs: 97_000 }))).toEqual([3]);
  });

  test('has the columns of the table as keys, in their order, and data as it was', async () => {
    const reader = await readerOf(SCENARIO);
    const [row] = reader.timeline({ afterSeq: 4, limit: 1 });
    expect(Object.entries(row ?? {})).toEqual([
      ['seq', 5],
      ['run', 1],
      ['at_ms', 140],
      ['mono_ms', 5],
      ['tenant', 'default'],
      ['actor', 'plc-7'],
      ['incarnation', 1],
      ['kind', 'transition'],
      ['event', 'broker.refused'],
      ['from_state', 'connecting'],
      ['to_state', 'backingOff'],
      ['cause', 3],
      ['data', { attempt: 1 }],
    ]);
    expect(reader.timeline({ limit: 1 })[0]).toHaveProperty('data', null);
  });

  const mistakes: [string, TimelineFilter, ErrorCode, string][] = [
    ['a kind that does not exist', { kind: 'births' as never }, 'HG_OPTION_INVALID', 'kind'],
    ['a negative limit', { limit: -1 }, 'HG_OPTION_INVALID', 'limit'],
    ['a place that is no number', { beforeSeq: -1 }, 'HG_OPTION_INVALID', 'beforeSeq'],
    ['an event that is no text', { event: 7 as never }, 'HG_OPTION_INVALID', 'event'],
    ['half a row', { limit: 1.5 }, 'HG_OPTION_INVALID', 'limit'],
    ['a seq that is no number', { afterSeq: Number.NaN }, 'HG_OPTION_INVALID', 'afterSeq'],
    ['a time that is no number', { sinceMs: Number.NaN }, 'HG_OPTION_INVALID', 'sinceMs'],
    ['a field that does not exist', { since: 5 } as never, 'HG_OPTION_UNKNOWN', 'since'],
  ];
  test.each(mistakes)('is refused for %s', async (_, filter, code, field) => {
    const reader = await readerOf(SCENARIO);
    expect((await headgateError(() => reader.timeline(filter), code)).message).toMatch(`${field}:`);
    if (field !== 'kind') await headgateError(() => reader.alerts(filter), code);
  });
});

test('the rows of a busy actor and of a frequent event are found by whichever has fewer', async () => {
  const busy = Array.from({ length: 300 }, (_, n) =>
    timelineRow({
      seq: n + 1,
      actor: n % 100 === 50 ? 'rare' : 'busy',
      kind: n === 200 ? 'alert' : 'transition',
      event: n === 200 ? 'BURST' : 'link.opened',
    }),
  );
  const reader = await readerOf(busy);
  expect(seqs(reader.timeline({ actor: 'busy', kind: 'alert', limit: 5 }))).toEqual([201]);
  expect(seqs(reader.timeline({ actor: 'busy', event: 'BURST' }))).toEqual([201]);
  expect(seqs(reader.timeline({ actor: 'rare', event: 'link.opened' }))).toEqual([51, 151, 251]);
  expect(seqs(reader.alerts({ actor: 'busy', event: 'BURST', beforeSeq: 201 }))).toEqual([]);
});

describe('alerts', () => {
  const alerts = [
    timelineRow({ seq: 1, kind: 'alert', event: 'BURST', data: { severity: 'warning', windowRecords: 31 } }),
    timelineRow({ seq: 2 }),
    timelineRow({ seq: 3, kind: 'alert', event: 'BURST', actor: 'plc-8', data: { severity: 'critical' } }),
    timelineRow({ seq: 4, kind: 'alert', event: 'BURST_OVER', data: null }),
  ];

  test('are the rows of the view, data parsed', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: alerts });
    const rows = reading(file).alerts();
    const ofView = query(file, 'SELECT * FROM alerts').map((row) => ({
      ...row,
      data: JSON.parse((row['data'] as string | null) ?? 'null'),
    }));
    expect(rows).toEqual(ofView);
    expect(Object.keys(rows[0] ?? {})).toEqual(Object.keys(ofView[0] ?? {}));
    expect(rows.map((row) => row['severity'])).toEqual(['warning', 'critical', null]);
  });

  test('can be asked for by actor, and the last ones', async () => {
    const reader = await readerOf(alerts);
    expect(seqs(reader.alerts({ actor: 'plc-7' }))).toEqual([1, 4]);
    expect(seqs(reader.alerts({ limit: 2 }))).toEqual([3, 4]);
    expect(seqs(reader.alerts({ actor: 'plc-7', limit: 1 }))).toEqual([4]);
  });
});

describe('sources', () => {
  test('are the rows of the table, by tenant and id', async () => {
    const file = temporaryFile();
    await writeDatabase(file, {
      sources: [sourceRow({ tenant: 'north' }), sourceRow({ sourceId: 'plc-8' }), sourceRow()],
    });
    const rows = reading(file).sources();
    expect(rows.map((row) => `${String(row['tenant'])}/${String(row['source_id'])}`)).toEqual([
      'default/plc-7',
      'default/plc-8',
      'north/plc-7',
    ]);
    expect(rows[0]).toMatchObject({ state: 'streaming', records_produced: 10, deregistered_at_ms: null });
  });
});

describe('a reader', () => {
  test('follows what an engine commits meanwhile', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const reader = reading(file);
    expect(reader.timeline()).toEqual([]);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    expect(seqs(reader.timeline())).toEqual([1]);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 2 })] }));
    expect(seqs(reader.timeline({ afterSeq: 1 }))).toEqual([2]);
  });

  test('does not hold the engine up: the log is cut back when the engine closes', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const reader = reading(file);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    reader.timeline();
    const other = new Database(file);
    expect(other.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
    other.close();
  });

  test('shows data that is no JSON as text', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: [timelineRow({ seq: 1, data: { a: 1 } })] });
    const other = new Database(file);
    other.exec("UPDATE timeline SET data = '{broken'");
    other.close();
    expect(reading(file).timeline()[0]).toHaveProperty('data', '{broken');
  });

  test('takes a second close, and refuses questions after the first', async () => {
    const reader = await readerOf(SCENARIO);
    reader.close();
    reader.close();
    await headgateError(() => reader.timeline(), 'HG_STORAGE_FAILED');
  });

  const missing: [string, (folder: string) => string, ErrorCode][] = [
    ['a file that is not there', (folder) => join(folder, 'none.db'), 'HG_STORAGE_NOT_FOUND'],
    ['a folder that is not there', (folder) => join(folder, 'none', 'edge.db'), 'HG_STORAGE_NOT_FOUND'],
    ['a database in memory', () => ':memory:', 'HG_STORAGE_NOT_FOUND'],
    ['a folder', (folder) => made(join(folder, 'edge.db'), mkdirSync), 'HG_STORAGE_NOT_A_DATABASE'],
    ['a text', (folder) => written(folder, 'no database '.repeat(500)), 'HG_STORAGE_NOT_A_DATABASE'],
    ['an empty file', (folder) => written(folder, ''), 'HG_STORAGE_NOT_A_DATABASE'],
    ['the database of another program', (folder) => foreign(folder, 0), 'HG_STORAGE_NOT_A_DATABASE'],
    ['the database of a newer Headgate', (folder) => foreign(folder, 0x48474154), 'HG_STORAGE_VERSION'],
  ];
  test.each(missing)('refuses %s, naming it', async (_, make, code) => {
    const path = make(temporaryFolder());
    expect((await headgateError(() => openTimelineReader(path), code)).message).toContain(path);
  });
});

function made(path: string, make: (path: string) => unknown): string {
  make(path);
  return path;
}

function written(folder: string, text: string): string {
  return made(join(folder, 'edge.db'), (path) => writeFileSync(path, text));
}

function foreign(folder: string, applicationId: number): string {
  return made(join(folder, 'edge.db'), (path) => {
    const db = new Database(path);
    db.exec('CREATE TABLE timeline (seq INTEGER PRIMARY KEY)');
    db.pragma(`application_id = ${applicationId}`);
    db.pragma('user_version = 99');
    db.close();
  });
}
