/** Whether the API may listen where it is told to. Beyond this machine it needs tokens, and TLS so that they
 *  stay secret; what goes without has to be said in so many words. */

import { HeadgateError } from '../domain/errors.ts';
import type { HttpOptions } from './http-deps.ts';
import { isLoopback } from './remote-address.ts';

/** What an operator should know of the address, where it was asked for in so many words; empty where
 *  nothing is odd. */
export function exposureWarnings({ host, tls }: HttpOptions, tokenCount: number): string[] {
  if (isLoopback(host)) return [];
  return [
    ...(tokenCount === 0 ? ['everybody who reaches http.host may do everything: there are no tokens'] : []),
    ...(tls === null ? ['http.host is reached without TLS: tokens and data can be read on the way'] : []),
  ];
}

/** @throws HeadgateError HG_HTTP_EXPOSED */
export function requireSafeAddress(
  { host, tls, allowOpen, allowPlaintext }: HttpOptions,
  tokenCount: number,
): void {
  if (isLoopback(host)) return;
  const lacking = [
    ...(tokenCount === 0 && !allowOpen
      ? [
          'auth.tokens is empty, so that anybody could do anything: add a token (headgate token create), ' +
            'or set http.allowOpen: true',
        ]
      : []),
    ...(tls === null && !allowPlaintext
      ? [
          'http.tls is not set, so that tokens and data could be read on the way: set http.tls.certFile ' +
            'and keyFile, or http.allowPlaintext: true (behind a proxy that speaks TLS, say)',
        ]
      : []),
  ];
  if (lacking.length === 0) return;
  const message = `http.host "${host}" can be reached from other machines, and ${lacking.join('; and ')}`;
  throw new HeadgateError('HG_HTTP_EXPOSED', `${message}. Or listen on 127.0.0.1`, {
    details: { field: 'http.host', host },
  });
}
