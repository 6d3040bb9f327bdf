/** How long ago the rows of a log came, however the wall clock was set meanwhile. Rows have wall time. The
 *  difference of two wall times is a duration where the clock did not jump in between. So the ends of the
 *  logs are noted at each jump: a row up to there is aged by the wall clock as it ran until then, and by the
 *  monotonic clock since. */

import type { Clock } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { LogName } from './log-feed.ts';

/** A stretch of the wall clock without a jump, which has ended. */
interface Stretch {
  readonly lastSeq: Readonly<Record<LogName, number>>;
  readonly endWallMs: number;
  readonly endMonoMs: number;
}

/** Ages that are nothing but rounding. */
const ROUNDING_MS = 1_000;

export class LogAges {
  readonly #clock: Clock;
  readonly #lastSeq: (log: LogName) => number;
  readonly #stretches: Stretch[] = [];

  constructor(clock: Clock, lastSeq: (log: LogName) => number) {
    this.#clock = clock;
    this.#lastSeq = lastSeq;
  }

  /** The wall clock jumped; `fromMs` is what it would say now if it had not. */
  jumped({ fromMs }: { readonly fromMs: number }): void {
    this.#stretches.push({
      lastSeq: { records: this.#lastSeq('records'), alerts: this.#lastSeq('alerts') },
      endWallMs: fromMs,
      endMonoMs: this.#clock.monotonicMs(),
    });
    // Of a clock that jumps all the time the oldest stretches become one with the next.
    if (this.#stretches.length > LIMITS.clockStretchesMax) this.#stretches.shift();
  }

  /** Milliseconds since the row `seq` came, which has the wall time `atMs`. Never negative. */
  ageMs(log: LogName, seq: number, atMs: number): number {
    // Before the stretches are looked at: this reading may find a jump.
    const wallMs = this.#clock.wallMs();
    const monoMs = this.#clock.monotonicMs();
    const stretches = this.#stretches;
    const at = stretches.findIndex(({ lastSeq }) => seq <= lastSeq[log]);
    const ageBy = ({ endWallMs, endMonoMs }: Stretch) => endWallMs - atMs + monoMs - endMonoMs;
    const stretch = stretches[at];
    const ageMs = stretch === undefined ? wallMs - atMs : ageBy(stretch);
    // What was on its way to the log at a jump bears the time before it.
    const before = stretches.at(at === -1 ? -1 : at - 1);
    const isFirst = before === undefined || at === 0;
    const isPossible = ageMs >= 0 && (isFirst || ageMs <= monoMs - before.endMonoMs + ROUNDING_MS);
    return Math.max(0, isPossible || isFirst ? ageMs : ageBy(before));
  }
}
