/** Bounds what the evaluation of one expression may cost.
 *
 *  Without a loop (`map`, `filter`, `all`, `exists`, `cel.bind`) it costs no more than its length times the
 *  size of the record. With one it is given a budget: each turn of a loop spends the number of its parts, and
 *  what looks at a whole text or list spends its length. Where the budget is spent, the evaluation fails. */

import { LIMITS } from '../../domain/limits.ts';
import { nodesOf, type Evaluate, type Node } from './expression-tree.ts';

export interface Budget {
  left: number;
}

/** To be called once the expression has been checked: the check decides how nodes are evaluated. */
export function guardLoops(root: Node, budget: Budget): void {
  const nodes = [...nodesOf(root)];
  if (!nodes.some(isLoop)) return;
  for (const node of nodes) {
    for (const part of lookedAt(node)) spendOnValue(part, budget);
    if (isCall(node)) spendOnCall(node, budget);
  }
  for (const node of nodes) if (node.op === 'comprehension') spendOnTurns(node, budget);
}

/** Whether the budget was spent. A loop that was cut short then gave no true result. */
export function isSpent(budget: Budget): boolean {
  return budget.left < 0;
}

/** Made once: it may be thrown at every turn. */
export const SPENT = new Error(
  `it takes more than ${LIMITS.expressionStepsMax} steps; use a module for that`,
);

function isLoop({ op, meta }: Node): boolean {
  return op === 'comprehension' || meta.macro?.exp !== undefined;
}

function isCall({ op, meta }: Node): boolean {
  return (op === 'call' || op === 'rcall') && meta.alternate === undefined && meta.macro === undefined;
}

/** The parts of a node whose values it looks at from end to end, be it only to find out their types. */
function lookedAt(node: Node): readonly Node[] {
  const { op, args } = node;
  if (op === 'comprehension') return [args.iterable];
  if (isCall(node)) {
    const [, second, third] = args as unknown as CallArguments;
    return [second, third ?? []].flat();
  }
  if (op === '?:') return [args[0] as Node];
  return UNARY.has(op) ? [args as unknown as Node] : BINARY.has(op) ? (args as unknown as Node[]) : [];
}

/** Name and arguments, of a method with what it is called on between them. */
type CallArguments = readonly [name: string, Node | readonly Node[], (readonly Node[])?];

const UNARY: ReadonlySet<string> = new Set(['!_', '-_']);
const BINARY: ReadonlySet<string> = new Set([
  ...['in', '==', '!=', '<', '<=', '>', '>='],
  ...['+', '-', '*', '/', '%', '&&', '||'],
]);

function spend(budget: Budget, steps: number): void {
  budget.left -= steps;
  if (budget.left < 0) throw SPENT;
}

function spendOnTurns({ args }: Node, budget: Budget): void {
  const { step, init, errorsAreFatal } = args;
  const parts = [...nodesOf(step)].length;
  // `all` and `exists` would go on after an error: the opposite of what they begin with ends them.
  const ending = errorsAreFatal ? null : init.args !== (true as unknown);
  const turn: Evaluate = (evaluator, _, context) => {
    if (ending !== null && isSpent(budget)) return ending;
    spend(budget, parts);
    return step.evaluate(evaluator, step, context);
  };
  args.step = { ...step, maybeAsync: step.maybeAsync, meta: step.meta, evaluate: turn };
}

/** A call takes about as long as this many parts; one that knows time zones far longer. */
const CALL_STEPS = 5;
const ZONE_STEPS = 10_000;

function spendOnCall(node: Node, budget: Budget): void {
  const [name, , third = []] = node.args as unknown as CallArguments;
  const steps = name.startsWith('get') && third.length > 0 ? ZONE_STEPS : CALL_STEPS;
  const evaluate = evaluateOf(node);
  node.evaluate = (evaluator, _, context) => {
    spend(budget, steps);
    const value = evaluate(evaluator, node, context);
    // What it makes may be far larger than what it looks at: `split`.
    spend(budget, sizeOf(value));
    return value;
  };
}

function spendOnValue(node: Node, budget: Budget): void {
  const evaluate = evaluateOf(node);
  node.evaluate = (evaluator, _, context) => {
    const value = evaluate(evaluator, node, context);
    spend(budget, sizeOf(value));
    return value;
  };
}

/** What a node does when it is evaluated. Its own method finds that out at its first call, and puts it in the
 *  place of itself, where it would undo what is put there here. */
function evaluateOf(node: Node): Evaluate {
  if (Object.hasOwn(node, 'evaluate')) return node.evaluate;
  const { alternate, macro, evaluate } = node.meta;
  const other = alternate ?? (macro as Node | undefined);
  return other === undefined
    ? evaluate
    : (evaluator, _, context) => other.evaluate(evaluator, other, context);
}

/** Characters are looked at many at a time. */
const CHARS_A_STEP = 32;
/** To find out the type of a map, its keys are gathered; a large one is slow to tell them. */
const STEPS_A_KEY = 8;

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length / CHARS_A_STEP;
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return Object.keys(value).length * STEPS_A_KEY;
}
