/** Who asks, and what they may. Bearer tokens and nothing else: no cookie, no token in a URL.
 *
 *  A token is compared by its digest, with every stored one, in constant time. An address that fails too
 *  often is locked out: its failures are answered 429 without more said. A valid token is let in all the
 *  same, since many clients can stand behind one address, and none of them must be able to lock the others
 *  out; guessing is no danger at 256 bits. */

import { timingSafeEqual } from 'node:crypto';
import { believedClock } from '../domain/believed-clock.ts';
import { formatAddress, parseAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { Principal, Scope, StoredToken } from './http-deps.ts';
import { problemOf, type Problem } from './problem.ts';
import { ClientTable, clientOf } from './remote-address.ts';
import { digestOf, storedDigest } from './token-text.ts';

export type Login =
  | { readonly principal: Principal; readonly problem?: never }
  | { readonly problem: Problem; readonly principal?: never };

export interface Authenticator {
  /** Never throws. */
  authenticate(authorization: string | undefined, remoteAddress: string | undefined): Login;
  /** For who stays: gives, as often as it is asked, whom the same header would let in now; null: nobody any
   *  more. To ask costs nothing while the tokens are those of the last time, and is no failed login. */
  standing(authorization: string | undefined): () => Principal | null;
}

export interface AuthenticatorOptions {
  readonly tokens: () => readonly StoredToken[];
  readonly clock: Clock;
  readonly failedLoginsPerMinuteMax: number;
  /** Whether everybody may do everything while there are no tokens: on loopback, or where that was asked
   *  for. */
  readonly opensWithoutTokens: boolean;
}

/** What each scope allows. A token to write with reads nothing. */
const ALLOWED_BY: Readonly<Record<Scope, readonly Scope[]>> = {
  read: ['read'],
  ingest: ['ingest'],
  operate: ['operate', 'read'],
  admin: ['admin', 'operate', 'read', 'ingest'],
};

const EVERYBODY: Principal = {
  name: 'anonymous',
  scopes: new Set<Scope>(ALLOWED_BY.admin),
  sources: null,
};

/** Whoever asks without a token where tokens are needed: may see what is public. */
export const NOBODY: Principal = { name: 'anonymous', scopes: new Set<Scope>(), sources: [] };

const REALM = 'Bearer realm="headgate"';
const WINDOW_MS = 60_000;
/** Longer than any token, shorter than what would be work to digest. */
const TOKEN_CHARS_MAX = 1_024;

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { tokens, clock, failedLoginsPerMinuteMax, opensWithoutTokens } = options;
  const failures = new ClientTable<{ count: number; readonly sinceMs: number }>();

  const failed = (client: string, error: string, message: string): Login => {
    const nowMs = clock.monotonicMs();
    const known = failures.get(client);
    const isOver = known === undefined || nowMs - known.sinceMs >= WINDOW_MS;
    const entry = isOver ? { count: 0, sinceMs: nowMs } : known;
    entry.count++;
    failures.set(client, entry);
    if (entry.count > failedLoginsPerMinuteMax) return lockedOut(entry.sinceMs + WINDOW_MS - nowMs);
    return unauthorised(message, error);
  };

  const nowMs = believedClock(clock);
  const hasExpired = ({ expiresAtMs }: StoredToken) => expiresAtMs !== null && expiresAtMs <= nowMs();

  return {
    authenticate(authorization, remoteAddress) {
      const known = tokens();
      if (authorization === undefined) {
        if (known.length === 0 && opensWithoutTokens) return { principal: EVERYBODY };
        return unauthorised('the request needs a token: send the header Authorization: Bearer TOKEN');
      }
      const client = clientOf(remoteAddress);
      const token = tokenIn(authorization);
      if (token === null) {
        return failed(client, 'invalid_request', 'the header Authorization must be: Bearer TOKEN');
      }
      const found = tokenLike(token, known);
      if (found === null) return failed(client, 'invalid_token', 'the token is not known');
      if (hasExpired(found)) return failed(client, 'invalid_token', 'the token has expired');
      return { principal: principalOf(found) };
    },
    standing(authorization) {
      const token = authorization === undefined ? null : tokenIn(authorization);
      let known: readonly StoredToken[] | null = null;
      let found: StoredToken | null = null;
      let principal: Principal | null = null;
      return () => {
        const current = tokens();
        if (authorization === undefined) return current.length === 0 && opensWithoutTokens ? EVERYBODY : null;
        if (current !== known) {
          known = current;
          found = token === null ? null : tokenLike(token, current);
          principal = found === null ? null : principalOf(found);
        }
        return found === null || hasExpired(found) ? null : principal;
      };
    },
  };
}

/** Null where the header holds none. */
function tokenIn(authorization: string): string | null {
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  return token === undefined || token.length > TOKEN_CHARS_MAX ? null : token;
}

/** Looks at every token, whether or not one was found: the time it takes tells nothing. */
function tokenLike(token: string, known: readonly StoredToken[]): StoredToken | null {
  const digest = digestOf(token);
  let found: StoredToken | null = null;
  for (const one of known) {
    const stored = storedDigest(one.hash);
    if (stored !== null && timingSafeEqual(stored, digest)) found = one;
  }
  return found;
}

function principalOf({ name, scopes, sources }: StoredToken): Principal {
  return { name, scopes: new Set(scopes.flatMap((scope) => ALLOWED_BY[scope])), sources };
}

function unauthorised(message: string, error?: string): Login {
  const challenge = error === undefined ? REALM : `${REALM}, error="${error}"`;
  const cause = new HeadgateError('HG_HTTP_UNAUTHORISED', message);
  return { problem: problemOf(cause, { headers: { 'www-authenticate': challenge } }) };
}

function lockedOut(waitMs: number): Login {
  const cause = new HeadgateError('HG_HTTP_LOCKED_OUT', 'too many failed logins came from this address');
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) };
  return { problem: problemOf(cause, { headers }) };
}

/** Null where the principal may; the answer where not. */
export function lackOfScope(principal: Principal, scope: Scope): Problem | null {
  if (principal.scopes.has(scope)) return null;
  const message = `the token "${principal.name}" lacks the scope "${scope}"`;
  const cause = new HeadgateError('HG_HTTP_FORBIDDEN', message, { details: { scope } });
  const challenge = `${REALM}, error="insufficient_scope", scope="${scope}"`;
  return problemOf(cause, { headers: { 'www-authenticate': challenge } });
}

/** Null where the principal may send records to this source; the answer where not. */
export function lackOfSource(principal: Principal, source: string): Problem | null {
  const lacking = lackOfScope(principal, 'ingest');
  if (lacking !== null || principal.sources === null) return lacking;
  const name = shownName(source);
  if (principal.sources.some((one) => shownName(one) === name)) return null;
  const message = `the token "${principal.name}" may not send records to this source`;
  const challenge = `${REALM}, error="insufficient_scope", scope="ingest"`;
  return problemOf(new HeadgateError('HG_HTTP_FORBIDDEN', message), {
    headers: { 'www-authenticate': challenge },
  });
}

function shownName(source: string): string {
  return formatAddress(parseAddress(source));
}
