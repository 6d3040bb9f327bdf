/** Rows that strangers can cause, at most so many a minute. The others are counted, and the count is one row
 *  at the minute's end: what floods the timeline can fill neither it nor the disk. */

import type { Clock, TimerHandle } from './clock.ts';

export interface BoundedRowsPorts<Row> {
  readonly clock: Clock;
  readonly perMinuteMax: number;
  readonly write: (row: Row) => void;
  /** Writes that so many more came within the minute. */
  readonly writeCount: (count: number) => void;
}

const MINUTE_MS = 60_000;

export class BoundedRows<Row> {
  readonly #ports: BoundedRowsPorts<Row>;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #counted = 0;
  #timer: TimerHandle = undefined;

  constructor(ports: BoundedRowsPorts<Row>) {
    this.#ports = ports;
  }

  /** Whether the row was written; false: it is counted. */
  add(row: Row): boolean {
    const { clock, perMinuteMax, write } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#sinceMs >= MINUTE_MS) {
      this.flush();
      this.#sinceMs = nowMs;
      this.#written = 0;
    }
    if (this.#written < perMinuteMax) {
      this.#written++;
      write(row);
      return true;
    }
    this.#counted++;
    this.#timer ??= clock.setTimeout(() => this.flush(), this.#sinceMs + MINUTE_MS - nowMs);
    return false;
  }

  /** Writes the count, where there is one. To be called before the rows' owner ends, too. */
  flush(): void {
    if (this.#timer !== undefined) this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const count = this.#counted;
    this.#counted = 0;
    if (count > 0) this.#ports.writeCount(count);
  }
}
