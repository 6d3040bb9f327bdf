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
    if (LOOKS_AT_ALL.has(node.op)) spendOnOperands(node, budget);
    else if (node.op === 'rcall' || node.op === 'call') spendOnCall(node, budget);
  }
  for (const node of nodes) {
    if (node.op === 'comprehension') spendOnTurns(node, budget);
  }
}

function isLoop({ op, meta }: Node): boolean {
  return op === 'comprehension' || meta.macro?.exp !== undefined;
}

const LOOKS_AT_ALL: ReadonlySet<string> = new Set(['in', '+', '==', '!=']);

function spend(budget: Budget, steps: number): void {
  budget.left -= steps;
  if (budget.left < 0) throw SPENT;
}

/** Made once: `all` and `exists` go on after an error, and each turn throws again. */
const SPENT = new Error(`it takes more than ${LIMITS.expressionStepsMax} steps; use a module for that`);

function spendOnTurns({ args }: Node, budget: Budget): void {
  const { step } = args;
  const parts = [...nodesOf(step)].length;
  const turn: Evaluate = (evaluator, _, context) => {
    spend(budget, parts);
    return step.evaluate(evaluator, step, context);
  };
  args.step = { ...step, maybeAsync: step.maybeAsync, meta: step.meta, evaluate: turn };
}

function spendOnOperands(node: Node, budget: Budget): void {
  node.evaluate = (evaluator, { left, right, handle }, context) => {
    const a = evaluator.run(left, context);
    const b = evaluator.run(right, context);
    spend(budget, sizeOf(a) + sizeOf(b));
    return handle(a, b, node, evaluator);
  };
}

/** A call takes about as long as this many parts; one that knows time zones far longer. */
const CALL_STEPS = 5;
const ZONE_STEPS = 10_000;

/** Name and arguments, of a method with what it is called on between them. */
type CallArguments = [name: string, Node | readonly Node[], readonly Node[] | undefined];

function spendOnCall(node: Node, budget: Budget): void {
  if (node.meta.alternate !== undefined || node.meta.macro !== undefined) return;
  const [name, second, third] = node.args as unknown as CallArguments;
  const steps = name.startsWith('get') && third !== undefined && third.length > 0 ? ZONE_STEPS : CALL_STEPS;
  const subject = Array.isArray(second) ? (second[0] as Node | undefined) : (second as Node);
  if (subject !== undefined) spendOnValue(subject, budget);
  const evaluate = evaluateOf(node);
  node.evaluate = (evaluator, _, context) => {
    spend(budget, steps);
    return evaluate(evaluator, node, context);
  };
}

/** What a call looks at from end to end. */
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

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length / CHARS_A_STEP;
  return Array.isArray(value) || value instanceof Uint8Array ? value.length : 1;
}
