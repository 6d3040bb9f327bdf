import { expect, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { startChild } from './child-process.ts';
import { writeBatch, openStore, query, temporaryFile, timelineRow } from './fixture.ts';

test('a process killed while it writes keeps what it said was committed, and no unit by half', async () => {
  const file = temporaryFile();
  let killedRuns = 0;
  for (const units of [1, 5, 23]) {
    const child = startChild('write', file);
    await child.printed(1 + units);
    await child.kill();
    killedRuns++;
    const acknowledged = Number(child.lines.at(-1));

    const reader = openTimelineReader(file);
    const seqs = reader.timeline().map((row) => row['seq'] as number);
    reader.close();
    expect(seqs.length).toBeGreaterThanOrEqual(acknowledged);
    expect(seqs).toEqual(Array.from(seqs, (_, index) => index + 1));
    expect(seqs.length % 7).toBe(0);
    const records = query(file, 'SELECT source_seq FROM records ORDER BY seq').map(
      (row) => row['source_seq'],
    );
    expect(records).toEqual(seqs);

    const store = await openStore(file, { nowMs: 50_000 });
    expect(store.lastSeq).toBe(seqs.length);
    expect(store.cursors.get('default/plc-0')).toBe(String(seqs.length));
    expect(store.previousRun).toMatchObject({
      run: store.run - 1,
      end: 'crash',
      lastAtMs: 1_000 + seqs.length,
    });
    await store.close({ atMs: 60_000 });
  }
  const ends = query(file, 'SELECT end, count(*) AS runs FROM runs GROUP BY end ORDER BY end');
  expect(ends).toEqual([
    { end: 'clean', runs: killedRuns },
    { end: 'crash', runs: killedRuns },
  ]);
});

test('a file left by a killed process can be written on', async () => {
  const file = temporaryFile();
  const child = startChild('write', file);
  await child.printed(3);
  await child.kill();
  const store = await openStore(file);
  const seq = store.lastSeq + 1;
  await store.commit(
    writeBatch({ timeline: [timelineRow({ seq, run: store.run, event: 'engine.started' })] }),
  );
  expect(query(file, 'SELECT seq FROM timeline WHERE run = ?', store.run)).toEqual([{ seq }]);
});
