/** A log that what goes wrong over and over cannot fill: of each line, as it reads, so many are written in a
 *  minute, and the next one after that says how many were not (`suppressed`). The timeline has them all. */

import type { Clock } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';

const MINUTE_MS = 60_000;

interface Budget {
  minute: number;
  written: number;
  suppressed: number;
}

/** `debug` and `info` are written as they come. */
export function rateLimitedLogger(log: Logger, clock: Clock): Logger {
  const budgets = new Map<string, Budget>();

  const bounded =
    (level: 'warn' | 'error') =>
    (fields: object, message: string): void => {
      const minute = Math.floor(clock.monotonicMs() / MINUTE_MS);
      const budget = budgetOf(`${level} ${message}`, minute);
      if (budget.written >= LIMITS.logLinesPerMinuteMax) {
        budget.suppressed++;
        return;
      }
      budget.written++;
      const { suppressed } = budget;
      budget.suppressed = 0;
      log[level](suppressed === 0 ? fields : { ...fields, suppressed }, message);
    };

  const budgetOf = (line: string, minute: number): Budget => {
    const known = budgets.get(line);
    if (known !== undefined) {
      if (known.minute !== minute) known.written = 0;
      known.minute = minute;
      return known;
    }
    // So many different lines are no flood of one: they are forgotten.
    if (budgets.size >= LIMITS.logLinesKnownMax) budgets.clear();
    const fresh = { minute, written: 0, suppressed: 0 };
    budgets.set(line, fresh);
    return fresh;
  };

  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: bounded('warn'),
    error: bounded('error'),
  };
}
