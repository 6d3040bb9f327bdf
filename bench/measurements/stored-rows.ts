/** Waits for rows of the timeline to be stored: nothing of them is left in memory then. */

import { setTimeout as wait } from 'node:timers/promises';
import type { Engine, TimelineRow } from '../../src/index.ts';

export interface StoredRows {
  readonly count: number;
  /** Resolves when so many are stored and the engine has let go of them. */
  reach(count: number): Promise<void>;
}

const LOOK_MS = 20;

/** Counts the sources' rows for which `counts` holds, as the engine stores them. */
export function countStoredRows(engine: Engine, counts: (row: TimelineRow) => boolean): StoredRows {
  let count = 0;
  engine.transitions$.subscribe((row) => {
    if (row.incarnation !== null && counts(row)) count++;
  });
  return {
    get count() {
      return count;
    },
    async reach(wanted) {
      while (count < wanted) await wait(LOOK_MS);
      // One more look: the unit they were stored with ends its own work first.
      await wait(LOOK_MS);
    },
  };
}
