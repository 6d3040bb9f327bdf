import Database from 'better-sqlite3';
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_RETENTION, type RetentionOptions } from '../../src/domain/retention.ts';
import type { DeadLetter, HealthRow } from '../../src/domain/timeline.ts';
import type { EventStore, MaintenanceReport, MaintenanceRequest } from '../../storage/event-store.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  temporaryFolder,
  timelineRow,
} from './fixture.ts';

const UNBOUNDED: RetentionOptions = {
  ...DEFAULT_RETENTION,
  records: { ageMsMax: null, bytesMax: null },
  deadLetters: { ageMsMax: null, bytesMax: null },
  health: { ageMsMax: null, bytesMax: null },
};

type Wish = Partial<Omit<MaintenanceRequest, 'retention'>> & { retention?: Partial<RetentionOptions> };

function request({ retention, ...rest }: Wish): MaintenanceRequest {
  const { nowMs = START_MS } = rest;
  return {
    nowMs,
    monoMs: nowMs - START_MS,
    recordsNeededAfter: null,
    alertsNeededAfter: null,
    ...rest,
    retention: { ...UNBOUNDED, ...retention },
  };
}

/** Calls until there is no more to do. Returns every report, the last one last. */
async function maintainAll(store: EventStore, wish: Wish): Promise<MaintenanceReport[]> {
  const reports: MaintenanceReport[] = [];
  do reports.push(await store.maintain(request(wish)));
  while (reports.at(-1)?.hasMore === true && reports.length < 10_000);
  return reports;
}

function sumOf(reports: readonly MaintenanceReport[], name: keyof MaintenanceReport['deleted']): number {
  return reports.reduce((sum, { deleted }) => sum + deleted[name], 0);
}

function records(count: number, from = 1, dataBytes = 20): ReturnType<typeof recordRow>[] {
  const data = JSON.stringify('x'.repeat(dataBytes));
  return Array.from({ length: count }, (_, index) => recordRow({ sourceSeq: from + index, data }));
}

function letters(count: number, payloadChars = 20): DeadLetter[] {
  return Array.from({ length: count }, () => ({
    tenant: 'default',
    sourceId: 'plc-7',
    stage: 'decode',
    code: 'HG_DECODE_FAILED',
    message: 'no JSON',
    payload: 'x'.repeat(payloadChars),
    attempts: 1,
    firstAtMs: START_MS,
    lastAtMs: START_MS,
    origin: null,
    isTruncated: false,
  }));
}

function samples(count: number): HealthRow[] {
  return Array.from({ length: count }, () => ({
    atMs: START_MS,
    tenant: 'default',
    sourceId: 'plc-7',
    state: 'streaming',
    recordsProduced: 1,
    lastReadTimestamp: null,
    consecutiveErrors: 0,
    incarnation: 1,
    restarts: 0,
    rate1s: 0,
    queueDepth: 0,
    droppedCount: 0,
    deadLetteredCount: 0,
  }));
}

const count = (file: string, table: string) =>
  query(file, `SELECT count(*) AS n FROM ${table}`)[0]?.['n'] as number;
const seqs = (file: string) => query(file, 'SELECT seq FROM records ORDER BY seq').map((row) => row['seq']);

describe('retention by age', () => {
  test('deletes what has been stored long enough, whatever time it bears', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const retention = { records: { ageMsMax: 1_000, bytesMax: null } };
    // An import of last year's data, and a reading of next year: both came now.
    const imported = records(3).map((row, index) => ({ ...row, atMs: START_MS + (index - 1) * 3e10 }));
    await store.commit(writeBatch({ records: imported }));
    await maintainAll(store, { retention });
    await store.commit(writeBatch({ records: records(2, 4) }));
    await maintainAll(store, { retention, nowMs: START_MS + 600 });
    expect(seqs(file)).toEqual([1, 2, 3, 4, 5]);
    const reports = await maintainAll(store, { retention, nowMs: START_MS + 1_000 });
    expect(seqs(file)).toEqual([4, 5]);
    expect(sumOf(reports, 'records')).toBe(3);
  });

  test('goes on after a restart where it was', async () => {
    const file = temporaryFile();
    const retention = { records: { ageMsMax: 1_000, bytesMax: null } };
    const first = await openStore(file);
    await first.commit(writeBatch({ records: records(3) }));
    await maintainAll(first, { retention });
    await first.close({ atMs: START_MS });
    const second = await openStore(file);
    await second.commit(writeBatch({ records: records(1, 4) }));
    await maintainAll(second, { retention });
    await maintainAll(second, { retention, nowMs: START_MS + 998 });
    expect(seqs(file)).toEqual([1, 2, 3, 4]);
    await maintainAll(second, { retention, nowMs: START_MS + 1_000 });
    expect(seqs(file)).toEqual([4]);
  });

  test('keeps of marks only what it needs', { tags: 'full' }, async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const retention = { records: { ageMsMax: 256_000, bytesMax: null } };
    for (let step = 0; step < 2_000; step++) {
      await store.commit(writeBatch({ records: records(1, step + 1) }));
      await store.maintain(request({ retention, nowMs: START_MS + step * 500 }));
    }
    expect(count(file, 'retention_marks')).toBeLessThanOrEqual(258);
    // 256 s hold 512 records, and those of the distance between two marks.
    expect(count(file, 'records')).toBeGreaterThanOrEqual(512);
    expect(count(file, 'records')).toBeLessThanOrEqual(516);
  });
});

