/** What zod finds, as problems a person can mend: one for each wrong value and each unknown name, with what
 *  was expected, and the right name where one was misspelled. */

import { z } from 'zod';
import { wordingOf } from '../../config/issue-wording.ts';
import { MISSING, oneOf } from '../../config/one-of.ts';
import { valueAt } from '../../config/value-at.ts';
import { nearestNames } from '../../domain/nearest-names.ts';
import type { ConfigProblem } from '../gateway-control.ts';
import type { Path } from './placed-text.ts';

/** A problem whose place is still to be looked up. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly suggestion?: string;
  /** It is about the name at the end of `path`, not about its value. */
  readonly atKey?: boolean;
  /** It is about a character of the text at `path`. */
  readonly offset?: number;
}

type Issue = z.core.$ZodIssue;

/** The findings behind zod's issues, which came of `schema` and `value`. */
export function findingsOf(issues: readonly Issue[], schema: z.ZodType, value: unknown): Finding[] {
  const findings = issues.flatMap((issue) => findingsOfIssue(issue, schema, value));
  // A misspelled name explains the missing one.
  const meant = new Set(
    findings.flatMap(({ path, suggestion, atKey }) =>
      atKey === true && suggestion !== undefined ? [pathText([...path.slice(0, -1), suggestion])] : [],
    ),
  );
  return findings.filter(({ path, message }) => !message.startsWith(MISSING) || !meant.has(pathText(path)));
}

function findingsOfIssue(issue: Issue, schema: z.ZodType, value: unknown): Finding[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownName(key, path, knownNames(schema, path, value)));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({
        path,
        message: `"${String(path.at(-1))}" ${message}`,
        atKey: true,
      }));
    case 'invalid_union':
      return unionFindings(issue, schema, value);
    case 'custom': {
      const offset: unknown = issue.params?.['offset'];
      return [{ path, message: issue.message, ...(typeof offset === 'number' ? { offset } : {}) }];
    }
    default:
      return [{ path, ...wordingOf(issue, valueAt(value, path)) }];
  }
}

function unknownName(key: string, path: Path, known: readonly string[]): Finding {
  const [near] = nearestNames(key, known);
  const field = { path: [...path, key], atKey: true };
  if (near !== undefined)
    return { ...field, message: `is unknown; did you mean "${near}"?`, suggestion: near };
  const choice = known.length === 0 ? '' : `; known here: ${known.join(', ')}`;
  return { ...field, message: `is unknown${choice}` };
}

/** Of the shapes a value may have, what is wrong within the one it resembles: the one that complains of
 *  something inside it. Where none does, all that it may be. */
function unionFindings(
  issue: Issue & { code: 'invalid_union' },
  schema: z.ZodType,
  value: unknown,
): Finding[] {
  const { path } = issue;
  const found = valueAt(value, path);
  if (issue.errors.length === 0) {
    const options = ('options' in issue ? (issue.options as unknown[]) : []).map(String);
    return [{ path, ...oneOf(options, found) }];
  }
  const inner = issue.errors.map((errors) =>
    errors.map((one): Issue => ({ ...one, path: [...path, ...one.path] })),
  );
  const fitting = inner.filter((errors) => errors.every((one) => !isAboutAll(one, path)));
  const [best] = fitting.sort((a, b) => a.length - b.length);
  if (best !== undefined) return best.flatMap((one) => findingsOfIssue(one, schema, value));
  const all = inner.flatMap(([first]) => (first === undefined ? [] : findingsOfIssue(first, schema, value)));
  const suggestion = all.find((one) => one.suggestion !== undefined)?.suggestion;
  const message = issue.message === WORDLESS ? eitherOf(all.map((one) => one.message)) : issue.message;
  return [{ path, message, ...(suggestion === undefined ? {} : { suggestion }) }];
}

/** What zod says where a schema says nothing. */
const WORDLESS = 'Invalid input';

/** `must be text; it is a number` and `must be a list; it is a number` in one, with what was found at its
 *  end. */
function eitherOf(messages: readonly string[]): string {
  const wanted = messages.map((message) => message.replace(/^(?:is missing; it )?must be /, ''));
  const found = wanted.map((text) => /; (?:it is|did you mean) .*$/.exec(text)?.[0] ?? '');
  const bare = new Set(wanted.map((text, index) => text.slice(0, text.length - (found[index] ?? '').length)));
  const isMissing = messages.some((message) => message.startsWith(MISSING));
  const beginning = isMissing ? `${MISSING}; it must be ` : 'must be ';
  return `${beginning}${[...bare].join(', or ')}${found.find((text) => text !== '') ?? ''}`;
}

/** Whether an issue says of the whole value that it is of another kind. */
function isAboutAll(issue: Issue, path: Path): boolean {
  if (issue.path.length > path.length) return false;
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union';
}

/** The names that `schema` knows at `path`; of several kinds, those of the kind that `value` says it is. */
export function knownNames(schema: unknown, path: Path, value: unknown): string[] {
  const names = new Set<string>();
  for (const candidate of candidates(schema, value)) {
    const [head, ...rest] = path;
    const inner = head === undefined ? undefined : valueAt(value, [head]);
    if (candidate instanceof z.ZodObject) {
      if (head === undefined) for (const name of Object.keys(candidate.shape)) names.add(name);
      else for (const name of knownNames(candidate.shape[String(head)], rest, inner)) names.add(name);
    } else if (head !== undefined) {
      const element = candidate instanceof z.ZodRecord ? candidate.valueType : candidate.element;
      for (const name of knownNames(element, rest, inner)) names.add(name);
    }
  }
  return [...names];
}

/** The schemas that a value may be held against, without what is wrapped around them. */
function candidates(schema: unknown, value: unknown): (z.ZodObject | z.ZodRecord | z.ZodArray)[] {
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord || schema instanceof z.ZodArray)
    return [schema];
  if (schema instanceof z.ZodUnion) {
    const options = schema.options.flatMap((option) => candidates(option, value));
    const told = options.filter((option) => option instanceof z.ZodObject && isOfKind(option, value));
    return told.length > 0 ? told : options;
  }
  if (schema instanceof z.ZodPipe) return candidates(schema.def.in, value);
  const inner = (schema as { def?: { innerType?: unknown } } | undefined)?.def?.innerType;
  return inner === undefined ? [] : candidates(inner, value);
}

function isOfKind({ shape }: z.ZodObject, value: unknown): boolean {
  const type: unknown = shape['type'];
  return type instanceof z.ZodLiteral && type.values.has(valueAt(value, ['type']) as never);
}

/** As a person names it: `sources.plc-7.topics[0].qos`. */
export function pathText(path: Path): string {
  let text = '';
  for (const name of path) {
    if (typeof name === 'number') text += `[${name}]`;
    else text += text === '' ? String(name) : `.${String(name)}`;
  }
  return text;
}

/** `edge.yaml:5:13 sources.press.topics: …`. Without control characters, whatever the file holds. */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  const place = [file ?? 'configuration', ...(line === null ? [] : [line, column ?? 1])].join(':');
  const subject = path === '' ? '' : ` ${path}:`;
  return `${place}${subject || ':'} ${message}`.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
