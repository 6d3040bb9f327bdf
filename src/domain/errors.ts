/** The errors Headgate raises: each has a code, a message that says what to do, and a remedy the runtime
 *  obeys. */

import { ERROR_CODES, type ErrorCode, type Remedy } from './error-codes.ts';
import { LIMITS } from './limits.ts';

export type { ErrorCode, Remedy } from './error-codes.ts';

export interface HeadgateErrorOptions {
  /** Overrides the remedy of the code's row in {@link ERROR_CODES}. */
  remedy?: Remedy;
  /** Machine-readable particulars: field names, limits, ids. Never secrets. */
  details?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

export class HeadgateError extends Error {
  override readonly name = 'HeadgateError';
  readonly code: ErrorCode;
  readonly remedy: Remedy;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: HeadgateErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.remedy = options.remedy ?? ERROR_CODES[code].remedy;
    this.details = options.details ?? {};
  }
}

/** An error as rows, health and messages carry it: plain data, no stack, no object identity. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
}

/** Turns anything thrown into facts. A thrown non-Headgate value gets `fallback` as its code. Never throws
 *  itself. */
export function errorFacts(thrown: unknown, fallback: ErrorCode = 'HG_SOURCE_CRASHED'): ErrorFacts {
  if (thrown instanceof HeadgateError) return { code: thrown.code, message: thrown.message };
  return { code: fallback, message: messageOf(thrown) };
}

/** The remedy an error asks for. An error nobody classified is a defect: `stop` this run, let the supervisor
 *  decide. */
export function remedyOf(thrown: unknown): Remedy | undefined {
  return thrown instanceof HeadgateError ? thrown.remedy : undefined;
}

/** How long the far end asked to be left alone, milliseconds; 0 if it did not. */
export function retryAfterMsOf(thrown: unknown): number {
  const waitMs = thrown instanceof HeadgateError ? thrown.details['retryAfterMs'] : undefined;
  return typeof waitMs === 'number' && waitMs > 0 ? Math.min(waitMs, LIMITS.retryAfterMsMax) : 0;
}

export function messageOf(thrown: unknown): string {
  try {
    // Nothing keeps a library from making its message a number.
    if (thrown instanceof Error) return String(thrown.message || thrown.name);
    return String(thrown);
  } catch {
    return 'an error that cannot be printed';
  }
}
