/** Paces the connecting of sources whose wait is over, over all sources of an engine: after the outage of a
 *  broker that thousands of them use, they come back in turn instead of all in one instant.
 *
 *  Guarantees: in any second no more than the bound begin; who waited first goes first; one that is stopped
 *  meanwhile takes no turn. As long as fewer come, none is held up. */

import type { Clock, TimerHandle } from '../../../src/domain/clock.ts';

const SECOND_MS = 1_000;

export interface ReconnectPacer {
  /** Calls `go` when it is this one's turn: at once, where the bound allows it. Returns what gives up the
   *  turn. */
  enter(go: () => void): () => void;
}

export function createReconnectPacer(clock: Clock, perSecondMax: number): ReconnectPacer {
  /** Monotonic times of the last ones that began, a ring. */
  const begun = new Float64Array(perSecondMax).fill(Number.NEGATIVE_INFINITY);
  let next = 0;
  const waiting = new Set<{ readonly go: () => void }>();
  let timer: TimerHandle;

  /** How long until one more may begin. */
  const waitMs = (): number => (begun[next] as number) + SECOND_MS - clock.monotonicMs();
  const begin = (go: () => void): void => {
    begun[next] = clock.monotonicMs();
    next = (next + 1) % perSecondMax;
    go();
  };
  const pump = (): void => {
    timer = undefined;
    for (const turn of waiting) {
      if (waitMs() > 0) break;
      waiting.delete(turn);
      begin(turn.go);
    }
    if (waiting.size > 0 && timer === undefined) timer = clock.setTimeout(pump, Math.max(1, waitMs()));
  };

  return {
    enter(go) {
      if (waiting.size === 0 && waitMs() <= 0) {
        begin(go);
        return () => {};
      }
      const turn = { go };
      waiting.add(turn);
      timer ??= clock.setTimeout(pump, Math.max(1, waitMs()));
      return () => {
        waiting.delete(turn);
        if (waiting.size > 0 || timer === undefined) return;
        clock.clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}
