/** Bounds the cost of one evaluation.
 *
 *  Every evaluation has the same budget of steps ({@link LIMITS}.expressionStepsMax). The parts of the
 *  expression are charged when it begins, those of a loop at each turn, and whatever looks at a whole text,
 *  list or map is charged by its size. Where the budget is spent, the evaluation fails. A step takes some
 *  nanoseconds; the charges are such that none takes much longer than another. */

import { LIMITS } from '../../../domain/limits.ts';
import { EvaluationError } from './values.ts';

/** Evaluations are synchronous and do not nest, so one budget serves them all. */
let left = 0;

const SPENT_TEXT = `it takes more than ${LIMITS.expressionStepsMax} steps; use a module for that`;

export function beginBudget(): void {
  left = LIMITS.expressionStepsMax;
}

/** Steps spent since {@link beginBudget}; more than the budget where it was exceeded. */
export function stepsSpent(): number {
  return LIMITS.expressionStepsMax - left;
}

/** @throws EvaluationError where the budget is spent; it stays so to the end of the evaluation */
export function charge(steps: number): void {
  left -= steps;
  if (left < 0) throw new EvaluationError(SPENT_TEXT);
}

/** Characters or bytes that are copied or compared in one step. */
const CHARS_A_STEP = 64;

/** Charges for looking at a text or at bytes from end to end. */
export function chargeChars(chars: number): void {
  if (chars >= CHARS_A_STEP) charge(chars / CHARS_A_STEP);
}

/** Keys of a large map are slow to gather. */
const STEPS_A_KEY = 6;

export function chargeKeys(keys: number): void {
  charge(keys * STEPS_A_KEY);
}

const CAUGHT_STEPS = 200;

/** To be called with an error that an operator caught in order to go on: making an error is slow. Where it is
 *  that of a spent budget, this throws it again, as all further charges do.
 *  @throws the error, unless it is one of the evaluation */
export function chargeCaught(error: unknown): void {
  if (!(error instanceof EvaluationError)) throw error;
  charge(CAUGHT_STEPS);
}
