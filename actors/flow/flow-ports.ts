/** The ports of rate limiter and pipeline: they open the data plane, watch it, and report edges. */

import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts } from '../../src/domain/errors.ts';
import { RATE_WINDOW_MS } from '../../src/pipeline/rate-limiter.ts';
import type { PartFact } from '../../machines/ports.ts';
import { managed } from '../managed.ts';
import type { Exit } from './exit.ts';
import type { Plane } from './plane.ts';

/** How often the pipeline is looked at: at the second look without progress it counts as blocked. */
const LOOK_MS = 1_000;
/** How often a draining pipeline is looked at. */
const DRAIN_LOOK_MS = 5;

export function partFailed(error: unknown): PartFact {
  return { type: 'part.failed', error: errorFacts(error, 'HG_ENGINE_ESCALATED') };
}

/** Opens the gate. Reports `limit.hit` at the first refusal, and `limit.cleared` a window after the pause of
 *  the last one: a limit that holds records back window after window is hit all the while. */
export function createGatePort(clock: Clock, plane: Plane) {
  return managed<undefined, { type: string } & Record<string, unknown>>(partFailed, (scope) => {
    let timer: TimerHandle = undefined;
    let lastMonoMs = 0;
    let dropped = 0;

    const look = () => {
      const calmAtMs = lastMonoMs + RATE_WINDOW_MS;
      const remainingMs = calmAtMs - clock.monotonicMs();
      if (remainingMs > 0) {
        timer = clock.setTimeout(look, Math.ceil(remainingMs));
        return;
      }
      timer = undefined;
      scope.send({ type: 'limit.cleared', dropped });
      dropped = 0;
    };
    const limited = plane.limited$.subscribe(
      scope.guard((event) => {
        const { limit } = event;
        lastMonoMs = Math.max(clock.monotonicMs(), limit.pausedUntilMs);
        dropped += event.dropped;
        if (timer !== undefined) return;
        timer = clock.setTimeout(look, RATE_WINDOW_MS);
        const { scope: limitScope, recordsPerSecondMax } = limit.options;
        scope.send({ type: 'limit.hit', scope: limitScope, recordsPerSecondMax });
      }),
    );
    scope.onClose(() => {
      if (timer !== undefined) clock.clearTimeout(timer);
      limited.unsubscribe();
      plane.close();
    });
    plane.open();
  });
}

/** Runs the stages. Reports `flow.blocked` when records wait and none moves, `flow.moved` when they do again,
 *  and `flow.drained` after a drain. `waiting` counts the records in outlets. */
export function createStagesPort(clock: Clock, plane: Plane, exit: Exit, waiting: () => number) {
  return managed<undefined, { type: string } & Record<string, unknown>, { type: string; deadlineMs: number }>(
    partFailed,
    (scope) => {
      let progress = plane.progress;
      let isBlocked = false;
      let timer: TimerHandle = undefined;

      const watch = () => {
        const waitingRecords = waiting() + plane.flow.size;
        const stoodStill = progress === plane.progress && waitingRecords > 0;
        progress = plane.progress;
        if (stoodStill && !isBlocked) scope.send({ type: 'flow.blocked', waitingRecords });
        if (!stoodStill && isBlocked) scope.send({ type: 'flow.moved' });
        isBlocked = stoodStill;
        timer = clock.setTimeout(watch, LOOK_MS);
      };
      const drain = (endMonoMs: number) => {
        const isLate = clock.monotonicMs() >= endMonoMs;
        const isDone = waiting() === 0 && plane.isIdle;
        if (!isDone && !isLate) {
          timer = clock.setTimeout(() => drain(endMonoMs), DRAIN_LOOK_MS);
          return;
        }
        scope.send({ type: 'flow.drained', lostRecords: isDone ? 0 : plane.flow.size + exit.clear() });
      };
      scope.receive((command) => {
        if (command.type !== 'pipeline.drain') return;
        clock.clearTimeout(timer);
        drain(clock.monotonicMs() + command.deadlineMs);
      });
      const failures = plane.failures$.subscribe((error) => scope.send(partFailed(error)));
      scope.onClose(() => {
        if (timer !== undefined) clock.clearTimeout(timer);
        failures.unsubscribe();
        plane.flow.stop();
      });
      timer = clock.setTimeout(watch, LOOK_MS);
    },
  );
}
