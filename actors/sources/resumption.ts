/** What a source goes on with that a crash of the engine cut off: the rest of a wait, the phase of its polls.
 */

import type { DeadlineRow } from '../../src/domain/timeline.ts';
import { isSameFarEnd } from '../far-end.ts';
import type { SourceRig } from './source-rig.ts';

/** Hands a rig what was kept of its source. A wait is never longer than the source's own options have it,
 *  whatever became of the wall clock meanwhile. A source whose address or options have changed starts at
 *  once. */
export function resume(rig: SourceRig, kept: readonly DeadlineRow[], nowMs: number): void {
  for (const { kind, state, dueAtMs, failures, farEnd } of kept) {
    if (dueAtMs === null || !isSameFarEnd(rig.spec, farEnd)) continue;
    if (kind === 'poll') {
      rig.pollsSinceMs = dueAtMs <= nowMs ? dueAtMs : null;
    } else if (kind === 'wait' && (state === 'backingOff' || state === 'circuitOpen')) {
      const { restart, breaker } = rig.spec;
      const waitMsMax = state === 'backingOff' ? restart.backoff.maxMs : breaker.coolDownMs;
      rig.resume = { state, waitMs: Math.min(Math.max(0, dueAtMs - nowMs), waitMsMax), failures };
    }
  }
}
