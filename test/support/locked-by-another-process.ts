/** Another process that holds the write lock of a database. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PROJECT_ROOT } from './project-files.ts';

export interface HeldLock {
  /** Lets go of the lock and ends the process. */
  release(): Promise<void>;
}

const PROGRAM = `
const db = new (require('better-sqlite3'))(process.argv[1]);
db.exec('BEGIN IMMEDIATE');
process.stdout.write('locked');
process.stdin.resume().on('end', () => { db.exec('ROLLBACK'); process.exit(0); });
`;

/** Resolves when the lock is held. It is held until it is released, or until this process ends. */
export async function lockedByAnotherProcess(file: string): Promise<HeldLock> {
  const holder = spawn(process.execPath, ['-e', PROGRAM, file], {
    cwd: PROJECT_ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  const locked = await Promise.race([once(holder.stdout, 'data'), ended.then(() => null)]);
  if (locked === null) throw new Error(`${file} could not be locked`);
  return {
    async release() {
      holder.stdin.end();
      await ended;
    },
  };
}
