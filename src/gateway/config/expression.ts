/** Expressions of the configuration, in CEL (https://cel.dev): compiled once, evaluated for every record.
 *
 *  - They see the variables they are given and nothing else; they change nothing and always come to an end.
 *  - Numbers are those of JSON. An integer that is written out (`20`) goes with any number, and what comes
 *    out is plain JSON again.
 *  - What an evaluation may cost is bounded (cel/budget.ts), whatever the expression and the record.
 *  - `matches` takes RE2 patterns, written out; they are run in time that grows with the text alone. */

import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { beginBudget, charge, stepsSpent } from './cel/budget.ts';
import { compile } from './cel/compile.ts';
import { handOn, toJson } from './cel/json.ts';
import { parse } from './cel/parser.ts';
import { Scope, type Compiled, type Frame, type Variables } from './cel/scope.ts';
import { SyntaxProblem, type Syntax } from './cel/syntax.ts';

export type { Variables } from './cel/scope.ts';

export interface Expression {
  readonly text: string;
  /** The kind of its value: `bool`, `string`, `int`, `double`, `list`, `map`, … or
   *  `dyn`. */
  readonly type: string;
  /** @throws HeadgateError HG_EXPRESSION_FAILED (remedy `drop`) */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
  /** The steps of the budget that the latest evaluation has spent. */
  stepsSpent(): number;
}

const NO_VARIABLES: Readonly<Record<string, unknown>> = {};

/** Compiles `text`, in which the names of `variables` may stand.
 *  @throws HeadgateError HG_EXPRESSION_INVALID with `details.offset`, characters from its beginning. */
export function compileExpression(text: string, variables: Variables): Expression {
  if (text.trim() === '') throw invalid('is empty; write an expression', 0);
  if (text.length > LIMITS.expressionCharsMax) {
    throw invalid(`is longer than ${LIMITS.expressionCharsMax} characters; use a module`, 0);
  }
  const { run, parts, kind, isOfRecord } = compiled(text, variables);
  const frame: Frame = { variables: NO_VARIABLES, slots: [] };
  let spent = 0;
  return {
    text,
    type: kind,
    evaluate(values) {
      beginBudget();
      frame.variables = values;
      try {
        charge(parts);
        const value = run(frame);
        return isOfRecord ? handOn(value) : toJson(value);
      } catch (error) {
        throw failed(text, error);
      } finally {
        spent = stepsSpent();
        // The record must not be kept until the next one comes.
        frame.variables = NO_VARIABLES;
        if (frame.slots.length > 0) frame.slots.length = 0;
      }
    },
    stepsSpent: () => spent,
  };
}

function compiled(text: string, variables: Variables): Compiled & { readonly isOfRecord: boolean } {
  try {
    const tree = parse(text);
    return { ...compile(tree, new Scope(variables)), isOfRecord: isPath(tree) };
  } catch (error) {
    if (error instanceof SyntaxProblem) throw invalid(error.message, error.offset);
    throw error;
  }
}

/** Whether the expression is nothing but a path, such as `record.data.a`. Its value is one of the record, and
 *  is not looked at however large it is. */
function isPath(tree: Syntax): boolean {
  return tree.op === 'name' || (tree.op === 'select' && !tree.optional && isPath(tree.operand));
}

function invalid(message: string, offset: number): HeadgateError {
  return new HeadgateError('HG_EXPRESSION_INVALID', message, { details: { offset } });
}

const SHOWN_CHARS_MAX = 80;

function failed(text: string, error: unknown): HeadgateError {
  // The stack of the calls is spent on values within values.
  const reason = error instanceof RangeError ? 'the record nests too deep' : messageOf(error);
  const shown = text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX - 1)}…` : text;
  return new HeadgateError('HG_EXPRESSION_FAILED', `${shown}: ${reason}`, { cause: error });
}
