/** Macros: calls whose arguments are not evaluated before them. */

import { hasField } from './access.ts';
import { compileLoop, LOOPS } from './loops.ts';
import { variableName, type Compiled, type CompilePart, type Scope } from './scope.ts';
import { SyntaxProblem, type CallSyntax, type Syntax } from './syntax.ts';
import { EvaluationError, kindOf, NONE, Optional } from './values.ts';

/** Names of macros, as those of functions are listed. */
export const MACROS: readonly string[] = [
  ...['has', 'cel.bind', '.orValue', '.or', '.optMap', '.optFlatMap'],
  ...[...LOOPS].map((name) => `.${name}`),
];

/** Null where the call is one of a function. @throws SyntaxProblem */
export function compileMacro(syntax: CallSyntax, scope: Scope, compile: CompilePart): Compiled | null {
  const { name, receiver, args } = syntax;
  if (receiver === null) {
    return name === 'has' && args.length === 1 ? compileHas(args[0] as Syntax, scope, compile) : null;
  }
  if (receiver.op === 'name' && receiver.name === 'cel' && name === 'bind' && args.length === 3) {
    return compileBind(args as [Syntax, Syntax, Syntax], scope, compile);
  }
  if ((name === 'or' || name === 'orValue') && args.length === 1) {
    return compileOr(name, compile(receiver, scope), compile(args[0] as Syntax, scope), syntax.start);
  }
  if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
    return compileOptMap(name, receiver, args as [Syntax, Syntax], scope, compile);
  }
  return LOOPS.has(name) && args.length > 1 ? compileLoop(syntax, receiver, scope, compile) : null;
}

function compileHas(argument: Syntax, scope: Scope, compile: CompilePart): Compiled {
  if (argument.op !== 'select') {
    throw new SyntaxProblem('has takes a field, as in has(record.data.a)', argument.start);
  }
  const { operand, field, nameStart } = argument;
  if (operand.op === 'name' && scope.local(operand.name) === undefined) {
    scope.checkField(operand.name, field, nameStart);
  }
  const { run, parts } = compile(operand, scope);
  return { kind: 'bool', run: (frame) => hasField(run(frame), field), parts: parts + 1 };
}

function compileBind([variable, value, inner]: [Syntax, Syntax, Syntax], scope: Scope, compile: CompilePart) {
  const bound = compile(value, scope);
  const { scope: own, slots } = scope.with([variableName(variable)], [bound.kind]);
  const { kind, run, parts } = compile(inner, own);
  const slot = slots[0] as number;
  const compiled: Compiled = {
    kind,
    run(frame) {
      frame.slots[slot] = bound.run(frame);
      return run(frame);
    },
    parts: bound.parts + parts + 1,
  };
  return compiled;
}

function optionalOf(value: unknown, name: string): Optional {
  if (value instanceof Optional) return value;
  throw new EvaluationError(`no such overload: ${kindOf(value)}.${name}; write ".?" before the last field`);
}

function compileOr(name: 'or' | 'orValue', receiver: Compiled, other: Compiled, start: number): Compiled {
  if (receiver.kind !== 'optional' && receiver.kind !== 'dyn') {
    throw new SyntaxProblem(`${name} takes an optional, as in record.data.?a.${name}(0)`, start);
  }
  const parts = receiver.parts + other.parts + 1;
  if (name === 'or') {
    return {
      kind: 'optional',
      run(frame) {
        const optional = optionalOf(receiver.run(frame), name);
        return optional.value === undefined ? optionalOf(other.run(frame), name) : optional;
      },
      parts,
    };
  }
  return {
    kind: 'dyn',
    run(frame) {
      const { value } = optionalOf(receiver.run(frame), name);
      return value === undefined ? other.run(frame) : value;
    },
    parts,
  };
}

function compileOptMap(
  name: 'optMap' | 'optFlatMap',
  receiver: Syntax,
  [variable, inner]: [Syntax, Syntax],
  scope: Scope,
  compile: CompilePart,
): Compiled {
  const optional = compile(receiver, scope);
  const { scope: own, slots } = scope.with([variableName(variable)], ['dyn']);
  const { run, parts } = compile(inner, own);
  const slot = slots[0] as number;
  return {
    kind: 'optional',
    run(frame) {
      const { value } = optionalOf(optional.run(frame), name);
      if (value === undefined) return NONE;
      frame.slots[slot] = value;
      return name === 'optMap' ? new Optional(run(frame)) : optionalOf(run(frame), name);
    },
    parts: optional.parts + parts + 1,
  };
}
