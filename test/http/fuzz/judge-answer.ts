/** What is wrong with an answer of the API to a drawn request. */

import type { FuzzRequest } from './fuzz-requests.ts';

export interface Answer {
  /** 0 where the connection was cut before there was any. */
  readonly status: number;
  readonly type: string;
  readonly isSniffable: boolean;
  readonly text: string;
}

/** What may be answered where no operation of the document is asked for. */
const ELSEWHERE = new Set([204, 400, 401, 403, 404, 405, 413, 415, 417, 421, 426, 431, 501]);

/** Bytes of a body that its sender may still be writing when it is refused: less fits the buffers of a
 *  connection, so that the answer is always found. */
const SMALL_BODY_BYTES = 32 * 1024;

/** Null where nothing is. */
export function complaintAbout(
  { method, target, operation, body }: FuzzRequest,
  { status, type, isSniffable, text }: Answer,
): string | null {
  const told = `${method} ${target.slice(0, 200)} → ${status} ${text.slice(0, 200)}`;
  if (status === 0) return (body ?? '').length <= SMALL_BODY_BYTES ? `cut without an answer: ${told}` : null;
  const isKnown = operation === null ? status < 400 || ELSEWHERE.has(status) : operation.statuses.has(status);
  // An expectation is refused by Node itself.
  if (!isKnown && status !== 417) return `not in the document: ${told}`;
  if (isSniffable) return `without nosniff: ${told}`;
  const isProblem = status >= 400 && status !== 503 && method !== 'HEAD';
  return isProblem && type !== 'application/problem+json' ? `no problem document: ${told} (${type})` : null;
}
