/** A folder for the databases of one measurement; it goes with it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Scratch extends Disposable {
  /** A path where there is no file yet. */
  nextFile(): string;
}

export function scratchFolder(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  let files = 0;
  return {
    nextFile: () => join(folder, `${++files}.db`),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
