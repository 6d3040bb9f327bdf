/** The compiled form of the parts of an expression, and the names they see. */

import { nearestNames } from '../../../domain/nearest-names.ts';
import type { AnyKind } from './overloads.ts';
import { SyntaxProblem, type Syntax } from './syntax.ts';

/** The names an expression may use: for each the fields it has, null where that is not known. */
export type Variables = Readonly<Record<string, readonly string[] | null>>;

/** The variables of one evaluation. */
export interface Frame {
  variables: Readonly<Record<string, unknown>>;
  /** Variables of loops and of `cel.bind`, by the slot each has. */
  readonly slots: unknown[];
}

export type Run = (frame: Frame) => unknown;

export interface Compiled {
  /** The kind of its value, `dyn` where only a record shows it. */
  readonly kind: AnyKind;
  readonly run: Run;
  /** How many parts it evaluates, itself included; parts of a loop are charged at its turns. */
  readonly parts: number;
  /** Its value where it is written out. */
  readonly constant?: unknown;
}

interface Local {
  readonly name: string;
  readonly slot: number;
  readonly kind: AnyKind;
}

export class Scope {
  readonly variables: Variables;
  readonly #locals: readonly Local[];

  constructor(variables: Variables, locals: readonly Local[] = []) {
    this.variables = variables;
    this.#locals = locals;
  }

  /** A scope in which further names stand for the next free slots. */
  with(names: readonly string[], kinds: readonly AnyKind[]): { scope: Scope; slots: readonly number[] } {
    const first = this.#locals.length;
    const added = names.map((name, index) => ({ name, slot: first + index, kind: kinds[index] ?? 'dyn' }));
    return {
      scope: new Scope(this.variables, [...this.#locals, ...added]),
      slots: added.map(({ slot }) => slot),
    };
  }

  local(name: string): Local | undefined {
    return this.#locals.findLast((local) => local.name === name);
  }

  hasVariable(name: string): boolean {
    return Object.hasOwn(this.variables, name);
  }

  unknownName(name: string, start: number): SyntaxProblem {
    const known = [...Object.keys(this.variables), ...this.#locals.map((local) => local.name)];
    const [near] = nearestNames(name, known);
    const advice = near === undefined ? `; there is ${known.join(', ')}` : `; did you mean "${near}"?`;
    return new SyntaxProblem(`unknown variable: ${name}${advice}`, start);
  }

  /** @throws SyntaxProblem where a variable never has such a field */
  checkField(variable: string, field: string, start: number): void {
    const fields = this.hasVariable(variable) ? this.variables[variable] : null;
    if (fields === null || fields === undefined || fields.includes(field)) return;
    const [near] = nearestNames(field, fields);
    const advice = near === undefined ? `it has ${fields.join(', ')}` : `did you mean "${variable}.${near}"?`;
    throw new SyntaxProblem(`${variable} has no "${field}"; ${advice}`, start);
  }
}

export type CompilePart = (syntax: Syntax, scope: Scope) => Compiled;

/** The name that stands as the first argument. */
export function variableName(argument: Syntax): string {
  if (argument.op === 'name') return argument.name;
  throw new SyntaxProblem('here a name must stand, for the value that what follows is about', argument.start);
}
