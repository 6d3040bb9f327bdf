/** Turns faults into tests: what is promised for each is what happens. One after the other, since several
 *  engines at once on a small machine would measure the machine. */

import { describe, expect, test } from 'vitest';
import { mosquittoMissing } from '../../support/mqtt-brokers.ts';
import { skipNote } from '../../support/skip-note.ts';
import { differences, type Fault } from './fault.ts';

const SEED = 3;
const FAULT_MS_MAX = 240_000;

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

/** Checks the order of events: that the loop goes on shows in answers that come while a fault lasts. How many
 *  milliseconds it stood still is a figure of the machine: `chaos faults` measures it. */
async function differencesOf(fault: Fault): Promise<string[]> {
  const { stallMs: _, ...expected } = fault.expected;
  return differences(expected, await fault.run({ scale: 'short', seed: SEED }));
}
