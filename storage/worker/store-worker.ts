/** The program of the thread that writes the database. It ends by itself when the store is closed: a thread
 *  that is stopped from outside in the middle of a call of SQLite can take the process with it. */

import { parentPort, workerData } from 'node:worker_threads';
import { realClock } from '../../src/platform/real-clock.ts';
import { canonicalPath, isInMemory } from '../file/database-path.ts';
import { openEventStore } from '../open-event-store.ts';
import { storageError } from '../file/storage-error.ts';
import { StoreHost } from './worker-host.ts';
import { OPENING, wireError, type FromWorker } from './worker-protocol.ts';
import type { StoreFacts, ToWorker, WorkerOptions } from './worker-protocol.ts';

if (parentPort === null) throw new Error('this program runs in a worker thread only');
// A report of the process shows the environment once for each thread, whatever the main thread says.
process.report.excludeEnv = true;
const port = parentPort;
const post = (message: FromWorker) => port.postMessage(message);
const { uuids, ...options } = workerData as WorkerOptions;

/** A try that failed may have used one; two in a row are never the same. */
let taken = 0;
const uuid = () => uuids[taken++ % 2] as string;

try {
  const store = await openEventStore({ ...options, uuid });
  const file = isInMemory(options.path) ? options.path : canonicalPath(options.path);
  const host = new StoreHost({ store, file, clock: realClock, post, onClosed: () => port.close() });
  port.on('message', (message: ToWorker) => host.receive(message));
  post({ id: OPENING, value: factsOf(store) });
} catch (error) {
  post({ id: OPENING, error: wireError(storageError(error, options.path)) });
  port.close();
}

function factsOf(store: Awaited<ReturnType<typeof openEventStore>>): StoreFacts {
  const facts = Object.entries(store).filter(([name, value]) => name !== 'db' && typeof value !== 'function');
  return Object.fromEntries(facts) as unknown as StoreFacts;
}