describe('retention by size', () => {
  test.each(['records', 'deadLetters', 'health'] as const)('keeps %s within their bytes', async (name) => {
    const file = temporaryFile();
    const store = await openStore(file);
    const table = { records: 'records', deadLetters: 'dead_letters', health: 'health' }[name];
    for (let batch = 0; batch < 3; batch++) {
      await store.commit(
        writeBatch({ records: records(2_500), deadLetters: letters(2_500), health: samples(2_500) }),
      );
    }
    const retention = { [name]: { ageMsMax: null, bytesMax: 100_000 } };
    const reports = await maintainAll(store, { retention });
    // A row of any of them is taken for something between 64 and 200 bytes.
    const left = count(file, table);
    expect(left).toBeGreaterThan(100_000 / 250);
    expect(left).toBeLessThanOrEqual(100_000 / 64);
    expect(sumOf(reports, name)).toBe(7_500 - left);
    for (const other of ['records', 'dead_letters', 'health'].filter((each) => each !== table)) {
      expect(count(file, other)).toBe(7_500);
    }
  });

  test('measures a table it finds, and one that a purge made smaller', async () => {
    const file = temporaryFile();
    const first = await openStore(file);
    await first.commit(writeBatch({ deadLetters: letters(6_000) }));
    await first.close({ atMs: START_MS });
    const store = await openStore(file);
    const retention = { deadLetters: { ageMsMax: null, bytesMax: 500_000 } };
    await maintainAll(store, { retention });
    const left = count(file, 'dead_letters');
    expect(left).toBeLessThan(6_000);
    await store.purgeLetters({ rowsMax: left - 10 });
    await store.commit(writeBatch({ deadLetters: letters(100) }));
    const reports = await maintainAll(store, { retention });
    expect(sumOf(reports, 'deadLetters')).toBe(0);
    expect(count(file, 'dead_letters')).toBe(110);
  });

  test('never gives a number out twice', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: records(10) }));
    await maintainAll(store, { retention: { records: { ageMsMax: null, bytesMax: 1 } } });
    expect(seqs(file)).toEqual([10]);
    await store.commit(writeBatch({ records: records(1) }));
    expect(seqs(file)).toEqual([10, 11]);
  });

  test('works in steps of five hundred rows or two megabytes', async () => {
    const store = await openStore(temporaryFile());
    await store.commit(writeBatch({ records: [...records(2_500), ...records(8, 1, 1_000_000)] }));
    const retention = { records: { ageMsMax: null, bytesMax: 1 } };
    const steps = (await maintainAll(store, { retention })).map(({ deleted }) => deleted.records);
    expect(steps.filter((rows) => rows > 0)).toEqual([500, 500, 500, 500, 500, 2, 2, 2, 1]);
  });
});

describe('records that a sink needs', () => {
  const retention = { records: { ageMsMax: null, bytesMax: 1 } };

  test('stay, and are counted as held', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: records(100) }));
    const reports = await maintainAll(store, { retention, recordsNeededAfter: 30 });
    expect(seqs(file)[0]).toBe(31);
    expect(sumOf(reports, 'records')).toBe(30);
    expect(reports.at(-1)?.heldForSinks).toBe(69);
    await maintainAll(store, { retention, recordsNeededAfter: 100 });
    expect(seqs(file)).toEqual([100]);
  });

  test('are all counted where their age has come', async () => {
    const store = await openStore(temporaryFile());
    const aged = { records: { ageMsMax: 10, bytesMax: null } };
    await store.commit(writeBatch({ records: records(4_000) }));
    await maintainAll(store, { retention: aged, recordsNeededAfter: 0 });
    const reports = await maintainAll(store, {
      retention: aged,
      recordsNeededAfter: 500,
      nowMs: START_MS + 10,
    });
    expect(reports.at(-1)?.heldForSinks).toBe(3_499);
  });

  test('go all the same where that is what was asked for, and are counted', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: records(100) }));
    const wish = { retention: { ...retention, undelivered: 'delete' as const }, recordsNeededAfter: 30 };
    const reports = await maintainAll(store, wish);
    expect(seqs(file)).toEqual([100]);
    expect(reports.reduce((sum, { undelivered }) => sum + undelivered, 0)).toBe(69);
    expect(reports.every(({ heldForSinks }) => heldForSinks === 0)).toBe(true);
  });
});

