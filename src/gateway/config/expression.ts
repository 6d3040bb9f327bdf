/** Expressions of the configuration, in CEL (https://cel.dev): compiled once, evaluated for every record.
 *
 *  - They see the variables they are given and nothing else; they change nothing and always come to an end.
 *  - Numbers are those of JSON. An integer that is written out (`20`) goes with any number, and what comes
 *    out is plain JSON again.
 *  - What an evaluation may cost is bounded (expression-guard.ts), whatever the expression and the record.
 *  - `matches` takes RE2 patterns, written out; they are run in time that grows with the text alone. */

import { Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { checkFields, literalOf, nodesOf, type Node, type Variables } from './expression-tree.ts';
import { guardLoops, isSpent, SPENT, type Budget } from './expression-guard.ts';

export interface Expression {
  readonly text: string;
  /** What it gives, as far as that can be told: `bool`, `string`, `int`, `double`, `list`, `map`, … or
   *  `dyn`. */
  readonly type: string;
  /** @throws HeadgateError HG_EXPRESSION_FAILED (remedy `drop`) */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
}

/** Compiles `text`, in which the names of `variables` may stand.
 *  @throws HeadgateError HG_EXPRESSION_INVALID with `details.offset`, characters from its beginning. */
export function compileExpression(text: string, variables: Variables): Expression {
  if (text.trim() === '') throw invalid('is empty; write an expression', 0);
  if (text.length > LIMITS.expressionCharsMax) {
    throw invalid(`is longer than ${LIMITS.expressionCharsMax} characters; use a module`, 0);
  }
  const parsed = guarded(() => environmentFor(variables).parse(text), text);
  const root = parsed.ast as unknown as Node;
  for (const node of nodesOf(root)) {
    boundCall(node);
    checkFields(node, variables, invalid);
  }
  const { valid, type = 'dyn', error } = parsed.check();
  if (!valid) throw asInvalid(error);
  const budget: Budget = { left: 0 };
  guardLoops(root, budget);
  return {
    text,
    type,
    evaluate(values) {
      budget.left = LIMITS.expressionStepsMax;
      try {
        const value: unknown = parsed(values);
        if (isSpent(budget)) throw SPENT;
        return toJson(value);
      } catch (error) {
        throw failed(text, error);
      }
    },
  };
}

function guarded<Result>(work: () => Result, text: string): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw invalid(`"${text.slice(0, 40)}…" nests too deep`, 0);
    throw asInvalid(error);
  }
}

/** Environments by the names they know: making one takes longer than compiling an expression in it. */
const environments = new Map<string, Environment>();

function environmentFor(variables: Variables): Environment {
  const names = Object.keys(variables);
  const known = environments.get(names.join());
  if (known !== undefined) return known;
  const made = BASE.clone();
  for (const name of names) made.registerVariable(name, variables[name] === null ? 'dyn' : 'map');
  environments.set(names.join(), made);
  return made;
}

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** CEL refuses to mix integers and doubles. Every number of JSON is a double here, so that `value + 1` would
 *  be refused: the mixed operators are added. */
function baseEnvironment(): Environment {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: LIMITS.expressionNodesMax, maxDepth: LIMITS.expressionDepthMax },
  });
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    const mixed = (a: number | bigint, b: number | bigint) => apply(Number(a), Number(b));
    environment.registerOperator(`double ${operator} int: double`, mixed);
    environment.registerOperator(`int ${operator} double: double`, mixed);
  }
  environment.registerOperator('double % double: double', (a: number, b: number) => a % b);
  for (const [name, apply] of Object.entries(ROUNDING)) {
    environment.registerFunction(`${name}(double): double`, apply, SYNC);
    environment.registerFunction(`${name}(int): int`, (value: bigint) => value, SYNC);
  }
  environment.registerFunction('abs(double): double', Math.abs, SYNC);
  environment.registerFunction('abs(int): int', (value: bigint) => (value < 0n ? -value : value), SYNC);
  environment.registerFunction(`string.${MATCHES}(string): bool`, matchesPattern, SYNC);
  environment.registerFunction(`${DURATION}(string): google.protobuf.Duration`, durationOf, SYNC);
  return environment;
}

/** Not awaited: the evaluator need not look for promises. */
const SYNC = { async: false } as Record<string, unknown>;

const ROUNDING = { floor: Math.floor, ceil: Math.ceil, round: Math.round };

/** What stands in the tree where the user wrote `matches` and `duration`: the library's own take time that
 *  grows out of all proportion with a hostile text. */
