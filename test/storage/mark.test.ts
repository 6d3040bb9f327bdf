import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EventStore } from '../../storage/event-store.ts';
import { readMark } from '../../storage/file/mark-file.ts';
import { TRUNCATED_EVENT } from '../../storage/truncation.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { copyCut, edit, holdLog } from './damage.ts';
import {
  writeBatch,
  openStore,
  query,
  recordRow,
  sourceRow,
  START_MS,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';

/** Commits rows and records with the next numbers; each unit has two of both. */
async function commitBatches(store: EventStore, count: number, firstSeq: number): Promise<number> {
  let seq = firstSeq;
  for (let unit = 0; unit < count; unit++, seq += 2) {
    await store.commit(
      writeBatch({
        timeline: [timelineRow({ seq, run: store.run }), timelineRow({ seq: seq + 1, run: store.run })],
        records: [recordRow({ sourceSeq: seq }), recordRow({ sourceSeq: seq + 1 })],
      }),
    );
  }
  return seq;
}

/** The numbers of a file, as a reader finds them. */
function lastSeqs(file: string): { timeline: number; records: number } {
  const last = (table: string) =>
    (query(file, `SELECT coalesce(max(seq), 0) AS seq FROM ${table}`)[0]?.['seq'] ?? 0) as number;
  return { timeline: last('timeline'), records: last('records') };
}

describe('the mark beside the file', () => {
  test('is written at the close, and after many commits', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await commitBatches(store, 10, 1);
    expect(readMark(file)).toBeNull();
    await commitBatches(store, 300, 21);
    const mark = readMark(file);
    if (mark === null || mark === 'unreadable') throw new Error('there is no mark');
    expect(mark).toMatchObject({ dbUuid: store.dbUuid, recordSeq: mark.timelineSeq });
    expect(mark.timelineSeq).toBeGreaterThan(500);
    expect(mark.link?.seq).toBe(mark.timelineSeq);
    await store.close({ atMs: START_MS });
    expect(readMark(file)).toMatchObject({ timelineSeq: 620, recordSeq: 620 });
    expect(existsSync(`${file}-mark.new`)).toBe(false);
  });

  test('of another database means nothing', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: [timelineRow({ seq: 5 })] });
    const other = temporaryFile();
    await writeDatabase(other);
    copyFileSync(`${file}-mark`, `${other}-mark`);
    expect(await openStore(other)).toMatchObject({ lastSeq: 0, truncated: null, markIsUnreadable: false });
    expect(await verifyDatabase(other)).toMatchObject({ ok: true });
  });

  test.each([
    ['empty', ''],
    ['no JSON', 'mark'],
    ['of another shape', '{"mark":null,"crc":0}'],
    ['of a wrong checksum', '{"mark":{"dbUuid":"a","timelineSeq":9,"recordSeq":9,"incarnation":0},"crc":1}'],
  ])('that is %s is passed over, which is said, and replaced', async (_, text) => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: [timelineRow({ seq: 5 })] });
    writeFileSync(`${file}-mark`, text);
    const store = await openStore(file);
    expect(store).toMatchObject({ lastSeq: 5, truncated: null, markIsUnreadable: true });
    await store.close({ atMs: START_MS });
    expect(await openStore(file)).toMatchObject({ markIsUnreadable: false });
  });

  test('that cannot be written holds nothing up', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    // A folder stands where the new mark would be written.
    mkdirSync(`${file}-mark.new`);
    await commitBatches(store, 300, 1);
    await store.close({ atMs: START_MS });
    rmSync(`${file}-mark.new`, { recursive: true });
    expect(await openStore(file)).toMatchObject({ lastSeq: 600, truncated: null });
  });

  test('goes along with a damaged database that is moved aside', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { timeline: [timelineRow({ seq: 5 })] });
    const mark = readFileSync(`${file}-mark`);
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xa5, 0, 100));
    const store = await openStore(file, { nowMs: 7 });
    expect(readFileSync(join(dirname(file), `${store.movedAside}-mark`))).toEqual(mark);
  });
});

