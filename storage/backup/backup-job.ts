/** What is asked of the thread that copies databases, and what it answers. */

import type { WireError } from '../worker/worker-protocol.ts';
import type { BackupReport } from './backup-database.ts';
import type { RestoreReport } from './restore-database.ts';

export type BackupJob =
  | { readonly kind: 'backup'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'restore';
      readonly backup: string;
      readonly path: string;
      readonly nowMs: number;
      /** A function cannot cross: the restored database gets this name. */
      readonly uuid: string;
    };

export interface BackupReports {
  readonly backup: BackupReport;
  readonly restore: RestoreReport;
}

export type FromBackup =
  | { readonly report: BackupReports[BackupJob['kind']] }
  | { readonly error: WireError };
