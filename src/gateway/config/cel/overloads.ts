/** Functions and methods: what they take, and how a call finds the one that fits its arguments. */

import { EvaluationError, kindOf, type Kind } from './values.ts';

export type AnyKind = Kind | 'dyn';

/** One function for arguments of certain kinds. That of a method takes its receiver first. */
export interface Overload {
  readonly params: readonly AnyKind[];
  readonly result: AnyKind;
  readonly call: (...args: never[]) => unknown;
}

export function overload(
  params: readonly AnyKind[],
  result: AnyKind,
  call: (...args: never[]) => unknown,
): Overload {
  return { params, result, call };
}

/** The overloads that arguments of these kinds may fit. */
export function candidatesFor(overloads: readonly Overload[], kinds: readonly AnyKind[]): Overload[] {
  return overloads.filter(
    ({ params }) =>
      params.length === kinds.length && params.every((param, index) => canBe(kinds[index] as AnyKind, param)),
  );
}

function canBe(kind: AnyKind, param: AnyKind): boolean {
  return kind === 'dyn' || param === 'dyn' || kind === param || (param === 'int' && kind === 'double');
}

/** Whether arguments of these kinds fit without a look at their values. */
export function fitsExactly({ params }: Overload, kinds: readonly AnyKind[]): boolean {
  return params.every((param, index) => param === 'dyn' || param === kinds[index]);
}

/** Calls the overload that fits. A whole number of a record is taken where an integer is wanted.
 *  @throws EvaluationError where none fits, and what the function throws */
export function callFitting(name: string, candidates: readonly Overload[], args: unknown[]): unknown {
  for (const { params, call } of candidates) {
    if (params.every((param, index) => param === 'dyn' || param === kindOf(args[index]))) {
      return call(...(args as never[]));
    }
  }
  for (const { params, call } of candidates) {
    if (params.every((param, index) => fits(args[index], param))) {
      return call(...(args.map((arg, index) => asParam(arg, params[index])) as never[]));
    }
  }
  throw new EvaluationError(`no such overload: ${shownCall(name, args.map(kindOf))}`);
}

function fits(arg: unknown, param: AnyKind): boolean {
  return param === 'dyn' || param === kindOf(arg) || (param === 'int' && Number.isSafeInteger(arg));
}

function asParam(arg: unknown, param: AnyKind | undefined): unknown {
  return param === 'int' && typeof arg === 'number' ? BigInt(arg) : arg;
}

/** `name(int, string)`, or `string.name(int)`. */
export function shownCall(name: string, kinds: readonly AnyKind[]): string {
  if (!name.startsWith('.')) return `${name}(${kinds.join(', ')})`;
  const [receiver, ...args] = kinds;
  return `${receiver}${name}(${args.join(', ')})`;
}
