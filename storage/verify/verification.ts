/** Shared state of the steps of a verification. */

import type Database from 'better-sqlite3';
import type { ProblemList, VerifyProgress } from './verify-report.ts';

export interface Verification {
  readonly db: Database.Database;
  readonly problems: ProblemList;
  readonly progress: (step: VerifyProgress['step'], rows: number, rowsTotal: number) => Promise<void>;
}
