/** Calls of functions and methods, other than macros. */

import { nearestNames } from '../../../domain/nearest-names.ts';
import { messageOf } from '../../../domain/errors.ts';
import { LIMITS } from '../../../domain/limits.ts';
import { CONVERSIONS } from './conversions.ts';
import { compileMacro, MACROS } from './macros.ts';
import { MATH_FUNCTIONS } from './math-functions.ts';
import { OPTIONAL_FUNCTIONS } from './optional-functions.ts';
import { callFitting, candidatesFor, fitsExactly, shownCall, type Overload } from './overloads.ts';
import type { Compiled, CompilePart, Run, Scope } from './scope.ts';
import { SyntaxProblem, type CallSyntax, type Syntax } from './syntax.ts';
import { patternOf, TEXT_FUNCTIONS } from './text-functions.ts';
import { TIME_FUNCTIONS } from './time-functions.ts';

/** By name; a method is called `.name`. */
const FUNCTIONS = new Map<string, readonly Overload[]>(
  [CONVERSIONS, TEXT_FUNCTIONS, MATH_FUNCTIONS, TIME_FUNCTIONS, OPTIONAL_FUNCTIONS].flatMap(Object.entries),
);

/** @throws SyntaxProblem where there is no such function, or it takes no such arguments */
export function compileCall(syntax: CallSyntax, scope: Scope, compile: CompilePart): Compiled {
  const macro = compileMacro(syntax, scope, compile);
  if (macro !== null) return macro;
  const { name, args } = calledBy(syntax, scope);
  const overloads = FUNCTIONS.get(name);
  if (overloads === undefined) throw unknownFunction(name, syntax.nameStart);
  if (syntax.name === 'matches' && args.length === 2) checkPattern(args[1] as Syntax);
  const compiled = args.map((arg) => compile(arg, scope));
  const kinds = compiled.map(({ kind }) => kind);
  const candidates = candidatesFor(overloads, kinds);
  if (candidates.length === 0) {
    throw new SyntaxProblem(`no such overload: ${shownCall(name, kinds)}`, syntax.start);
  }
  const results = new Set(candidates.map(({ result }) => result));
  return {
    kind: results.size === 1 ? (candidates[0] as Overload).result : 'dyn',
    run: runOf(name, candidates, compiled),
    parts: compiled.reduce((sum, { parts }) => sum + parts, CALL_PARTS),
  };
}

/** A call takes about as long as this many other parts. */
const CALL_PARTS = 5;

/** `math.abs(x)` is a function whose name has two parts, `x.abs()` a method. */
function calledBy(
  { name, receiver, args }: CallSyntax,
  scope: Scope,
): { name: string; args: readonly Syntax[] } {
  if (receiver === null) return { name, args };
  if (
    receiver.op === 'name' &&
    scope.local(receiver.name) === undefined &&
    !scope.hasVariable(receiver.name)
  ) {
    const qualified = `${receiver.name}.${name}`;
    if (FUNCTIONS.has(qualified)) return { name: qualified, args };
    if (NAMESPACES.has(receiver.name)) throw unknownFunction(qualified, receiver.start);
  }
  return { name: `.${name}`, args: [receiver, ...args] };
}

const NAMESPACES: ReadonlySet<string> = new Set(
  [...FUNCTIONS.keys(), 'cel.bind']
    .filter((name) => /^[^.]+\./.test(name))
    .map((name) => name.split('.')[0] ?? ''),
);

function unknownFunction(name: string, start: number): SyntaxProblem {
  const isMethod = name.startsWith('.');
  const alike = [...FUNCTIONS.keys(), ...MACROS].filter((known) => known.startsWith('.') === isMethod);
  const [near] = nearestNames(name, alike);
  const sort = isMethod ? 'method' : 'function';
  const advice = near === undefined ? '' : `; did you mean "${near.replace(/^\./, '')}"?`;
  return new SyntaxProblem(`there is no ${sort} "${name.replace(/^\./, '')}"${advice}`, start);
}

function runOf(name: string, candidates: readonly Overload[], args: readonly Compiled[]): Run {
  const [only, ...others] = candidates as [Overload, ...Overload[]];
  const runs = args.map(({ run }) => run);
  const kinds = args.map(({ kind }) => kind);
  if (others.length > 0 || !fitsExactly(only, kinds)) {
    return (frame) =>
      callFitting(
        name,
        candidates,
        runs.map((run) => run(frame)),
      );
  }
  const call = only.call as (...values: unknown[]) => unknown;
  const [first, second] = runs;
  if (first !== undefined && runs.length === 1) return (frame) => call(first(frame));
  if (first !== undefined && second !== undefined && runs.length === 2) {
    return (frame) => call(first(frame), second(frame));
  }
  return (frame) => call(...runs.map((run) => run(frame)));
}

/** A pattern that is written out is compiled once, and is known to be one of RE2. */
function checkPattern(argument: Syntax): void {
  const pattern = argument.op === 'literal' ? argument.value : null;
  if (typeof pattern !== 'string') {
    throw new SyntaxProblem(
      'matches takes a pattern that is written out, as in matches("^a+$")',
      argument.start,
    );
  }
  if (pattern.length > LIMITS.patternCharsMax) {
    throw new SyntaxProblem(
      `the pattern is longer than ${LIMITS.patternCharsMax} characters`,
      argument.start,
    );
  }
  try {
    patternOf(pattern);
  } catch (error) {
    throw new SyntaxProblem(`the pattern is none of RE2: ${messageOf(error)}`, argument.start);
  }
}
