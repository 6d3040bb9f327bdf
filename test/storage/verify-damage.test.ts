import Database from 'better-sqlite3';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/domain/random.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { edit, flipBit } from './damage.ts';
import { query } from './fixture.ts';
import { writtenDatabase } from './verified-fixture.ts';

describe('what was changed in the file is found and named:', () => {
  /** Damages a sound database; the report must hold exactly these problems. */
  async function check(damage: (file: string) => void, ...expected: Record<string, unknown>[]) {
    const file = await writtenDatabase();
    damage(file);
    const report = await verifyDatabase(file);
    expect(report.problems).toEqual(expected.map((problem) => expect.objectContaining(problem)));
    expect(report).toMatchObject({ ok: false, problemCount: expected.length });
    return report;
  }
  const rowsOf = (firstSeq: number, lastSeq = firstSeq) => ({ firstSeq, lastSeq });
  const misfit = (firstSeq: number, lastSeq: number) => ({
    where: 'chain',
    what: expect.stringContaining('the rows do not fit their link'),
    ...rowsOf(firstSeq, lastSeq),
  });

  test('a bit of a record', async () => {
    const report = await check((file) => flipBit(file, 'record-23-of-the-log'), {
      where: 'records',
      ...rowsOf(23),
    });
    expect(report.records).toMatchObject({ rows: 40, damaged: [23], damagedCount: 1 });
  });

  test('a bit of a record that waits on disk', async () => {
    const report = await check((file) => flipBit(file, 'spilled-9-on-disk'), {
      where: 'spill',
      ...rowsOf(9),
    });
    expect(report.spill).toMatchObject({ damaged: [9], damagedCount: 1 });
  });

  test.each(['tenant', 'source_id', 'content_type', 'dedup_key', 'data'])(
    'the column %s of a record',
    async (column) => {
      await check((file) => edit(file, `UPDATE records SET ${column} = 'x' WHERE seq = 4`), {
        where: 'records',
        ...rowsOf(4),
      });
    },
  );

  test.each(['incarnation', 'source_seq', 'at_ms', 'crc'])('the number %s of a record', async (column) => {
    await check((file) => edit(file, `UPDATE records SET ${column} = ${column} + 1 WHERE seq = 4`), {
      where: 'records',
      ...rowsOf(4),
    });
  });

  test('a bit of a timeline row', async () => {
    await check((file) => flipBit(file, 'row-23-of-the-timeline'), misfit(21, 25));
  });

  const columns = ['run', 'at_ms', 'mono_ms', 'incarnation', 'cause'].map((name) => [name, `${name} - 1`]);
  const texts = ['tenant', 'actor', 'event', 'kind', 'from_state', 'to_state', 'data'].map((name) => [
    name,
    "'x'",
  ]);
  test.each([...columns, ...texts])('the column %s of a timeline row', async (column, value) => {
    await check(
      (file) => edit(file, `UPDATE timeline SET ${column} = ${value} WHERE seq = 40`),
      misfit(36, 40),
    );
  });

  test('a bit of a link, told from a bit of its rows', async () => {
    await check(flipLink(20), {
      where: 'chain',
      what: 'the link of these rows was changed; the rows fit',
      ...rowsOf(16, 20),
    });
  });

  test('a bit of the last link, which the mark knows too', async () => {
    await check(flipLink(40), misfit(36, 40), { where: 'mark', ...rowsOf(40) });
  });

  test('bits of links and of rows beside each other', async () => {
    await check(
      (file) => {
        flipBit(file, 'row-12-of-the-timeline');
        flipLink(20)(file);
        flipBit(file, 'row-31-of-the-timeline');
      },
      misfit(11, 15),
      { what: 'the link of these rows was changed; the rows fit', ...rowsOf(16, 20) },
      misfit(31, 35),
    );
  });

  test('a timeline row that is gone', async () => {
    const report = await check((file) => edit(file, 'DELETE FROM timeline WHERE seq = 23'), misfit(21, 25));
    expect(report.problems[0]?.what).toContain('4 rows are there for 5 numbers');
  });

  test('a transaction of the timeline that is gone', async () => {
    await check((file) => edit(file, 'DELETE FROM timeline WHERE seq BETWEEN 21 AND 25'), misfit(21, 25));
  });

  test('a transaction that is gone with its link', async () => {
    await check(
      (file) =>
        edit(
          file,
          'DELETE FROM timeline WHERE seq BETWEEN 21 AND 25; DELETE FROM timeline_chain WHERE seq = 25',
        ),
      misfit(21, 30),
    );
  });

  test('the last rows, gone with their link', async () => {
    await check(
      (file) => edit(file, 'DELETE FROM timeline WHERE seq > 35; DELETE FROM timeline_chain WHERE seq > 35'),
      { where: 'chain', what: 'the last rows are gone, and their links', ...rowsOf(36, 40) },
    );
  });

  test('a row that was put in', async () => {
    const row = 'run, at_ms, mono_ms, tenant, actor, incarnation, kind, event';
    const sql = `INSERT INTO timeline (seq, ${row}) SELECT 41, ${row} FROM timeline WHERE seq = 40`;
    await check((file) => edit(file, sql), { where: 'chain', what: '1 row has no link', ...rowsOf(41) });
  });

  test('two rows that changed places', async () => {
    const swap = `UPDATE timeline SET seq = 1000 WHERE seq = 22; UPDATE timeline SET seq = 22 WHERE seq = 24;
      UPDATE timeline SET seq = 24 WHERE seq = 1000`;
    await check(
      (file) => edit(file, `${swap}; UPDATE timeline SET cause = seq - 1 WHERE seq > 1`),
      misfit(21, 25),
    );
  });

  test('the whole chain, gone', async () => {
    await check((file) => edit(file, 'DELETE FROM timeline_chain'), { where: 'chain', firstSeq: null });
  });

  test('a cause after its effect', async () => {
    await check(
      (file) => edit(file, 'UPDATE timeline SET cause = 39 WHERE seq = 38'),
      { where: 'numbers', ...rowsOf(38) },
      misfit(36, 40),
    );
  });

  test('a counter set back, so that numbers would be used twice', async () => {
    await check(
      (file) => edit(file, "UPDATE sqlite_sequence SET seq = 30 WHERE name IN ('timeline', 'records')"),
      { where: 'numbers', ...rowsOf(31, 40) },
      { where: 'numbers', ...rowsOf(31, 40) },
      { where: 'mark', ...rowsOf(31, 40) },
      { where: 'mark', ...rowsOf(31, 40) },
    );
  });

  test('an index that does not fit its table', async () => {
    const file = await writtenDatabase();
    const other = new Database(file);
    other.unsafeMode(true);
    other.exec(
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'kind, seq', 'event, seq') WHERE name = 'timeline_kind'",
    );
    other.close();
    const report = await verifyDatabase(file);
    expect(report.problems[0]).toMatchObject({
      where: 'file',
      what: expect.stringContaining('timeline_kind'),
    });
  });

  test('a mark that cannot be read', async () => {
    await check((file) => writeFileSync(`${file}-mark`, '{"mark":{}'), { where: 'mark', firstSeq: null });
    await check((file) => flipBit(`${file}-mark`, '"timelineSeq":40', 8 * 15), {
      where: 'mark',
      firstSeq: null,
    });
  });

  test('a page that is overwritten, though nothing behind it can be read', async () => {
    const file = await writtenDatabase();
    const [page] = query(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'records'");
    const at = ((page?.['rootpage'] as number) - 1) * 4_096;
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.alloc(4_096, 0xa5), 0, 4_096, at);
    closeSync(handle);
    const report = await verifyDatabase(file);
    expect(report.ok).toBe(false);
    expect(new Set(report.problems.map(({ where }) => where))).toEqual(new Set(['file', 'records']));
  });

  test.each(Array.from({ length: 20 }, (_, index) => 500 + index))(
    'any bit of any row (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const row = random.integer(1, 40);
      const text = random.next() < 0.5 ? `row-${row}-of-the-timeline` : `record-${row}-of-the-log`;
      const file = await writtenDatabase();
      flipBit(file, text, random.integer(0, 8 * text.length - 1));
      expect((await verifyDatabase(file)).ok).toBe(false);
    },
  );
});

function flipLink(seq: number): (file: string) => void {
  return (file) => {
    const [link] = query(file, 'SELECT hash FROM timeline_chain WHERE seq = ?', seq);
    flipBit(file, link?.['hash'] as Buffer, 77);
  };
}