const MATCHES = 'matchesRe2';
const DURATION = 'durationOf';
const DURATION_CHARS_MAX = 64;

function boundCall(node: Node): void {
  if (node.op === 'rcall' && node.args[0] === 'matches') {
    node.args[0] = MATCHES;
    const [argument] = node.args[2] as Node[];
    const pattern = argument === undefined ? null : literalOf(argument);
    if (typeof pattern !== 'string') {
      throw invalid('matches takes a pattern that is written out, as in matches("^a+$")', node.start);
    }
    checkPattern(pattern, argument?.start ?? node.start);
  } else if (node.op === 'call' && node.args[0] === 'duration') node.args[0] = DURATION;
}

/** Compiled patterns. Where there are too many, all go, and those still used are compiled again. */
const patterns = new Map<string, RE2JS>();
const PATTERNS_MAX = 1_000;

function patternOf(text: string): RE2JS {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  if (patterns.size >= PATTERNS_MAX) patterns.clear();
  const made = RE2JS.compile(text);
  patterns.set(text, made);
  return made;
}

function checkPattern(pattern: string, offset: number): void {
  if (pattern.length > LIMITS.patternCharsMax) {
    throw invalid(`the pattern is longer than ${LIMITS.patternCharsMax} characters`, offset);
  }
  try {
    patternOf(pattern);
  } catch (error) {
    throw invalid(`the pattern is none of RE2: ${messageOf(error)}`, offset);
  }
}

function matchesPattern(text: string, pattern: string): boolean {
  if (text.length > LIMITS.matchedCharsMax) {
    throw new Error(`the text is longer than the ${LIMITS.matchedCharsMax} characters that matches takes`);
  }
  return patternOf(pattern).test(text);
}

const BASE = baseEnvironment();

const parseDuration = new Environment().registerVariable('text', 'string').parse('duration(text)');

function durationOf(text: string): unknown {
  if (text.length > DURATION_CHARS_MAX) throw new Error('a duration is not that long');
  return parseDuration({ text });
}

/** What came out, as JSON has it. */
function toJson(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint':
      return Number(value);
    case 'object':
      return value === null ? null : objectToJson(value);
    case 'function':
    case 'symbol':
      throw new Error('gives no value');
    default:
      return value;
  }
}

function objectToJson(value: object): unknown {
  if (Array.isArray(value)) return listToJson(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof Date) return value.toISOString();
  // Durations, in milliseconds, and unsigned integers.
  const primitive: unknown = value.valueOf();
  if (typeof primitive === 'number' || typeof primitive === 'bigint') return Number(primitive);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, toJson(inner)]));
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype === Object.prototype || prototype === null)
    return plainToJson(value as Record<string, unknown>);
  throw new Error('gives a value that JSON does not know; wrap it in string(…), or say .orValue(…)');
}

function listToJson(list: readonly unknown[]): readonly unknown[] {
  const made = list.map(toJson);
  return made.every((inner, index) => Object.is(inner, list[index])) ? list : made;
}

/** A map whose values are JSON already, such as a record's data, is handed on as it is. */
function plainToJson(map: Record<string, unknown>): Record<string, unknown> {
  let changed: Record<string, unknown> | null = null;
  for (const key in map) {
    const inner = map[key];
    const made = toJson(inner);
    if (made !== inner) (changed ??= { ...map })[key] = made;
  }
  return changed ?? map;
}

interface CelError {
  readonly summary?: string;
  readonly code?: string;
  readonly range?: { readonly start: number };
}

function asInvalid(error: unknown): HeadgateError {
  if (error instanceof HeadgateError) return error;
  const { summary, range, code } = error as CelError;
  const advice = code === 'incompatible_ternary_branches' ? '; wrap one of them in dyn(…)' : '';
  return invalid(`${readable(summary ?? messageOf(error))}${advice}`, range?.start ?? 0);
}

function invalid(message: string, offset: number): HeadgateError {
  return new HeadgateError('HG_EXPRESSION_INVALID', message, { details: { offset } });
}

function failed(text: string, error: unknown): HeadgateError {
  const reason = readable((error as CelError).summary ?? messageOf(error));
  const shown = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return new HeadgateError('HG_EXPRESSION_FAILED', `${shown}: ${reason}`, { cause: error });
}

/** In the words of the user, not in those of the library. */
function readable(message: string): string {
  if (message === 'Unexpected token: EOF') return 'it ends too soon';
  const text = message.replaceAll(MATCHES, 'matches').replaceAll(DURATION, 'duration');
  return `${text[0]?.toLowerCase() ?? ''}${text.slice(1)}`;
}
