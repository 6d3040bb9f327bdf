/** A failure of a run, as the statechart gets it. */

import { remedyOf, retryAfterMsOf, type ErrorFacts, type Remedy } from '../../src/domain/errors.ts';
import type { SourceFact } from '../../machines/source-machine.ts';
import { retryAfterFact } from './hold-offs.ts';
import type { IntakePorts } from './intake-ports.ts';
import type { SourceRig } from './source-rig.ts';

export function linkFailed(
  ports: Pick<IntakePorts, 'clock' | 'random'>,
  error: unknown,
  facts?: ErrorFacts,
): SourceFact {
  const remedy: Remedy | undefined = remedyOf(error);
  const { code, message } = facts ?? { code: 'HG_SOURCE_CRASHED', message: String(error) };
  return {
    type: 'link.failed',
    error: { code, message },
    remedy,
    monoMs: ports.clock.monotonicMs(),
    roll: ports.random.next(),
    ...retryAfterFact(error),
  };
}

/** Notes how long the far end wants to be left alone; what is left of a wait is no new one. */
export function noteHoldOff(ports: Pick<IntakePorts, 'holdOff'>, rig: SourceRig, error: unknown): void {
  const waitMs = retryAfterMsOf(error);
  if (waitMs > rig.heldOffMs) ports.holdOff(rig, waitMs);
}
