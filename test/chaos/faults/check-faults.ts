/** Turns faults into tests: what is promised for each is what happens. One after the other, since several
 *  engines at once on a small machine would measure the machine. */

import { describe, expect, test } from 'vitest';
import { mosquittoMissing } from '../../support/mqtt-brokers.ts';
import { skipNote } from '../../support/skip-note.ts';
import { differences, type Fault } from './fault.ts';

const SEED = 3;
const FAULT_MS_MAX = 240_000;
const TRIES_MAX = 4;

export function checkFaults(faults: readonly Fault[]): void {
  describe('an engine', () => {
    for (const fault of faults) {
      const refusal = mosquittoMissing ?? fault.unavailable?.();
      test.skipIf(refusal !== undefined)(
        `${fault.title} (${fault.name})${skipNote(refusal)}`,
        async () => {
          expect(await differencesOf(fault)).toEqual([]);
        },
        FAULT_MS_MAX,
      );
    }
  });
}

/** A stall of the loop alone is looked for again: what the engine does to its loop, it does each time, and
 *  what else goes on in the machine can only add to it. Anything else that is wrong once is wrong. */
async function differencesOf(fault: Fault): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    const found = differences(fault.expected, await fault.run({ scale: 'short', seed: SEED }));
    const isStallAlone = found.length === 1 && found[0]?.startsWith('stallMs ') === true;
    if (!isStallAlone || tries === TRIES_MAX) return found;
  }
}