describe('rows that the mark knows and the file has not', () => {
  /** A file that is older than its mark: what a restored backup, or a lost log, leaves. */
  async function setBack(): Promise<string> {
    const file = temporaryFile();
    await writeDatabase(file, {
      timeline: [timelineRow({ seq: 1 })],
      records: [recordRow({ sourceSeq: 1 })],
    });
    const backup = `${file}.backup`;
    copyFileSync(file, backup);
    const store = await openStore(file);
    await commitBatches(store, 2, 2);
    await store.commit(writeBatch({ sources: [sourceRow({ incarnation: 9 })] }));
    await store.close({ atMs: START_MS });
    copyFileSync(backup, file);
    return file;
  }
  const missing = { timeline: { found: 1, known: 5 }, records: { found: 1, known: 5 } };

  test('are told at the opening, and no number of them is used again', async () => {
    const file = await setBack();
    const store = await openStore(file);
    expect(store).toMatchObject({ truncated: missing, lastSeq: 5, lastRecordSeq: 5, lastIncarnation: 9 });
    await commitBatches(store, 1, 6);
    expect(query(file, 'SELECT seq FROM timeline').map((row) => row['seq'])).toEqual([1, 6, 7]);
    expect(query(file, 'SELECT seq FROM records').map((row) => row['seq'])).toEqual([1, 6, 7]);
    expect(await verifyDatabase(file)).toMatchObject({ ok: true });
  });

  test('are told at each opening until a row says so', async () => {
    const file = await setBack();
    await (await openStore(file)).close(null);
    const second = await openStore(file);
    expect(second).toMatchObject({ truncated: missing, lastSeq: 5 });
    await second.commit(writeBatch({ timeline: [timelineRow({ seq: 6, event: 'link.lost' })] }));
    await second.close(null);
    const third = await openStore(file);
    expect(third.truncated).toEqual(missing);
    await third.commit(writeBatch({ timeline: [timelineRow({ seq: 7, event: TRUNCATED_EVENT })] }));
    await third.close(null);
    expect(await openStore(file)).toMatchObject({ truncated: null, lastSeq: 7 });
  });

  test('are none where rows were deleted that the file knew', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await commitBatches(store, 4, 1);
    await store.close({ atMs: START_MS });
    edit(file, 'DELETE FROM records; DELETE FROM timeline; DELETE FROM timeline_chain WHERE seq < 8');
    expect(await openStore(file)).toMatchObject({ truncated: null, lastSeq: 8, lastRecordSeq: 8 });
  });
});

test('a log cut at any length loses nothing the mark knows without its being told', async () => {
  const file = temporaryFile();
  const first = await openStore(file);
  using _log = holdLog(file);
  const next = await commitBatches(first, 6, 1);
  await first.close({ atMs: START_MS });
  const marked = { timeline: next - 1, records: next - 1 };
  const second = await openStore(file);
  await commitBatches(second, 6, next);
  const { size } = statSync(`${file}-wal`);
  const outcomes = new Set<string>();
  for (let part = 0; part <= 36; part++) {
    const cut = Math.floor((size * part) / 36);
    const copy = join(dirname(file), `cut-${cut}.db`);
    copyCut(file, copy, cut);
    const found = lastSeqs(copy);
    const isLoss = found.timeline < marked.timeline || found.records < marked.records;
    const store = await openStore(copy);
    expect({ cut, truncated: store.truncated !== null }).toEqual({ cut, truncated: isLoss });
    expect(store.lastSeq).toBe(Math.max(found.timeline, marked.timeline));
    expect(store.lastRecordSeq).toBe(Math.max(found.records, marked.records));
    if (store.truncated !== null) {
      expect(store.truncated.timeline).toEqual({ found: found.timeline, known: marked.timeline });
      expect(store.truncated.records).toEqual({ found: found.records, known: marked.records });
    }
    await commitBatches(store, 1, store.lastSeq + 1);
    expect(lastSeqs(copy)).toEqual({ timeline: store.lastSeq + 2, records: store.lastRecordSeq + 2 });
    await store.close(null);
    outcomes.add(isLoss ? 'told' : 'harmless');
  }
  expect(outcomes).toEqual(new Set(['told', 'harmless']));
});
