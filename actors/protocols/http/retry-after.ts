/** The header Retry-After (RFC 9110, 10.2.3). */

import { LIMITS } from '../../../src/domain/limits.ts';
import type { Logger } from '../../../src/domain/logger.ts';
import { printable } from '../../../src/domain/printable-text.ts';
import type { HttpAnswer } from './transport.ts';

type WithHeader = Pick<HttpAnswer, 'header'>;

/** Between items as clients join them: not that of `1,5`, nor the one behind a day of the week. */
const LIST_COMMA = /(?<!\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*), +/i;
/** Seconds. The RFC knows whole ones; some servers send parts of them. */
const SECONDS = /^\d+(?:\.\d+)?$/;
/** The three forms of an HTTP date begin with a day of the week, ISO 8601 with the year. `Date.parse` alone
 *  takes `-5` for the month of May. */
const DATE = /^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d|\d{4}-\d\d-\d\dT)/i;
/** The form of asctime has no zone; it is GMT (RFC 9110, 5.6.7). */
const ASCTIME = /^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/i;

/** The wait that is asked for in milliseconds, rounded up, an hour at the most: seconds, or a date, which is
 *  measured against the far end's own clock where it shows one. A header that stands twice, or was joined to
 *  a list on its way, asks for the longest of its waits. Null where there is none that makes sense. */
export function retryAfter(answer: WithHeader, nowMs: number): number | null {
  const text = textOf(answer);
  const waits = text.split(LIST_COMMA).map((item) => {
    const one = item.trim();
    return SECONDS.test(one) ? Math.ceil(Number(one) * 1_000) : dateWait(one, answer, nowMs);
  });
  const waitMs = Math.max(...waits);
  return Number.isNaN(waitMs) ? null : Math.min(Math.max(waitMs, 0), LIMITS.retryAfterMsMax);
}

function textOf(answer: WithHeader): string {
  return answer.header('retry-after')?.trim() ?? '';
}

function dateWait(text: string, answer: WithHeader, nowMs: number): number {
  if (!DATE.test(text)) return Number.NaN;
  const theirNowMs = Date.parse(answer.header('date') ?? '');
  const dateMs = Date.parse(ASCTIME.test(text) ? `${text} GMT` : text);
  return dateMs - (Number.isNaN(theirNowMs) ? nowMs : theirNowMs);
}

const SHOWN_CHARS_MAX = 100;

/** Reads the headers of one far end. One that makes no sense is ignored, which the log says once. */
export class RetryAfterReader {
  #isTold = false;

  /** `place`: the far end as messages may show it. */
  read(answer: WithHeader, nowMs: number, { log, place }: { log: Logger; place: string }): number | null {
    const waitMs = retryAfter(answer, nowMs);
    const text = textOf(answer);
    if (waitMs === null && text !== '' && !this.#isTold) {
      this.#isTold = true;
      const shown = printable(text.slice(0, SHOWN_CHARS_MAX));
      const fields = { place, retryAfter: shown, next: 'the far end is to send seconds or an HTTP date' };
      log.warn(fields, 'Retry-After is neither a number of seconds nor a date; it is ignored from now on');
    }
    return waitMs;
  }
}
