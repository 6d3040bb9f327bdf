/** The tree of an expression, as its parser makes it: how to walk it, and whether it names fields that are
 *  there. The parser's own types leave out what it adds for macros. */

import { nearestNames } from '../../domain/nearest-names.ts';

export interface Node {
  readonly op: string;
  args: unknown[] & Comprehension;
  readonly start: number;
  readonly maybeAsync: boolean;
  readonly meta: {
    /** What a macro such as `map` was written out to. */
    readonly alternate?: Node;
    /** A macro that evaluates itself: `has`, `cel.bind`. */
    readonly macro?: { readonly args?: readonly Node[]; readonly val?: Node; readonly exp?: Node };
    readonly evaluate: Evaluate;
  };
  evaluate: Evaluate;
}

export interface Evaluator {
  run(node: Node, context: unknown): unknown;
}

export type Evaluate = (evaluator: Evaluator, node: Node, context: unknown) => unknown;

/** `args` of a loop. */
interface Comprehension {
  readonly iterable: Node;
  readonly init: Node;
  /** False of `all` and `exists`, which go on after an error. */
  readonly errorsAreFatal: boolean;
  step: Node;
}

/** The names an expression may use: for each the fields it has, null where that is not known. */
export type Variables = Readonly<Record<string, readonly string[] | null>>;

/** The node and all below it. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const child of childrenOf(node)) yield* nodesOf(child);
}

function childrenOf({ op, args, meta }: Node): Node[] {
  if (meta.alternate !== undefined) return [meta.alternate];
  if (meta.macro !== undefined) {
    const { args: own = [], val, exp } = meta.macro;
    return [...own, val, exp].filter((child) => child !== undefined);
  }
  if (op === 'comprehension') return [args.iterable, args.init, args.step];
  return nodesAmong(args);
}

function nodesAmong(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesAmong);
  return isNode(value) ? [value] : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'op' in value && 'meta' in value;
}

/** The value that is written out, undefined where there is none. */
export function literalOf({ op, args }: Node): unknown {
  return op === 'value' ? args : undefined;
}

/** Refuses a field that a variable never has. */
export function checkFields(
  { op, args, start }: Node,
  variables: Variables,
  problem: (message: string, offset: number) => Error,
): void {
  if (op !== '.' && op !== '.?') return;
  const [owner, name] = args as unknown as [Node, unknown];
  if (owner.op !== 'id' || typeof name !== 'string') return;
  const variable = owner.args as unknown as string;
  const known = Object.hasOwn(variables, variable) ? variables[variable] : null;
  if (known === null || known === undefined || known.includes(name)) return;
  const [near] = nearestNames(name, known);
  const advice = near === undefined ? `it has ${known.join(', ')}` : `did you mean "${variable}.${near}"?`;
  throw problem(`${variable} has no "${name}"; ${advice}`, start + variable.length + 1);
}
