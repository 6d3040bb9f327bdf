/** Advice for connections that could not be made: each system error in words that say what to do. Sources and
 *  sinks of every kind take their advice from here. */

import { messageOf } from '../../src/domain/errors.ts';
import { tlsAdvice } from './tls-advice.ts';

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
  EPIPE: 'it closed the connection before it answered',
  EACCES: 'this system does not allow the connection; see its firewall and the rights of this process',
  EPERM: 'this system does not allow the connection; see its firewall and the rights of this process',
  EADDRNOTAVAIL: 'the address cannot be connected to from here, or all local ports are in use',
};

/** A far end that misses a certificate may close the connection without a word. */
export const MAY_WANT_CERTIFICATE = 'it may want a certificate of the client (tls.cert and tls.key)';

interface Circumstances {
  /** The wall time, with which advice on certificates compares their dates. */
  readonly nowMs?: number | undefined;
  /** The connection is one over TLS. */
  readonly overTls?: boolean;
}

/** Why there is no connection, by the system's code where there is one, else in the error's own words: those
 *  of the innermost cause say most. */
export function linkAdvice(code: string, error: unknown, { nowMs, overTls }: Circumstances = {}): string {
  // The alert that says so can be lost when the far end closes at once.
  if (overTls === true && (code === 'ECONNRESET' || code === 'EPIPE'))
    return `${ADVICE[code]}; ${MAY_WANT_CERTIFICATE}`;
  const message = innermostMessage(error);
  const known = ADVICE[code] ?? tlsAdvice(opensslCode(message) ?? code, { error, message, nowMs });
  if (known !== null) return known;
  // fetch refuses ports of other protocols, and says no more than this.
  if (message === 'bad port')
    return 'the port belongs to another protocol, so fetch refuses it; choose another';
  return code === '' ? message : code;
}

/** Where a handshake fails while something is written, the system's code is EPROTO and OpenSSL's reason
 *  stands in the message: `…:error:0A00010B:SSL routines:function:wrong version number:…`. */
function opensslCode(message: string): string | null {
  const reason = /:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  return reason === undefined ? null : `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`;
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
