/** Turns a syntax tree into a function. Mistakes that show without a record are found here: unknown names
 *  and fields, operators and functions that take no such operands. */

import { element, elementOptional, fieldReader, selectOptional } from './access.ts';
import { compileCall } from './calls.ts';
import { MapBuilder } from './map-builder.ts';
import { compileBinary, compileConditional, compileNegate, compileNot } from './operators.ts';
import type { Compiled, Run, Scope } from './scope.ts';
import {
  SyntaxProblem,
  type IndexSyntax,
  type NameSyntax,
  type SelectSyntax,
  type Syntax,
} from './syntax.ts';
import { adopt, EvaluationError, kindOf, Optional, typeNamed } from './values.ts';

/** @throws SyntaxProblem */
export function compile(syntax: Syntax, scope: Scope): Compiled {
  switch (syntax.op) {
    case 'literal':
      return constant(syntax.value);
    case 'name':
      return compileName(syntax, scope);
    case 'select':
      return compileSelect(syntax, scope);
    case 'index':
      return compileIndex(syntax, scope);
    case 'call':
      return compileCall(syntax, scope, compile);
    case 'not':
      return compileNot(compile(syntax.operand, scope), syntax.start);
    case 'negate':
      return compileNegate(compile(syntax.operand, scope), syntax.start);
    case 'binary':
      return compileBinary(
        syntax.operator,
        compile(syntax.left, scope),
        compile(syntax.right, scope),
        syntax.start,
      );
    case 'conditional':
      return compileConditional(
        compile(syntax.condition, scope),
        compile(syntax.whenTrue, scope),
        compile(syntax.whenFalse, scope),
        syntax.condition.start,
      );
    case 'list':
      return compileList(syntax, scope);
    case 'map':
      return compileMap(syntax, scope);
  }
}

function constant(value: unknown): Compiled {
  return { kind: kindOf(value), run: () => value, parts: 1, constant: value };
}

function compileName({ name, absolute, start }: NameSyntax, scope: Scope): Compiled {
  const local = absolute ? undefined : scope.local(name);
  if (local !== undefined) {
    const { slot, kind } = local;
    return { kind, run: (frame) => frame.slots[slot], parts: 1 };
  }
  if (scope.hasVariable(name)) return variable(name, scope);
  const type = typeNamed(name);
  if (type !== undefined) return constant(type);
  throw scope.unknownName(name, start);
}

function variable(name: string, scope: Scope): Compiled {
  const run: Run = (frame) => {
    const value = frame.variables[name];
    if (value === undefined) throw new EvaluationError(`no such variable: ${name}`);
    return adopt(value);
  };
  return { kind: scope.variables[name] === null ? 'dyn' : 'map', run, parts: 1 };
}

/** Kinds whose values have no fields. */
const WITHOUT_FIELDS = new Set([
  'int',
  'uint',
  'double',
  'string',
  'bytes',
  'bool',
  'list',
  'timestamp',
  'duration',
]);

function compileSelect(syntax: SelectSyntax, scope: Scope): Compiled {
  const { operand, field, optional, start, nameStart } = syntax;
  const qualified = qualifiedName(syntax, scope);
  if (qualified !== null && scope.hasVariable(qualified)) return variable(qualified, scope);
  const type = qualified === null ? undefined : typeNamed(qualified);
  if (type !== undefined) return constant(type);
  if (operand.op === 'name' && scope.local(operand.name) === undefined) {
    scope.checkField(operand.name, field, nameStart);
  }
  const { run, parts, kind } = compile(operand, scope);
  if (WITHOUT_FIELDS.has(kind)) throw new SyntaxProblem(`a value of the kind ${kind} has no fields`, start);
  const read = fieldReader(field);
  return optional
    ? { kind: 'optional', run: (frame) => selectOptional(run(frame), field), parts: parts + 1 }
    : { kind: 'dyn', run: (frame) => read(run(frame)), parts: parts + 1 };
}

/** `a.b.c`, where the node is nothing but names, and the first is no variable of a loop. */
function qualifiedName(syntax: Syntax, scope: Scope): string | null {
  if (syntax.op === 'name') {
    return syntax.absolute || scope.local(syntax.name) === undefined ? syntax.name : null;
  }
  if (syntax.op !== 'select' || syntax.optional) return null;
  const owner = qualifiedName(syntax.operand, scope);
  return owner === null ? null : `${owner}.${syntax.field}`;
}

function compileIndex(syntax: IndexSyntax, scope: Scope): Compiled {
  const [operand, index] = [compile(syntax.operand, scope), compile(syntax.index, scope)];
  const parts = operand.parts + index.parts + 1;
  const find = syntax.optional ? elementOptional : element;
  const kind = syntax.optional ? 'optional' : 'dyn';
  return { kind, run: (frame) => find(operand.run(frame), index.run(frame)), parts };
}

/** The value of the optional behind a `?`; undefined where it has none. */
function unwrap(value: unknown): unknown {
  if (value instanceof Optional) return value.value;
  throw new EvaluationError(`"?" takes an optional, not a ${kindOf(value)}`);
}

function compileList({ items }: Syntax & { op: 'list' }, scope: Scope): Compiled {
  const compiled = items.map(({ value, optional }) => ({ ...compile(value, scope), optional }));
  const parts = compiled.reduce((sum, item) => sum + item.parts, 1);
  if (!compiled.some(({ optional }) => optional)) {
    const runs = compiled.map(({ run }) => run);
    return { kind: 'list', run: (frame) => runs.map((run) => run(frame)), parts };
  }
  const run: Run = (frame) => {
    const list: unknown[] = [];
    for (const item of compiled) {
      const value = item.optional ? unwrap(item.run(frame)) : item.run(frame);
      if (value !== undefined) list.push(value);
    }
    return list;
  };
  return { kind: 'list', run, parts };
}

function compileMap({ entries }: Syntax & { op: 'map' }, scope: Scope): Compiled {
  const compiled = entries.map(({ key, value, optional }) => ({
    key: compile(key, scope),
    value: compile(value, scope),
    optional,
  }));
  const parts = compiled.reduce((sum, { key, value }) => sum + key.parts + value.parts, 1);
  const run: Run = (frame) => {
    const map = new MapBuilder();
    for (const { key, value, optional } of compiled) {
      const name = key.run(frame);
      const made = optional ? unwrap(value.run(frame)) : value.run(frame);
      if (made !== undefined) map.add(name, made);
    }
    return map.build();
  };
  return { kind: 'map', run, parts };
}
