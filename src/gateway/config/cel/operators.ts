/** Operators between compiled parts. */

import { arithmetic, arithmeticKind, negate } from './arithmetic.ts';
import { chargeCaught } from './budget.ts';
import { compare, contains, equals } from './equality.ts';
import type { AnyKind } from './overloads.ts';
import type { Compiled, Frame, Run } from './scope.ts';
import { SyntaxProblem, type ArithmeticOperator, type BinaryOperator, type OrderOperator } from './syntax.ts';
import { EvaluationError, kindOf, type Kind } from './values.ts';

/** @throws SyntaxProblem where the operator takes no such operands */
export function compileBinary(
  operator: BinaryOperator,
  left: Compiled,
  right: Compiled,
  start: number,
): Compiled {
  const parts = left.parts + right.parts + 1;
  switch (operator) {
    case '&&':
    case '||':
      mustBeBool(left.kind, start);
      mustBeBool(right.kind, start);
      return { kind: 'bool', run: logical(operator === '||', left.run, right.run), parts };
    case '==':
      return { kind: 'bool', run: equality(left, right, true), parts };
    case '!=':
      return { kind: 'bool', run: equality(left, right, false), parts };
    case 'in':
      if (!['dyn', 'list', 'map'].includes(right.kind)) throw noOverload(operator, left, right, start);
      return { kind: 'bool', run: (frame) => memberOf(left.run(frame), right.run(frame)), parts };
    case '<':
    case '<=':
    case '>':
    case '>=':
      if (!haveOrder(left.kind, right.kind)) throw noOverload(operator, left, right, start);
      return { kind: 'bool', run: ordering(operator, left, right), parts };
    default: {
      const kind = arithmeticKind(operator, left.kind, right.kind);
      if (kind === null) throw noOverload(operator, left, right, start);
      return { kind, run: calculation(operator, left, right), parts };
    }
  }
}

function noOverload(operator: string, left: Compiled, right: Compiled, start: number): SyntaxProblem {
  return new SyntaxProblem(`no such overload: ${left.kind} ${operator} ${right.kind}`, start);
}

function mustBeBool(kind: AnyKind, start: number): void {
  if (kind === 'bool' || kind === 'dyn') return;
  throw new SyntaxProblem(
    `"&&", "||", "!" and "?" take true or false, and here is a value of the kind ${kind}`,
    start,
  );
}

/** The value where it is a bool, otherwise an error. */
function bool(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new EvaluationError(`no such overload: logic requires bool operands, got ${kindOf(value)}`);
}

/** `||` where `decisive` is true, `&&` where it is false. An error of one operand does not matter where the
 *  other one decides. */
function logical(decisive: boolean, left: Run, right: Run): Run {
  return (frame) => {
    let first: boolean;
    try {
      first = bool(left(frame));
    } catch (error) {
      chargeCaught(error);
      if (bool(right(frame)) === decisive) return decisive;
      throw error;
    }
    return first === decisive ? decisive : bool(right(frame));
  };
}

/** A whole number that is written out, as a double: the quick way to compare it with a number of a record. */
function asDouble({ constant }: Compiled): number | undefined {
  if (typeof constant === 'number') return constant;
  const isExact = typeof constant === 'bigint' && Number.isSafeInteger(Number(constant));
  return isExact ? Number(constant) : undefined;
}

function equality(left: Compiled, right: Compiled, wanted: boolean): Run {
  const [one, other, number] = [left.run, right.run, asDouble(right)];
  if (number !== undefined) {
    return (frame) => {
      const value = one(frame);
      return (typeof value === 'number' ? value === number : equals(value, right.constant)) === wanted;
    };
  }
  return (frame) => equals(one(frame), other(frame)) === wanted;
}

function memberOf(value: unknown, container: unknown): boolean {
  return contains(container, value);
}

const NUMBERS: ReadonlySet<AnyKind> = new Set<Kind>(['int', 'uint', 'double']);
const ORDERED: ReadonlySet<AnyKind> = new Set<Kind>(['string', 'bytes', 'bool', 'timestamp', 'duration']);

function haveOrder(left: AnyKind, right: AnyKind): boolean {
  const canBe = (kind: AnyKind) => kind === 'dyn' || NUMBERS.has(kind) || ORDERED.has(kind);
  if (!canBe(left) || !canBe(right)) return false;
  return left === 'dyn' || right === 'dyn' || left === right || (NUMBERS.has(left) && NUMBERS.has(right));
}

const ORDERS: Readonly<Record<OrderOperator, (left: number, right: number) => boolean>> = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

function ordering(operator: OrderOperator, left: Compiled, right: Compiled): Run {
  const [one, other, holds] = [left.run, right.run, ORDERS[operator]];
  const number = asDouble(right);
  if (number !== undefined) {
    return (frame) => {
      const value = one(frame);
      return typeof value === 'number' ? holds(value, number) : holds(compare(value, right.constant), 0);
    };
  }
  return (frame) => {
    const [first, second] = [one(frame), other(frame)];
    if (typeof first === 'number' && typeof second === 'number') return holds(first, second);
    return holds(compare(first, second), 0);
  };
}

function calculation(operator: ArithmeticOperator, left: Compiled, right: Compiled): Run {
  const [one, other, apply] = [left.run, right.run, arithmetic(operator)];
  const number = asDouble(right);
  if (number !== undefined) {
    return (frame) => {
      const value = one(frame);
      return apply(value, typeof value === 'number' ? number : right.constant);
    };
  }
  return (frame) => apply(one(frame), other(frame));
}

/** @throws SyntaxProblem where the operand is no bool */
export function compileNot({ run, kind, parts }: Compiled, start: number): Compiled {
  mustBeBool(kind, start);
  return { kind: 'bool', run: (frame) => !bool(run(frame)), parts: parts + 1 };
}

/** @throws SyntaxProblem where the operand is no number */
export function compileNegate({ run, kind, parts }: Compiled, start: number): Compiled {
  if (!['dyn', 'int', 'double'].includes(kind)) {
    throw new SyntaxProblem(`no such overload: -${kind}`, start);
  }
  return { kind, run: (frame) => negate(run(frame)), parts: parts + 1 };
}

/** @throws SyntaxProblem where the condition is no bool */
export function compileConditional(
  condition: Compiled,
  whenTrue: Compiled,
  whenFalse: Compiled,
  start: number,
): Compiled {
  mustBeBool(condition.kind, start);
  const [test, one, other] = [condition.run, whenTrue.run, whenFalse.run];
  return {
    kind: whenTrue.kind === whenFalse.kind ? whenTrue.kind : 'dyn',
    run: (frame: Frame) => (bool(test(frame)) ? one(frame) : other(frame)),
    parts: condition.parts + whenTrue.parts + whenFalse.parts + 1,
  };
}
