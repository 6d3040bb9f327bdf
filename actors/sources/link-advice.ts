/** What the system says of a connection that did not come about, in words that say what to do. */

import { messageOf } from '../../src/domain/errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EMFILE: 'this process may open no more files or connections; raise its limit (LimitNOFILE, ulimit -n)',
  ENFILE: 'this machine may open no more files or connections; raise fs.file-max',
  ECONNREFUSED: 'nothing listens there; start the server or correct the url',
  ENOTFOUND: 'the host name is not known; correct the url',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the host does not answer',
  ECONNRESET: 'it closed the connection before it answered',
};

/** Why there is no connection, by the system's code where there is one, else in the error's own words: those
 *  of the innermost cause say most. */
export function linkAdvice(code: string, error: unknown): string {
  const known = ADVICE[code];
  if (known !== undefined) return known;
  return code === '' ? innermostMessage(error) : code;
}

const CAUSES_MAX = 4;

function innermostMessage(error: unknown): string {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX; depth++) {
    const { cause } = (inner ?? {}) as { cause?: unknown };
    if (cause === undefined) break;
    inner = cause;
  }
  return messageOf(inner);
}
