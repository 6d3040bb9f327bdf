/** The two things that the code of a source may return: an async iterable of records, or a promise. */

import { HeadgateError } from '../../src/domain/errors.ts';

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** @throws HeadgateError HG_SOURCE_NO_STREAM */
export function requirePromise(value: unknown): Promise<void> {
  if (value instanceof Promise) return value as Promise<void>;
  throw new HeadgateError(
    'HG_SOURCE_NO_STREAM',
    'stream() must return an async iterable (an async generator) or a promise',
  );
}
