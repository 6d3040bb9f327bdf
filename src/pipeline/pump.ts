/** Moves batches from something that can be pulled to something that says how much it can bear. Pulling is
 *  what makes back-pressure: nothing is fetched that has no place to go. */

import type { Batch } from '../domain/record.ts';

export interface Upstream {
  /** Up to `max` items; an empty batch when there is nothing to give now. */
  take(max: number): Batch;
}

export interface Downstream {
  /** How many items may be pushed now. */
  readonly budget: number;
  push(batch: Batch): void;
}

export interface Pump {
  /** Something changed on either side: look again, soon. Many pokes in one turn make one look. */
  wake(): void;
  stop(): void;
}

/** Runs in a microtask after a poke, so that what arrives in one turn of the event loop travels as one batch
 *  and user code in stages never runs inside a transport's callback. `fail` hears of a throw, which ends the
 *  pump. */
export function createPump(
  upstream: Upstream,
  budget: () => number,
  emit: (batch: Batch) => void,
  fail: (error: unknown) => void,
): Pump {
  let scheduled = false;
  let stopped = false;

  const run = () => {
    scheduled = false;
    try {
      while (!stopped) {
        const room = budget();
        if (room <= 0) return;
        const batch = upstream.take(room);
        if (batch.length === 0) return;
        emit(batch);
      }
    } catch (error) {
      stopped = true;
      fail(error);
    }
  };
  return {
    wake() {
      if (scheduled || stopped) return;
      scheduled = true;
      queueMicrotask(run);
    },
    stop() {
      stopped = true;
    },
  };
}
