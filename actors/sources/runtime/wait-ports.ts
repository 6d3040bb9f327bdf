/** The two ways a source waits: for a time, and for its end. Timers of their own instead of XState's `after`:
 *  XState looks through all pending timers of the system whenever an actor stops, which at ten thousand
 *  waiting sources takes seconds. */

import type { Clock } from '../../../src/domain/clock.ts';
import { errorFacts } from '../../../src/domain/errors.ts';
import type { SourceFact, WaitInput } from '../../../machines/source-machine.ts';
import { managed, type Scope } from '../../support/managed.ts';
import type { ReconnectPacer } from './reconnect-pacer.ts';
import type { SourceRuntime } from './source-runtime.ts';

/** Keeps what a source waits for, as an absolute time; null: it waits no longer. */
export type KeepDeadline = (runtime: SourceRuntime, wait: KeptWait | null) => void;
export interface KeptWait {
  readonly state: WaitInput['state'];
  /** Epoch milliseconds. */
  readonly dueAtMs: number;
  readonly failures: number;
}

/** Reports `wait.over` after `delayMs`, when the pacer of all sources gives it a turn. Until then the
 *  deadline is kept, so that a start after a crash waits for the rest only. */
export function createWait(clock: Clock, keep: KeepDeadline, pacer: ReconnectPacer) {
  return managed<WaitInput, SourceFact>(portFailed, (scope, { delayMs, runtime, state, failures }) => {
    let giveUpTurn = () => {};
    const timer = clock.setTimeout(() => {
      giveUpTurn = pacer.enter(() => scope.send({ type: 'wait.over' }));
    }, delayMs);
    keep(runtime as SourceRuntime, { state, dueAtMs: clock.wallMs() + delayMs, failures });
    scope.onClose(() => {
      clock.clearTimeout(timer);
      giveUpTurn();
      keep(runtime as SourceRuntime, null);
    });
  });
}

/** Reports `drain.finished` when the last run has settled and the outlet is empty; at the latest after
 *  `deadlineMs`, and then what is left in the outlet is lost and counted. */
export function createDrain(clock: Clock) {
  return managed<{ runtime: object; deadlineMs: number }, SourceFact>(
    portFailed,
    (scope, { runtime, deadlineMs }) => {
      drain(clock, scope, runtime as SourceRuntime, deadlineMs);
    },
  );
}

function drain(clock: Clock, scope: Scope<SourceFact>, runtime: SourceRuntime, deadlineMs: number): void {
  const finish = (forced: boolean) => {
    scope.send({ type: 'drain.finished', forced, lostRecords: forced ? runtime.giveUp() : 0 });
  };
  if (runtime.isDrained) {
    finish(false);
    return;
  }
  if (deadlineMs <= 0) {
    finish(true);
    return;
  }
  const timer = clock.setTimeout(() => finish(true), deadlineMs);
  scope.onClose(() => clock.clearTimeout(timer));
  // After the deadline the result is not used; the promise goes with the runtime.
  void runtime.whenDrained().then(() => finish(false));
}

function portFailed(error: unknown): SourceFact {
  return { type: 'port.failed', error: errorFacts(error, 'HG_ENGINE_ESCALATED') };
}
