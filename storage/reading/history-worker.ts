/** The program of the thread that reads the database for a {@link History}. */

import { parentPort, workerData } from 'node:worker_threads';
import type { FromReader, Question, ReaderOptions, ToReader } from './history-protocol.ts';
import { createPathReader } from './path-reader.ts';
import { storageError } from '../file/storage-error.ts';
import { wireError } from '../worker/worker-protocol.ts';

if (parentPort === null) throw new Error('this program runs in a worker thread only');
// A report of the process shows the environment once for each thread, whatever the main thread says.
process.report.excludeEnv = true;
const port = parentPort;
const post = (message: FromReader) => port.postMessage(message);
const { path } = workerData as ReaderOptions;
const reader = createPathReader(path);

port.on('message', (message: ToReader) => {
  const { id } = message;
  if (message.question === 'close') {
    reader.close();
    post({ id, value: null });
    port.close();
    return;
  }
  try {
    post({ id, value: answer(message.question, message.args) });
  } catch (error) {
    post({ id, error: wireError(storageError(error, path)) });
  }
});

function answer(question: Question, args: readonly unknown[]): unknown {
  return reader.ask((tables) => (tables[question] as (...values: readonly unknown[]) => unknown)(...args));
}
