/** The words for a value that a schema refuses. */

import type { z } from 'zod';
import { MISSING, oneOf } from './one-of.ts';

/** The problem of the value `found`, in words that say what it must be. */
export function wordingOf(issue: z.core.$ZodIssue, found: unknown): { message: string; suggestion?: string } {
  switch (issue.code) {
    case 'invalid_type': {
      const wanted = KINDS[issue.expected] ?? issue.expected;
      if (found === undefined) return { message: `${MISSING}; it must be ${wanted}` };
      return { message: `must be ${wanted}; it is ${kindOf(found)}${hintFor(issue.expected, found)}` };
    }
    case 'invalid_value':
      return oneOf(issue.values.map(String), found);
    case 'too_small':
      return {
        message: bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum),
      };
    case 'too_big':
      return {
        message: bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum),
      };
    default:
      return { message: issue.message };
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of named values',
  record: 'a map of named values',
  array: 'a list',
  null: 'null',
};

/** Text that older YAML took for another kind of value. */
function hintFor(expected: string, found: unknown): string {
  if (typeof found !== 'string') return '';
  if (expected === 'boolean') {
    if (/^(?:y|yes|on|true)$/i.test(found)) return ' (write true)';
    return /^(?:n|no|off|false)$/i.test(found) ? ' (write false)' : '';
  }
  if (expected !== 'number' && expected !== 'int') return '';
  if (/^[-+]?\d[\d_]*_\d+$/.test(found)) return ' (write it without "_")';
  if (/^\d+(?::[0-5]?\d)+$/.test(found)) return ' (write it as one number, without ":")';
  return /^[-+]?[\d.]+$/.test(found) ? ' (write it without quotes)' : '';
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a number that is not whole';
  return KINDS[typeof value] ?? typeof value;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string')
    return limit === 1 ? 'must not be empty' : `must have ${relation} ${limit} characters`;
  if (origin === 'array' || origin === 'record') {
    return `must have ${relation} ${limit === 1 ? 'one entry' : `${limit} entries`}`;
  }
  return `must be ${relation} ${limit}`;
}
