/** Checks that what a user hands to `register` is a source, before it travels as a message. */

import { HeadgateError } from './domain/errors.ts';
import type { SourceSpec } from './domain/source.ts';

/** @throws HeadgateError HG_SOURCE_NO_STREAM, HG_OPTION_INVALID */
export function requireSpec(value: unknown): SourceSpec {
  if (typeof value !== 'object' || value === null) throw notASpec('');
  const spec = value as Partial<SourceSpec>;
  if (typeof spec.id !== 'string') throw notASpec('');
  if (typeof spec.logic?.stream !== 'function') {
    throw new HeadgateError('HG_SOURCE_NO_STREAM', `source "${spec.id}": its logic has no stream() method`, {
      details: { field: 'logic.stream' },
    });
  }
  if (spec.outlet === undefined || spec.restart === undefined || spec.breaker === undefined)
    throw notASpec(spec.id);
  return spec as SourceSpec;
}

function notASpec(id: string): HeadgateError {
  const what = id === '' ? 'this' : `"${id}"`;
  return new HeadgateError(
    'HG_OPTION_INVALID',
    `register: ${what} is no source; make one with a factory such as simulatedSource() or defineSource()`,
    { details: { field: 'spec' } },
  );
}
