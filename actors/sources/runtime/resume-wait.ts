/** Resumes what a crash of the engine interrupted: the rest of a wait, the phase of polls. */

import type { DeadlineRow } from '../../../src/domain/timeline.ts';
import { isSameFarEnd } from '../../support/far-end.ts';
import type { SourceRuntime } from './source-runtime.ts';

/** Hands a runtime what was kept of its source. A wait is never longer than the source's own options have it,
 *  whatever became of the wall clock meanwhile. A source whose address or options have changed starts at
 *  once. */
export function resume(runtime: SourceRuntime, kept: readonly DeadlineRow[], nowMs: number): void {
  for (const { kind, state, dueAtMs, failures, farEnd } of kept) {
    if (dueAtMs === null || !isSameFarEnd(runtime.spec, farEnd)) continue;
    if (kind === 'poll') {
      runtime.pollsSinceMs = dueAtMs <= nowMs ? dueAtMs : null;
    } else if (kind === 'wait' && (state === 'backingOff' || state === 'circuitOpen')) {
      const { restart, breaker } = runtime.spec;
      const waitMsMax = state === 'backingOff' ? restart.backoff.maxMs : breaker.coolDownMs;
      runtime.resume = { state, waitMs: Math.min(Math.max(0, dueAtMs - nowMs), waitMsMax), failures };
    }
  }
}
