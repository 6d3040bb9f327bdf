/** Checks that what a user hands to `register` is a source, and to `registerSink` a sink, before it travels
 *  as a message. A factory's specs pass as they are; one that was put together by hand must hold what a
 *  factory's would. */

import { requireCommonSinkSpec } from '../../config/sink-options.ts';
import { requireCommonSpec } from '../../config/source-options.ts';
import { HeadgateError } from '../../domain/errors.ts';
import type { SinkSpec } from '../../domain/sink.ts';
import type { SourceSpec } from '../../domain/source.ts';

/** What every spec has, whatever its kind. */
const FIELDS = [
  ...['tenant', 'type', 'decode', 'dedupKey', 'outlet', 'restart', 'breaker', 'rateLimit'],
  ...['connectTimeoutMs', 'degradedAfterErrors', 'drainDeadlineMs'],
] as const;

/** @throws HeadgateError HG_SOURCE_NO_STREAM, HG_OPTION_INVALID */
export function requireSpec(value: unknown): SourceSpec {
  if (typeof value !== 'object' || value === null) throw notASpec('');
  const spec = value as Partial<SourceSpec> & Readonly<Record<string, unknown>>;
  if (typeof spec.id !== 'string') throw notASpec('');
  if (typeof spec.logic?.stream !== 'function') {
    throw new HeadgateError('HG_SOURCE_NO_STREAM', `source "${spec.id}": its logic has no stream() method`, {
      details: { field: 'logic.stream' },
    });
  }
  if (FIELDS.some((field) => spec[field] === undefined)) throw notASpec(spec.id);
  requireCommonSpec(spec);
  if (typeof spec.type !== 'string' || spec.type === '') throw invalid('type', 'must be the name of a kind');
  if (spec.decode !== null && typeof spec.decode !== 'function') {
    throw invalid('decode', 'must be a function of a payload, or null');
  }
  // What is checked must not change under the engine's hands.
  return (Object.isFrozen(spec) ? spec : Object.freeze({ ...spec })) as SourceSpec;
}

const SINK_FIELDS = [
  ...['tenant', 'reads', 'startAt', 'filter', 'transform', 'batch', 'backoff', 'breaker'],
  ...['connectTimeoutMs', 'deliverTimeoutMs', 'drainDeadlineMs'],
] as const;

/** @throws HeadgateError HG_OPTION_INVALID */
export function requireSinkSpec(value: unknown): SinkSpec {
  const spec = (value ?? {}) as Partial<SinkSpec> & Readonly<Record<string, unknown>>;
  if (spec.kind !== 'sink' || typeof spec.id !== 'string') throw notASink('');
  if (typeof spec.logic?.open !== 'function') throw invalid('logic.open', 'must be a method', 'registerSink');
  if (SINK_FIELDS.some((field) => spec[field] === undefined)) throw notASink(spec.id);
  requireCommonSinkSpec(spec);
  if (typeof spec.type !== 'string' || spec.type === '') {
    throw invalid('type', 'must be the name of a kind', 'registerSink');
  }
  return (Object.isFrozen(spec) ? spec : Object.freeze({ ...spec })) as SinkSpec;
}

function notASpec(id: string): HeadgateError {
  return isNo('source', id, 'register', 'simulatedSource() or defineSource()');
}

function notASink(id: string): HeadgateError {
  return isNo('sink', id, 'registerSink', 'functionSink() or defineSink()');
}

function isNo(what: string, id: string, call: string, factories: string): HeadgateError {
  const subject = id === '' ? 'this' : `"${id}"`;
  return new HeadgateError(
    'HG_OPTION_INVALID',
    `${call}: ${subject} is no ${what}; make one with a factory such as ${factories}`,
    { details: { field: 'spec' } },
  );
}

function invalid(field: string, rule: string, subject = 'register'): HeadgateError {
  return new HeadgateError('HG_OPTION_INVALID', `${subject}: option "${field}": ${rule}`, {
    details: { subject, field },
  });
}
