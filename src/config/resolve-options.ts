/** Turns what a user wrote into checked, frozen options: unknown names and wrong values become errors that
 *  say how to mend them, defaults are filled in, the caller's object is never changed. */

import { z } from 'zod';
import { HeadgateError } from '../domain/errors.ts';
import { nearestNames } from '../domain/nearest-names.ts';
import { wordingOf } from './issue-wording.ts';
import { oneOf } from './one-of.ts';
import { valueAt } from './value-at.ts';

/** Resolves `input` by `schema`. `subject` names the thing in messages: `httpSource`, `createEngine`.
 *  @throws HeadgateError HG_OPTION_UNKNOWN or HG_OPTION_INVALID, with `details.field`. */
export function resolveOptions<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  subject: string,
): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return freezeMade(result.data, input);
  throw optionError(firstIssue(result.error.issues), { schema, input, subject });
}

type Issue = z.core.$ZodIssue;

/** Misspelled names first: they explain the missing ones. */
function firstIssue(issues: readonly Issue[]): Issue {
  const told = issues.flatMap(withinUnion);
  return told.find((issue) => issue.code === 'unrecognized_keys') ?? (told[0] as Issue);
}

/** Where a value can be of several shapes, what is wrong inside the one it resembles says more than that it
 *  is none of them. */
function withinUnion(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const inner = issue.errors
    .flat()
    .filter(({ code, path }) => path.length > 0 || code === 'unrecognized_keys')
    .map((one): Issue => ({ ...one, path: [...issue.path, ...one.path] }));
  return inner.length === 0 ? [issue] : inner.flatMap(withinUnion);
}

interface Asked {
  readonly schema: z.ZodType;
  readonly input: unknown;
  readonly subject: string;
}

function optionError(issue: Issue, { schema, input, subject }: Asked): HeadgateError {
  const parent = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? '';
    const field = parent === '' ? name : `${parent}.${name}`;
    const known = keysAt(schema, issue.path);
    const [near] = nearestNames(name, known);
    const advice = near === undefined ? `known options: ${known.join(', ')}` : `did you mean "${near}"?`;
    return new HeadgateError('HG_OPTION_UNKNOWN', `${subject}: unknown option "${field}"; ${advice}`, {
      details: { subject, field, ...(near === undefined ? {} : { suggestion: near }) },
    });
  }
  const field = parent === '' ? '(the whole)' : parent;
  return new HeadgateError('HG_OPTION_INVALID', `${subject}: option "${field}": ${problemOf(issue, input)}`, {
    details: { subject, field },
  });
}

/** Of an option that may take several forms, why none of them fits, unless its schema has words of its own.
 *  */
function problemOf(issue: Issue, input: unknown): string {
  if (issue.code !== 'invalid_union') {
    return WORDS_OF_ZOD.test(issue.message)
      ? wordingOf(issue, valueAt(input, issue.path)).message
      : issue.message;
  }
  if ('options' in issue)
    return oneOf((issue.options as unknown[]).map(String), valueAt(input, issue.path)).message;
  if (issue.message !== WORDLESS) return issue.message;
  const problems = issue.errors.flatMap(([first]) =>
    first === undefined ? [] : [problemOf({ ...first, path: [...issue.path, ...first.path] }, input)],
  );
  return problems.length === 0 ? issue.message : [...new Set(problems)].join('; or: ');
}

/** What zod says where a schema says nothing. */
const WORDS_OF_ZOD = /^(?:Invalid input: |Invalid option: |Too (?:small|big): )/;
const WORDLESS = 'Invalid input';

/** The option names an object schema knows at `path`, looking through defaults, optionals and unions. */
function keysAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  const [head, ...rest] = path;
  const keys = new Set<string>();
  for (const object of objectSchemas(schema)) {
    if (head === undefined) for (const key of Object.keys(object.shape)) keys.add(key);
    else if (typeof head === 'string') for (const key of keysAt(object.shape[head], rest)) keys.add(key);
  }
  return [...keys];
}

function objectSchemas(schema: unknown): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectSchemas);
  if (schema instanceof z.ZodPipe) return objectSchemas(schema.def.in);
  const inner = (schema as { def?: { innerType?: unknown } } | undefined)?.def?.innerType;
  return inner === undefined ? [] : objectSchemas(inner);
}

/** Freezes the plain objects and arrays that a schema made of `given`. What it let through as it was, a clock
 *  or a logger, is the caller's own and stays as it is, as do functions, class instances and bytes. */
export function freezeMade<Value>(value: Value, given: unknown): Value {
  if (typeof value !== 'object' || value === null || value === given || Object.isFrozen(value)) return value;
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  const source = (given ?? {}) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value)) freezeMade(inner, source[name]);
  return Object.freeze(value);
}
