/** Turns faults into tests: what is promised for each is what happens. One after the other, since several engines at
 *  once on a small machine would measure the machine. */

import { describe, expect, test } from 'vitest';
import { mosquittoMissing } from '../../support/mqtt-brokers.ts';
import { differences, type Fault } from './fault.ts';

const SEED = 3;
const FAULT_MS_MAX = 120_000;

export function checkFaults(faults: readonly Fault[]): void {
  describe('an engine', () => {
    for (const fault of faults) {
      const refusal = mosquittoMissing ?? fault.unavailable?.();
      const note = refusal === undefined ? '' : ` (skipped: ${refusal})`;
      test.skipIf(refusal !== undefined)(
        `${fault.title} (${fault.name})${note}`,
        async () => {
          const observed = await fault.run({ scale: 'short', seed: SEED });
          expect(differences(fault.expected, observed)).toEqual([]);
        },
        FAULT_MS_MAX,
      );
    }
  });
}
