/** The two ways a sink waits: for a time, and for its last link to close. */

import type { Clock } from '../../../src/domain/clock.ts';
import { errorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { SinkSpec } from '../../../src/domain/sink.ts';
import type { DeadlineRow } from '../../../src/domain/timeline.ts';
import type { ResumedSinkWait, SinkFact, SinkWaitInput } from '../../../machines/sink-machine.ts';
import { farEndOf, isSameFarEnd, NO_FAR_END } from '../../support/far-end.ts';
import { managed } from '../../support/managed.ts';
import type { SinkRuntime } from './sink-runtime.ts';

/** Keeps what a sink waits for, as an absolute time. */
type SaveDeadline = (deadline: DeadlineRow) => void;

/** What stands for a sink that waits no longer. */
export function noSinkWait({ tenant, id: sourceId }: Pick<SinkSpec, 'tenant' | 'id'>): DeadlineRow {
  const none = { state: 'connecting', dueAtMs: null, failures: 0, farEnd: NO_FAR_END } as const;
  return { tenant, sourceId, kind: 'sink', ...none };
}

/** Reports `wait.over` after `delayMs`. A deadline that is to be kept is kept until then, so that a start
 *  after a crash waits for the rest only. Where the far end has asked for the wait it is kept also when the
 *  sink is stopped before. */
export function createSinkWait(clock: Clock, save: SaveDeadline) {
  return managed<SinkWaitInput, SinkFact>(sinkPortFailed, (scope, { delayMs, kept }) => {
    const timer = clock.setTimeout(() => scope.send({ type: 'wait.over' }), delayMs);
    scope.onClose(() => clock.clearTimeout(timer));
    if (kept === null) return;
    const { state, failures } = kept;
    const runtime = kept.runtime as SinkRuntime;
    const none = noSinkWait(runtime.spec);
    const askedRestMs = () => runtime.notBeforeMonoMs - clock.monotonicMs();
    const until = (restMs: number): DeadlineRow => {
      const own = farEndOf(runtime.spec);
      const farEnd = askedRestMs() > 0 ? { ...own, optionsCrc: null } : own;
      return { ...none, state, failures, dueAtMs: clock.wallMs() + restMs, farEnd };
    };
    save(until(delayMs));
    scope.onClose(() => {
      const restMs = askedRestMs();
      save(restMs > 0 ? until(restMs) : none);
    });
  });
}

/** What is left of a wait that was kept. It is never longer than the sink's own options have it, or a far end
 *  may ask for, whatever became of the wall clock meanwhile. Null where the sink starts at once: there was no
 *  wait, or its address or options have changed. */
export function resumedSinkWait(
  spec: SinkSpec,
  kept: DeadlineRow | undefined,
  nowMs: number,
): ResumedSinkWait | null {
  if (kept === undefined || !isSameFarEnd(spec, kept.farEnd)) return null;
  const { state, dueAtMs, failures } = kept;
  const { backoff, breaker } = spec;
  if (dueAtMs === null || (state !== 'backingOff' && state !== 'circuitOpen')) return null;
  const waitMsMax = Math.max(backoff.maxMs, breaker.coolDownMs, LIMITS.retryAfterMsMax);
  return { state, failures, waitMs: Math.min(Math.max(0, dueAtMs - nowMs), waitMsMax) };
}

/** Reports `drain.finished` when the last link has closed; at the latest after `deadlineMs`, and then what is
 *  under way is given up. */
export function createSinkDrain(clock: Clock) {
  return managed<{ runtime: object; deadlineMs: number }, SinkFact>(sinkPortFailed, (scope, input) => {
    const runtime = input.runtime as SinkRuntime;
    const finish = (forced: boolean) => {
      if (forced) runtime.abort();
      scope.send({ type: 'drain.finished', forced });
    };
    if (runtime.closing === null) {
      finish(false);
      return;
    }
    if (input.deadlineMs <= 0) {
      finish(true);
      return;
    }
    const timer = clock.setTimeout(() => finish(true), input.deadlineMs);
    scope.onClose(() => clock.clearTimeout(timer));
    void runtime.closing.then(() => finish(false));
  });
}

export function sinkPortFailed(error: unknown): SinkFact {
  return { type: 'port.failed', error: errorFacts(error, 'HG_ENGINE_ESCALATED') };
}
