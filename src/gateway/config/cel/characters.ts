/** Texts by their characters (code points), where JavaScript counts code units. */

import { charge, chargeChars } from './budget.ts';
import { EvaluationError } from './values.ts';

const SURROGATE = /[\ud800-\udfff]/;

/** Places are those of code units, unless the text has characters that take two. */
export function hasPairs(text: string): boolean {
  chargeChars(text.length);
  return SURROGATE.test(text);
}

/** Characters are slow to take apart. */
export const STEPS_A_CHARACTER = 1 / 2;

export function charactersOf(text: string): string[] {
  charge(text.length);
  return Array.from(text);
}

export function sizeOfText(text: string): bigint {
  if (!hasPairs(text)) return BigInt(text.length);
  charge(text.length * STEPS_A_CHARACTER);
  let size = 0;
  for (const _ of text) size++;
  return BigInt(size);
}

/** The unit at which a character begins. @throws EvaluationError where the text is shorter */
export function unitAt(text: string, place: bigint, isPaired: boolean): number {
  const index = Number(place);
  if (index >= 0 && index <= text.length) {
    if (!isPaired) return index;
    charge(index * STEPS_A_CHARACTER);
    let unit = 0;
    for (let passed = 0; passed < index && unit <= text.length; passed++) {
      unit += unit < text.length && (text.codePointAt(unit) as number) > 0xff_ff ? 2 : 1;
    }
    if (unit <= text.length) return unit;
  }
  throw new EvaluationError(`index out of range: ${place}`);
}

/** The place of the character that begins at a unit; -1 stays -1. */
export function placeOf(text: string, unit: number): bigint {
  return unit < 0 || !hasPairs(text) ? BigInt(unit) : sizeOfText(text.slice(0, unit));
}
