/** The time that the opening of a source's link may take, and what its error says when that is over. */

import type { Clock, TimerHandle } from '../../../src/domain/clock.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SourceSpec } from '../../../src/domain/source.ts';
import { shownSpan } from '../../../src/domain/time-text.ts';

export class ConnectTimer {
  readonly #clock: Clock;
  #timer: TimerHandle = undefined;
  /** Names the step that the opening waits for. */
  #describeStep: (() => string) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(timeoutMs: number, onTimeout: () => void): void {
    this.#timer = this.#clock.setTimeout(onTimeout, timeoutMs);
  }

  /** The link stands, or the run is over. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#describeStep = null;
  }

  awaits(describeStep: () => string): void {
    if (this.#timer !== undefined) this.#describeStep = describeStep;
  }

  error({ logic: { target }, connectTimeoutMs }: SourceSpec): HeadgateError {
    const missing = this.#describeStep?.() ?? `no open link${target === undefined ? '' : ` to ${target}`}`;
    const message = `${missing} within ${shownSpan(connectTimeoutMs)}`;
    return new HeadgateError('HG_SOURCE_CONNECT_TIMEOUT', message);
  }
}
