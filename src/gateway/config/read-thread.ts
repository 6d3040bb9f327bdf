/** The program of the thread that reads a configuration. */

import { parentPort, workerData } from 'node:worker_threads';
import { readConfig } from './read-config.ts';
import type { ThreadReading } from './read-in-thread.ts';

if (parentPort === null) throw new Error('this program runs in a worker thread only');
// A report of the process shows the environment once for each thread, whatever the main thread says.
process.report.excludeEnv = true;
const { text, options } = workerData as ThreadReading;
parentPort.postMessage(readConfig(text, options));
