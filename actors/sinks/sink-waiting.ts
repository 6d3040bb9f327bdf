/** The two ways a sink waits: for a time, and for its last link to close. */

import type { Clock } from '../../src/domain/clock.ts';
import { errorFacts } from '../../src/domain/errors.ts';
import type { SinkFact } from '../../machines/sink-machine.ts';
import { managed } from '../managed.ts';
import type { SinkRig } from './sink-rig.ts';

/** Reports `wait.over` after `delayMs`. */
export function createSinkWait(clock: Clock) {
  return managed<{ delayMs: number }, SinkFact>(sinkPortFailed, (scope, { delayMs }) => {
    const timer = clock.setTimeout(() => scope.send({ type: 'wait.over' }), delayMs);
    scope.onClose(() => clock.clearTimeout(timer));
  });
}

/** Reports `drain.finished` when the last link has closed; at the latest after `deadlineMs`, and then what is
 *  under way is given up. */
export function createSinkDrain(clock: Clock) {
  return managed<{ rig: object; deadlineMs: number }, SinkFact>(sinkPortFailed, (scope, input) => {
    const rig = input.rig as SinkRig;
    const finish = (forced: boolean) => {
      if (forced) rig.abort();
      scope.send({ type: 'drain.finished', forced });
    };
    if (rig.closing === null) {
      finish(false);
      return;
    }
    if (input.deadlineMs <= 0) {
      finish(true);
      return;
    }
    const timer = clock.setTimeout(() => finish(true), input.deadlineMs);
    scope.onClose(() => clock.clearTimeout(timer));
    void rig.closing.then(() => finish(false));
  });
}

export function sinkPortFailed(error: unknown): SinkFact {
  return { type: 'port.failed', error: errorFacts(error, 'HG_ENGINE_ESCALATED') };
}