describe('the bound on the file', () => {
  const MIB = 1024 * 1024;
  const fillers = (n: number) => records(n, 1, 1_000);

  test('lets records go first, then dead letters, then health', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: fillers(4_000), deadLetters: letters(1_000, 1_000) }));
    await store.commit(writeBatch({ health: samples(1_000) }));
    const reports = await maintainAll(store, { retention: { fileBytesMax: 3 * MIB } });
    expect(reports.at(-1)?.fileBytes).toBeLessThanOrEqual(3 * MIB * 0.9);
    expect(count(file, 'dead_letters')).toBe(1_000);
    expect(count(file, 'records')).toBeGreaterThan(500);
    await maintainAll(store, { retention: { fileBytesMax: MIB } });
    expect(count(file, 'records')).toBe(1);
    expect(count(file, 'dead_letters')).toBeGreaterThan(100);
    expect(count(file, 'dead_letters')).toBeLessThan(1_000);
    expect(count(file, 'health')).toBe(1_000);
  });

  test('gives the pages back to the disk', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: fillers(8_000) }));
    await maintainAll(store, { retention: { fileBytesMax: 2 * MIB } });
    await store.close({ atMs: START_MS });
    expect(statSync(file).size).toBeLessThanOrEqual(2 * MIB);
  });

  test('refuses commits like a full disk where nothing may go, until something may', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const retention = { fileBytesMax: MIB };
    await maintainAll(store, { retention, recordsNeededAfter: 0 });
    const fill = async () => {
      for (let batch = 0; batch < 100; batch++) {
        await store.commit(writeBatch({ records: fillers(50) }));
        await maintainAll(store, { retention, recordsNeededAfter: 0 });
      }
    };
    await headgateError(fill, 'HG_STORAGE_FULL');
    const kept = seqs(file);
    expect(kept[0]).toBe(1);
    const [report] = await maintainAll(store, { retention, recordsNeededAfter: 0 });
    expect(report?.fileBytes).toBeGreaterThan(MIB * 0.9);
    await headgateError(() => store.commit(writeBatch({ records: fillers(500) })), 'HG_STORAGE_FULL');
    expect(seqs(file)).toEqual(kept);
    await maintainAll(store, { retention, recordsNeededAfter: kept.length });
    await store.commit(writeBatch({ records: fillers(50) }));
    expect(seqs(file).at(-1)).toBe(kept.length + 50);
  });
});

