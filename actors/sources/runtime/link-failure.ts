/** A failure of a run, as the statechart gets it. */

import { remedyOf, retryAfterMsOf, type ErrorFacts, type Remedy } from '../../../src/domain/errors.ts';
import type { SourceFact } from '../../../machines/source-machine.ts';
import { retryAfterFact } from './hold-offs.ts';
import type { SourceRunPorts } from './source-run-ports.ts';
import type { SourceRuntime } from './source-runtime.ts';

export function linkFailed(
  ports: Pick<SourceRunPorts, 'clock' | 'random'>,
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
    random: ports.random.next(),
    ...retryAfterFact(error),
  };
}

/** Notes how long the far end wants to be left alone; what is left of a wait is no new one. */
export function noteHoldOff(
  ports: Pick<SourceRunPorts, 'holdOff'>,
  runtime: SourceRuntime,
  error: unknown,
): void {
  const waitMs = retryAfterMsOf(error);
  if (waitMs > runtime.heldOffMs) ports.holdOff(runtime, waitMs);
}
