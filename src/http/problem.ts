/** Answers about what went wrong, as RFC 9457 has them: `application/problem+json` with the error's code, its
 *  remedy, and what the caller can do. Which status a code gets stands here and nowhere else. */

import type { ServerResponse } from 'node:http';
import { ERROR_CODES } from '../domain/error-codes.ts';
import { HeadgateError, type ErrorCode } from '../domain/errors.ts';

export interface Problem {
  readonly status: number;
  /** Beside the content type. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ProblemBody;
}

export interface ProblemBody {
  /** `urn:headgate:error:CODE`; docs/errors.md has a row for each. */
  readonly type: string;
  /** What the code means in general. */
  readonly title: string;
  readonly status: number;
  /** What happened here. */
  readonly detail: string;
  readonly code: ErrorCode;
  readonly remedy: string;
  /** Particulars: `field`, `suggestion`, `problems`, `allowed`, … */
  readonly [extension: string]: unknown;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Seconds after which an overloaded server is worth another try. */
const RETRY_AFTER_S = 1;

/** Codes that are the caller's business. Any other error is the server's own: 503 where trying again can
 *  help, 500 where not. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  HG_OPTION_UNKNOWN: 400,
  HG_OPTION_INVALID: 400,
  HG_SOURCE_DUPLICATE: 409,
  HG_SOURCE_UNKNOWN: 404,
  HG_SOURCE_NO_STREAM: 400,
  HG_SOURCE_STOPPED: 409,
  HG_PUSH_OVERLOADED: 503,
  HG_DECODE_FAILED: 400,
  HG_RECORD_UNSTORABLE: 400,
  HG_RECORD_TOO_LARGE: 413,
  HG_RECORD_LOST: 503,
  HG_RECORD_DROPPED: 429,
  HG_RECORD_TOO_DEEP: 400,
  HG_EXPRESSION_INVALID: 400,
  HG_MODULE_FAILED: 400,
  HG_CONFIG_INVALID: 400,
  HG_INGEST_PROTOCOL: 400,
  HG_IDEMPOTENCY_BUSY: 409,
  HG_IDEMPOTENCY_REUSED: 422,
  HG_STORAGE_LOCKED: 503,
  HG_STORAGE_READONLY: 503,
  HG_STORAGE_NOT_FOUND: 503,
  HG_STORAGE_CORRUPT: 503,
  HG_STORAGE_STOPPED: 503,
  HG_SINK_DUPLICATE: 409,
  HG_SINK_UNKNOWN: 404,
  HG_SINK_STOPPED: 409,
  HG_DEAD_LETTER_UNKNOWN: 404,
  HG_DEAD_LETTER_TRUNCATED: 409,
  HG_ENGINE_STATE: 503,
  HG_PEER_MISSING: 409,
  HG_HTTP_UNAUTHORISED: 401,
  HG_HTTP_FORBIDDEN: 403,
  HG_HTTP_LOCKED_OUT: 429,
  HG_HTTP_ORIGIN: 403,
  HG_HTTP_HOST: 421,
  HG_HTTP_ROUTE_UNKNOWN: 404,
  HG_HTTP_METHOD: 405,
  HG_HTTP_UPGRADE: 426,
  HG_HTTP_MALFORMED: 400,
  HG_HTTP_MEDIA_TYPE: 415,
  HG_HTTP_TOO_LARGE: 413,
  HG_HTTP_HEADERS_TOO_LARGE: 431,
  HG_HTTP_TIMEOUT: 408,
  HG_HTTP_TOO_MANY: 429,
  HG_HTTP_BUSY: 503,
  HG_HTTP_PRECONDITION: 412,
};

export function statusOf({ code, remedy }: HeadgateError): number {
  return STATUS_OF_CODE[code] ?? (remedy === 'retry' ? 503 : 500);
}

export interface ProblemOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the one its code gets. */
  readonly status?: number;
}

/** The answer to an error. What nobody classified is told without its message, which may hold anything: the
 *  log has it. */
export function problemOf(thrown: unknown, { headers = {}, status }: ProblemOptions = {}): Problem {
  const error = thrown instanceof HeadgateError ? thrown : unexpected();
  const answered = status ?? statusOf(error);
  const mayRetry = answered === 429 || answered === 503;
  return {
    status: answered,
    headers: { ...(mayRetry ? { 'retry-after': String(RETRY_AFTER_S) } : {}), ...headers },
    body: {
      ...error.details,
      type: `urn:headgate:error:${error.code}`,
      title: ERROR_CODES[error.code].meaning,
      status: answered,
      detail: error.message,
      code: error.code,
      remedy: error.remedy,
    },
  };
}

/** Whether an error is the server's own fault, so that its log must have it. */
export function isDefect(thrown: unknown): boolean {
  return !(thrown instanceof HeadgateError) || statusOf(thrown) === 500;
}

function unexpected(): HeadgateError {
  return new HeadgateError('HG_HTTP_DEFECT', 'the request could not be answered; the log says why');
}

/** As the web has responses. */
export function problemResponse({ status, headers, body }: Problem): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': PROBLEM_TYPE, ...headers },
  });
}

/** As Node has them. Where an answer has begun already, its connection is cut: half an answer must not look
 *  like a whole one. */
export function sendProblem(response: ServerResponse, { status, headers, body }: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