describe('the archive of the timeline', () => {
  const timeline = (folder: string) => ({ timeline: { ageMsMax: 1_000, archiveFolder: folder } });

  /** `units` transactions of `rows` rows each, one link for each, from `seq` on. */
  async function story(store: EventStore, file: string, units: number, rows: number, seq = 1): Promise<void> {
    const db = new Database(file);
    const link = db.prepare("INSERT OR IGNORE INTO timeline_chain VALUES (?, x'00')");
    for (let unit = 0; unit < units; unit++) {
      const first = seq + unit * rows;
      const timelineRows = Array.from({ length: rows }, (_, index) =>
        timelineRow({ seq: first + index, data: { n: first + index } }),
      );
      await store.commit(writeBatch({ timeline: timelineRows }));
      link.run(first + rows - 1);
    }
    db.close();
  }

  const links = (file: string) =>
    query(file, 'SELECT seq FROM timeline_chain ORDER BY seq').map((row) => row['seq'] as number);
  const archived = (folder: string) =>
    readdirSync(folder)
      .sort()
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
      .map((line) => JSON.parse(line) as { seq: number; data: { n: number } });

  test('takes every row before it goes, and leaves a chain with its anchor', async () => {
    const file = temporaryFile();
    const folder = join(temporaryFolder(), 'archive');
    const store = await openStore(file);
    await story(store, file, 500, 17);
    await maintainAll(store, { retention: timeline(folder) });
    expect(existsSync(folder)).toBe(false);
    await story(store, file, 10, 3, 8_501);
    await maintainAll(store, { retention: timeline(folder), nowMs: START_MS + 1_000 });
    const left = query(file, 'SELECT seq FROM timeline ORDER BY seq').map((row) => row['seq'] as number);
    const gone = archived(folder);
    expect(gone.map(({ seq }) => seq)).toEqual(Array.from({ length: 8_500 }, (_, index) => index + 1));
    expect(gone[16]).toMatchObject({ seq: 17, actor: 'plc-7', data: { n: 17 } });
    expect(left).toEqual(Array.from({ length: 30 }, (_, index) => 8_501 + index));
    expect(links(file)[0]).toBe(8_500);
    expect(links(file)).toHaveLength(11);
  });

  test('goes on after a kill between the file and the deletion, without a second copy', async () => {
    const file = temporaryFile();
    const folder = join(temporaryFolder(), 'archive');
    const store = await openStore(file);
    await story(store, file, 30, 100);
    await maintainAll(store, { retention: timeline(folder) });
    // A trigger that refuses the deletion stands for the kill: the file is there, the rows as well.
    const db = new Database(file);
    db.exec("CREATE TRIGGER kill BEFORE DELETE ON timeline BEGIN SELECT RAISE(ABORT, 'killed'); END");
    await expect(
      maintainAll(store, { retention: timeline(folder), nowMs: START_MS + 1_000 }),
    ).rejects.toThrow('killed');
    expect(count(file, 'timeline')).toBe(3_000);
    db.exec('DROP TRIGGER kill');
    db.close();
    await store.close(null);
    const after = await openStore(file);
    await story(after, file, 20, 100, 3_001);
    await maintainAll(after, { retention: timeline(folder), nowMs: START_MS + 1_000 });
    await maintainAll(after, { retention: timeline(folder), nowMs: START_MS + 2_000 });
    const gone = archived(folder).map(({ seq }) => seq);
    expect(gone).toEqual(Array.from({ length: gone.length }, (_, index) => index + 1));
    expect(query(file, 'SELECT min(seq) AS first FROM timeline')[0]?.['first']).toBe(gone.length + 1);
    expect(gone.length).toBeGreaterThanOrEqual(2_900);
  });

  test('waits for sinks that have not sent the alerts', async () => {
    const file = temporaryFile();
    const folder = join(temporaryFolder(), 'archive');
    const store = await openStore(file);
    await story(store, file, 10, 10);
    await maintainAll(store, { retention: timeline(folder) });
    const wish = { retention: timeline(folder), nowMs: START_MS + 1_000 };
    await maintainAll(store, { ...wish, alertsNeededAfter: 35 });
    expect(query(file, 'SELECT min(seq) AS first FROM timeline')[0]?.['first']).toBe(31);
    await maintainAll(store, { ...wish, alertsNeededAfter: 100 });
    expect(query(file, 'SELECT min(seq) AS first FROM timeline')[0]?.['first']).toBe(91);
  });
});

test(
  'whatever comes and goes: what is needed stays, what is left fits, and only the oldest go',
  { tags: 'full', timeout: 60_000 },
  async () => {
    /** What comes between two calls counts from the second. */
    const stepMsMax = 2_000;
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 1, max: 900 }), bytes: fc.integer({ min: 0, max: 2_000 }) }),
      fc.record({ waitMs: fc.integer({ min: 0, max: stepMsMax }) }),
      fc.record({ deliver: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.constant({ reopen: true as const }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, hasSink) => {
        const file = temporaryFile();
        let store = await openStore(file);
        const bytesMax = 200_000;
        const ageMsMax = 5_120;
        const retention = { records: { ageMsMax, bytesMax } };
        let nowMs = START_MS;
        let needed = hasSink ? 0 : null;
        const model: { seq: number; bytes: number; atMs: number }[] = [];
        let lastSeq = 0;
        for (const action of steps) {
          if ('add' in action) {
            const rows = records(action.add, lastSeq + 1, action.bytes);
            await store.commit(writeBatch({ records: rows }));
            for (const _ of rows) model.push({ seq: ++lastSeq, bytes: action.bytes + 66, atMs: nowMs });
          } else if ('waitMs' in action) nowMs += action.waitMs;
          else if ('deliver' in action && needed !== null) {
            needed += Math.floor((lastSeq - needed) * action.deliver);
          } else if ('reopen' in action) {
            await store.close({ atMs: nowMs });
            store = await openStore(file);
          }
          await maintainAll(store, { retention, nowMs, recordsNeededAfter: needed });
          const left = seqs(file) as number[];
          // The oldest go, the rest is whole.
          expect(left).toEqual(model.slice(model.length - left.length).map(({ seq }) => seq));
          const gone = model.splice(0, model.length - left.length);
          expect(gone.every(({ seq }) => needed === null || seq <= needed)).toBe(true);
          const mayGo = model.slice(0, -1).filter(({ seq }) => needed === null || seq <= needed);
          const bytes = model.reduce((sum, row) => sum + row.bytes, 0);
          expect(bytes <= bytesMax || mayGo.length === 0).toBe(true);
          expect(mayGo.every(({ atMs }) => nowMs - atMs < ageMsMax * (1 + 1 / 256) + stepMsMax)).toBe(true);
        }
        await store.close({ atMs: nowMs });
      }),
      { numRuns: 25 },
    );
  },
);
