/** The program of the thread that makes or restores one backup. It ends by itself. */

import { parentPort, workerData } from 'node:worker_threads';
import { storageError } from '../file/storage-error.ts';
import { wireError } from '../worker/worker-protocol.ts';
import { backupDatabase } from './backup-database.ts';
import type { BackupJob, FromBackup } from './backup-job.ts';
import { restoreDatabase } from './restore-database.ts';

if (parentPort === null) throw new Error('this program runs in a worker thread only');
const port = parentPort;
const post = (message: FromBackup) => port.postMessage(message);
const job = workerData as BackupJob;

try {
  post({ report: await carryOut() });
} catch (error) {
  post({ error: wireError(storageError(error, job.path)) });
}

function carryOut() {
  if (job.kind === 'backup') return backupDatabase(job.path, job.target);
  const { backup, path, nowMs, uuid } = job;
  return restoreDatabase(backup, path, { nowMs, uuid: () => uuid });
}
