/** Makes or restores a backup in a thread of its own. Both take seconds per gigabyte, without a pause: in the
 *  thread of an engine they would hold up everything that it takes in. */

import { HeadgateError, messageOf } from '../../src/domain/errors.ts';
import { startThread } from '../worker/start-thread.ts';
import { errorOf } from '../worker/worker-protocol.ts';
import type { BackupJob, BackupReports, FromBackup } from './backup-job.ts';

/** @throws HeadgateError as `backupDatabase` and `restoreDatabase`; HG_STORAGE_FAILED where the thread ends
 *  without an answer. */
export function inThread<Kind extends BackupJob['kind']>(
  job: Extract<BackupJob, { kind: Kind }>,
): Promise<BackupReports[Kind]> {
  return new Promise((resolve, reject) => {
    const program = new URL('./backup-worker', import.meta.url);
    const worker = startThread(program, { name: 'headgate-backup', workerData: job });
    // What comes after an answer changes nothing.
    const died = (reason: string) => {
      const message = `${job.path}: the thread that was to ${job.kind} it has ended: ${reason}; try again`;
      reject(new HeadgateError('HG_STORAGE_FAILED', message, { details: { file: job.path } }));
    };
    worker.on('message', (answer: FromBackup) => {
      if ('report' in answer) resolve(answer.report as BackupReports[Kind]);
      else reject(errorOf(answer.error));
    });
    worker.on('error', (error: unknown) => died(messageOf(error)));
    worker.on('exit', (code) => died(`it exited with code ${code}`));
  });
}
