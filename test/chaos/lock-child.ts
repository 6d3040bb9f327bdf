/** Holds the write lock of the engine's database, as a careless tool would, until it is killed. Takes the
 *  options of the engine's child. */

import Database from 'better-sqlite3';
import type { Answer, ChildOptions } from './rig/child-protocol.ts';

const { file } = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
process.on('disconnect', () => process.exit(3));
// The engine holds the lock itself now and then: this waits for it.
const db = new Database(file, { timeout: 10_000 });
db.exec('BEGIN IMMEDIATE');
process.send?.({ type: 'started' } satisfies Answer);
// A connection that nothing refers to is closed by the garbage collector, and its lock is gone.
process.on('exit', () => void db.close());
