/** A small life of an engine under the virtual clock: `child.ts SCENE FILE`. Prints what came of it as JSON.
 */

import Database from 'better-sqlite3';
import { createEngine, functionSink, pushSource } from '../../../src/index.ts';
import { virtualClock } from '../../../src/testing.ts';
import { verifyDatabase } from '../../../storage/verify/verify-database.ts';

const [scene, file = ''] = process.argv.slice(2);
const clock = virtualClock();
const seen: unknown[] = [];

/** Pushes these values, and gives the sink time. */
async function run(values: readonly number[]): Promise<void> {
  const engine = createEngine({ clock, seed: 1, timeline: { path: file } });
  const source = pushSource({ id: 'plc-7' });
  await clock.runUntil(engine.start());
  await clock.runUntil(engine.register(source));
  const deliver = async (batch: readonly { readonly data: unknown }[]) =>
    void seen.push(...batch.map(({ data }) => data));
  await clock.runUntil(engine.registerSink(functionSink({ id: 'cloud', deliver })));
  await clock.runUntil(source.pushAll(values));
  await clock.advance(1_000);
  await clock.runUntil(engine.stop());
}

function edit(sql: string): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}

await run([1, 2, 3]);
if (scene === 'emptied-log') {
  edit('DELETE FROM records');
  await run([4, 5]);
  process.stdout.write(JSON.stringify({ seen }));
} else {
  edit("UPDATE records SET data = '7' WHERE seq = 2");
  const { records, problemCount } = await verifyDatabase(file);
  process.stdout.write(JSON.stringify({ damaged: records.damaged, problemCount }));
}
