/** What can go wrong when somebody is asked over HTTP, as errors that name the address without its
 *  secrets. */

import { HeadgateError, type ErrorCode } from '../../../src/domain/errors.ts';
import { linkAdvice } from '../link-advice.ts';

const PARSER_ERROR = 'HTTPParserError';

export interface ExchangePlace {
  /** The address as messages may show it. */
  readonly place: string;
  readonly timeoutMs: number;
  /** Wall time, which advice on certificates compares with their dates. */
  readonly nowMs?: number;
}

export interface ExchangeProgress {
  readonly answered: boolean;
  readonly timedOut: boolean;
  /** Whether the connection stood; null where the transport does not tell. */
  readonly connected: boolean | null;
}

/** What went wrong between the question and its answer, `error` being what fetch threw. */
export function exchangeError(
  error: unknown,
  { place, timeoutMs, nowMs }: ExchangePlace,
  { answered, timedOut, connected }: ExchangeProgress,
): HeadgateError {
  const make = (code: ErrorCode, message: string) => new HeadgateError(code, message, { cause: error });
  const reason = codeOf(error);
  if (timedOut || reason.includes('TIMEOUT') || reason === 'ETIMEDOUT') {
    const what = answered
      ? 'did not complete its answer'
      : connected === null
        ? 'did not answer'
        : connected
          ? 'took the connection, but did not answer'
          : 'did not take the connection';
    return make('HG_LINK_TIMEOUT', `${place} ${what} ${timedOut ? `within ${timeoutMs} ms` : 'in time'}`);
  }
  if (answered)
    return make(
      'HG_READ_TRUNCATED',
      `the answer of ${place} broke off: ${linkAdvice(reason, error, { nowMs })}`,
    );
  if (reason.includes('OVERFLOW'))
    return make('HG_READ_TOO_LARGE', `the headers of the answer of ${place} are too large`);
  if (reason === 'UND_ERR_SOCKET' || reason === 'ECONNRESET' || reason === 'EPIPE') {
    return make('HG_LINK_LOST', `${place} closed the connection without an answer`);
  }
  if (reason.startsWith('HPE_') || reason === PARSER_ERROR) {
    const hint = isTls(error) ? ', it answers in TLS; begin the url with https or wss' : '';
    return make('HG_LINK_LOST', `${place} does not answer in HTTP${hint}`);
  }
  return make('HG_LINK_REFUSED', `no connection to ${place}: ${linkAdvice(reason, error, { nowMs })}`);
}

/** Whether a parser stumbled over an alert of TLS (RFC 8446, 5.1). */
function isTls(error: unknown): boolean {
  const { rawPacket } = (error ?? {}) as { rawPacket?: unknown };
  return rawPacket instanceof Uint8Array && rawPacket[0] === 0x15 && rawPacket[1] === 0x03;
}

/** fetch hides the code of what happened behind one or two errors, and several attempts in an AggregateError.
 *  What its parser throws has a name only. */
function codeOf(error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 4) return '';
  const { code, name, cause, errors } = error as {
    code?: unknown;
    name?: unknown;
    cause?: unknown;
    errors?: unknown;
  };
  if (typeof code === 'string') return code;
  if (name === PARSER_ERROR) return PARSER_ERROR;
  return codeOf(cause ?? (Array.isArray(errors) ? errors[0] : undefined), depth + 1);
}
