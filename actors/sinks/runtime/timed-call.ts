/** Calls of users' code that must not take for ever: one at a time, with a time limit, and given up when told
 *  so. What was given up goes on by itself; `settled` tells when it has come to its end. */

import type { Clock } from '../../../src/domain/clock.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SinkSpec } from '../../../src/domain/sink.ts';
import { shownSpan } from '../../../src/domain/time-text.ts';

/** The event that did not happen in time, for {@link TimedCalls.run}: a link was not opened. */
export function linkUnopened({ logic: { target } }: SinkSpec): string {
  return `no open link${target === undefined ? '' : ` to ${target}`}`;
}

/** Likewise: a delivery was not done. */
export function deliveryUndone({ logic: { target } }: SinkSpec): string {
  return `a delivery${target === undefined ? '' : ` to ${target}`} was not done`;
}

export class TimedCalls {
  readonly #clock: Clock;
  #giveUp: ((error: unknown) => void) | null = null;
  #settled: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the call under way has settled, whatever became of it. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Whether a call is waited for. */
  get isWaiting(): boolean {
    return this.#giveUp !== null;
  }

  /** The call under way is waited for no longer: it has failed with `error`. */
  giveUp(error: unknown): void {
    this.#giveUp?.(error);
  }

  /** Calls `work` and gives back what comes of it. `missing` says what did not happen, for the message:
   *  `no open link`.
   *  @throws HeadgateError HG_SINK_TIMEOUT after `timeoutMs`; what `work` or {@link giveUp} say. */
  run<Result>(missing: () => string, timeoutMs: number, work: () => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        const message = `${missing()} within ${shownSpan(timeoutMs)}`;
        over(() => reject(new HeadgateError('HG_SINK_TIMEOUT', message)));
      }, timeoutMs);
      let isOver = false;
      const over = (tell: () => void) => {
        // What was given up settles late; another call may be under way by then.
        if (isOver) return;
        isOver = true;
        this.#clock.clearTimeout(timer);
        this.#giveUp = null;
        tell();
      };
      this.#giveUp = (error) => over(() => reject(error));
      // An async function around it: what it throws at once is a rejection, too.
      this.#settled = (async () => work())().then(
        (result) => over(() => resolve(result)),
        (error: unknown) => over(() => reject(error)),
      );
    });
  }
}
