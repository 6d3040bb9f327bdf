/** Waits that far ends asked for by Retry-After: until when each source leaves its one alone. It holds for
 *  every run of the source, whatever state it was in, for the incarnations after it, and over a restart of
 *  the process, as long as the source asks the same far end. */

import type { Clock } from '../../../src/domain/clock.ts';
import { HeadgateError, retryAfterMsOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { DeadlineRow } from '../../../src/domain/timeline.ts';
import { addressChecksum } from '../../support/far-end.ts';
import type { SourceRuntime } from './source-runtime.ts';

interface HoldOff {
  /** Of the far end's address. */
  readonly checksum: number;
  readonly untilMonoMs: number;
}

/** Entries beyond which those that are over are removed. */
const PRUNED_ABOVE = 1_024;

export class HoldOffs {
  readonly #clock: Clock;
  readonly #save: (deadline: DeadlineRow) => void;
  readonly #kept = new Map<string, HoldOff>();

  /** `rows` are those that an earlier run of the engine left. */
  constructor(clock: Clock, rows: Iterable<readonly DeadlineRow[]>, save: (deadline: DeadlineRow) => void) {
    this.#clock = clock;
    this.#save = save;
    const nowMs = clock.wallMs();
    for (const { tenant, sourceId, kind, dueAtMs, farEnd } of [...rows].flat()) {
      if (kind !== 'retryAfter' || dueAtMs === null) continue;
      // However far the wall clock was set back, no wait is longer than one may be.
      const restMs = Math.min(dueAtMs - nowMs, LIMITS.retryAfterMsMax);
      if (restMs <= 0) continue;
      const untilMonoMs = clock.monotonicMs() + restMs;
      this.#kept.set(`${tenant}/${sourceId}`, { checksum: farEnd.addressCrc, untilMonoMs });
    }
  }

  /** The far end of this source wants to be left alone for so long. */
  note(runtime: SourceRuntime, waitMs: number): void {
    const { spec, state } = runtime;
    const { tenant, id: sourceId } = spec;
    runtime.holdOff(waitMs);
    const checksum = addressChecksum(spec);
    if (checksum === null) return;
    if (this.#kept.size > PRUNED_ABOVE) this.#prune();
    this.#kept.set(`${tenant}/${sourceId}`, { checksum, untilMonoMs: this.#clock.monotonicMs() + waitMs });
    const dueAtMs = Math.ceil(this.#clock.wallMs() + waitMs);
    const farEnd = { addressCrc: checksum, optionsCrc: null };
    this.#save({ tenant, sourceId, kind: 'retryAfter', state, dueAtMs, failures: 0, farEnd });
  }

  /** Hands what is left of a wait to a new incarnation. */
  resume(runtime: SourceRuntime): void {
    const key = `${runtime.spec.tenant}/${runtime.spec.id}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    const restMs = kept.untilMonoMs - this.#clock.monotonicMs();
    if (restMs <= 0) this.#kept.delete(key);
    else if (kept.checksum === addressChecksum(runtime.spec)) runtime.holdOff(restMs);
  }

  #prune(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { untilMonoMs }] of this.#kept) if (untilMonoMs <= nowMs) this.#kept.delete(key);
  }
}

/** The part of a failure that the statechart gets. */
export function retryAfterFact(error: unknown): { retryAfterMs?: number } {
  const retryAfterMs = retryAfterMsOf(error);
  return retryAfterMs === 0 ? {} : { retryAfterMs };
}

/** The far end asked an earlier run, or incarnation, to wait, and the wait is not over. */
export function heldOffError({ heldOffMs, spec }: SourceRuntime): HeadgateError | null {
  if (heldOffMs <= 0) return null;
  const message = `${spec.logic.target ?? 'the far end'} asked to wait; ${Math.ceil(heldOffMs)} ms are left`;
  return new HeadgateError('HG_READ_STATUS', message, { details: { retryAfterMs: heldOffMs } });
}
