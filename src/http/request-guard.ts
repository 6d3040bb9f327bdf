/** What every request and every upgrade has to pass before anybody looks at what it wants: the form of its
 *  target, whose name it asks for, which page sent it, and how often its address asks.
 *
 *  A browser can be made to send requests here by any page it shows. Against that: a name that is rebound to
 *  this address fails at its Host, a page of another origin at its Origin, and there are no cookies that
 *  could speak for anybody. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { HttpOptions } from './http-deps.ts';
import { problemOf, type Problem } from './problem.ts';
import { ClientTable, clientOf } from './remote-address.ts';

export interface RequestGuard {
  /** The answer for a request that does not come in; null where it does. */
  refusalOf(request: IncomingMessage): Problem | null;
  /** Whether a page of another, allowed origin asks: the headers that let it read the answer. */
  corsHeadersOf(request: IncomingMessage): Readonly<Record<string, string>>;
}

/** On every answer, whatever it says. Nothing here is to be shown by a browser, so nothing may load. */
export function setCommonHeaders(response: ServerResponse, isTls: boolean): void {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  if (isTls) response.setHeader('strict-transport-security', 'max-age=31536000');
}

export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

export function isTls(request: IncomingMessage): boolean {
  return (request.socket as Partial<TLSSocket>).encrypted === true;
}

export function createRequestGuard(options: HttpOptions, clock: Clock): RequestGuard {
  const names = new Set([options.host, 'localhost', ...options.allowedHosts].map(bareName));
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const pace = createPace(options.limits.requestsPerSecondMax, clock);

  /** Names are what can be rebound; an address is what it is. */
  const isOwnHost = (host: string) => {
    const name = hostName(host);
    return name !== null && (names.has(name) || isIP(name) !== 0);
  };
  const isOwnOrigin = (request: IncomingMessage, origin: string) =>
    origin === `${isTls(request) ? 'https' : 'http'}://${(request.headers.host ?? '').toLowerCase()}`;

  return {
    refusalOf(request) {
      const waitMs = pace(clientOf(request.socket.remoteAddress));
      if (waitMs > 0) return tooMany(waitMs);
      if (!isPath(request.url ?? '')) {
        return refusal('HG_HTTP_MALFORMED', 'the target of the request must be a path, encoded as UTF-8');
      }
      if (countOf(request, 'host') !== 1) {
        return refusal('HG_HTTP_MALFORMED', 'the request must have the header Host, once');
      }
      const coding = request.headers['transfer-encoding'];
      if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') {
        return unknownCoding(coding);
      }
      if (!isOwnHost(request.headers.host ?? '')) {
        return refusal('HG_HTTP_HOST', 'this server does not go by the name in Host; see http.allowedHosts');
      }
      const origin = request.headers.origin?.toLowerCase();
      if (origin !== undefined && !isOwnOrigin(request, origin) && !origins.has(origin)) {
        return refusal('HG_HTTP_ORIGIN', 'pages of this origin may not ask here; see http.allowedOrigins');
      }
      return null;
    },
    corsHeadersOf(request) {
      const { origin } = request.headers;
      if (origin === undefined || !origins.has(origin.toLowerCase())) return {};
      return {
        'access-control-allow-origin': origin,
        'access-control-expose-headers': 'ETag, Location, Retry-After, WWW-Authenticate',
        'cross-origin-resource-policy': 'cross-origin',
        vary: 'Origin',
      };
    },
  };
}

/** What a browser asks before it lets a page of an allowed origin ask. */
export const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, POST, PUT, DELETE',
  'access-control-allow-headers': 'Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID',
  'access-control-max-age': '600',
};

export function isPreflight({ method, headers }: IncomingMessage): boolean {
  const asksFor = headers['access-control-request-method'];
  return method === 'OPTIONS' && headers.origin !== undefined && asksFor !== undefined;
}

/** How long a client has to wait before its next request; 0 where it may come. A token bucket that holds one
 *  second's worth. */
function createPace(perSecondMax: number, clock: Clock): (client: string) => number {
  const buckets = new ClientTable<{ level: number; atMs: number }>();
  return (client) => {
    const nowMs = clock.monotonicMs();
    const bucket = buckets.get(client) ?? { level: perSecondMax, atMs: nowMs };
    bucket.level = Math.min(perSecondMax, bucket.level + ((nowMs - bucket.atMs) / 1_000) * perSecondMax);
    bucket.atMs = nowMs;
    buckets.set(client, bucket);
    if (bucket.level < 1) return ((1 - bucket.level) / perSecondMax) * 1_000;
    bucket.level--;
    return 0;
  };
}

function tooMany(waitMs: number): Problem {
  const message = 'more requests come from this address than http.limits.requestsPerSecondMax';
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) };
  return problemOf(new HeadgateError('HG_HTTP_TOO_MANY', message), { headers });
}

function refusal(code: 'HG_HTTP_MALFORMED' | 'HG_HTTP_HOST' | 'HG_HTTP_ORIGIN', message: string): Problem {
  return problemOf(new HeadgateError(code, message));
}

/** A body that was coded for the transfer would be taken as it is: where it ends may be another place for a
 *  proxy. */
function unknownCoding(coding: string): Problem {
  const given = coding.slice(0, 100);
  const message = `the transfer coding "${given}" is not known; send chunked, or a Content-Length`;
  return problemOf(new HeadgateError('HG_HTTP_MALFORMED', message), {
    ...{ status: 501, headers: { connection: 'close' } },
  });
}

function isPath(target: string): boolean {
  if (!target.startsWith('/')) return false;
  try {
    decodeURIComponent(target.split('?')[0] ?? '');
    return true;
  } catch {
    return false;
  }
}

function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
}

/** The name in a Host header, without its port; null for what is none. */
function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return match === null ? null : bareName(match[1] ?? match[2] ?? '');
}

function bareName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
