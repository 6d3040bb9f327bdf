/** A database that lost its end, under a whole engine. */

import { copyFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { simulatedSource, verifyDatabase } from '../../src/index.ts';
import { temporaryFile } from '../storage/fixture.ts';
import { startedRig } from '../support/engine-rig.ts';

/** Runs an engine on the file for a second. */
async function runOn(file: string) {
  const rig = await startedRig({ file }, simulatedSource({ id: 'a', intervalMs: 10 }));
  await rig.clock.advance(1_000);
  await rig.stop();
  return rig;
}

test('a database set back behind its mark is gone on with, after the lost numbers, and an alert says so', async () => {
  const file = temporaryFile();
  await runOn(file);
  copyFileSync(file, `${file}.backup`);
  const longer = await runOn(file);
  const last = (rig: typeof longer, table: string) =>
    rig.query(`SELECT max(seq) AS seq FROM ${table}`)[0]?.['seq'];
  const known = { timeline: last(longer, 'timeline'), records: last(longer, 'records') };
  copyFileSync(`${file}.backup`, file);

  const { query } = await runOn(file);
  const [alert] = query("SELECT event, severity, data FROM alerts WHERE actor = 'recorder'");
  expect(alert).toMatchObject({ event: 'STORAGE_TRUNCATED', severity: 'critical' });
  const { message, details } = JSON.parse(alert?.['data'] as string) as Record<string, unknown>;
  expect(message).toContain(`to ${String(known.records)}`);
  expect(details).toMatchObject({ timeline: { known: known.timeline }, records: { known: known.records } });
  const [row] = query("SELECT seq, kind FROM timeline WHERE event = 'storage.truncated'");
  expect(row?.['kind']).toBe('storage');
  expect(row?.['seq']).toBeGreaterThan(known.timeline as number);
  expect((await verifyDatabase(file)).problems).toEqual([]);

  const again = await runOn(file);
  expect(again.query("SELECT count(*) AS n FROM alerts WHERE event = 'STORAGE_TRUNCATED'")).toEqual([
    { n: 1 },
  ]);
});

test('a mark that cannot be read is a row, and no alert', async () => {
  const file = temporaryFile();
  await runOn(file);
  writeFileSync(`${file}-mark`, 'scratched');
  const { query } = await runOn(file);
  expect(query("SELECT kind, actor FROM timeline WHERE event = 'mark.unreadable'")).toEqual([
    { kind: 'storage', actor: 'recorder' },
  ]);
  expect(query("SELECT count(*) AS n FROM alerts WHERE event <> 'CLOCK_BEHIND'")).toEqual([{ n: 0 }]);
});
