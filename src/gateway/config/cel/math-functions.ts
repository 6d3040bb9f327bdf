/** Functions of numbers: the math extension of CEL, and `floor`, `ceil`, `round`, `abs` without prefix. */

import { charge } from './budget.ts';
import { compare } from './equality.ts';
import { overload, type Overload } from './overloads.ts';
import { adopt, checkedInt, EvaluationError, kindOf, Uint } from './values.ts';

const same = (value: unknown) => value;
const BITS = 64n;

/** Half away from zero, as CEL rounds. */
function round(value: number): number {
  if (!Number.isFinite(value)) return value;
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

function magnitude(value: bigint): bigint {
  return checkedInt(value < 0n ? -value : value);
}

function extreme(sign: 1 | -1): (...values: readonly unknown[]) => unknown {
  return (...values) => {
    let best = values[0];
    for (const value of values) {
      if (!(typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint)) {
        throw new EvaluationError(`no such overload: math.greatest and math.least take no ${kindOf(value)}`);
      }
      if (sign * compare(value, best) > 0) best = value;
    }
    return best;
  };
}

/** Up to this number of arguments; more go in a list. */
const EXTREME_ARGS_MAX = 6;

function extremes(sign: 1 | -1): Overload[] {
  const best = extreme(sign);
  const ofList = (list: readonly unknown[]) => {
    charge(list.length);
    if (list.length === 0)
      throw new EvaluationError('math.greatest and math.least take a list that is not empty');
    // One at a time: a call takes a limited number of arguments.
    let one = adopt(list[0]);
    for (const item of list) one = best(one, adopt(item));
    return one;
  };
  const overloads = [overload(['list'], 'dyn', ofList)];
  for (let args = 1; args <= EXTREME_ARGS_MAX; args++) {
    overloads.push(overload(new Array<'dyn'>(args).fill('dyn'), 'dyn', best));
  }
  return overloads;
}

function bitwise(operate: (one: bigint, other: bigint) => bigint): Overload[] {
  return [
    overload(['int', 'int'], 'int', (one: bigint, other: bigint) => operate(one, other)),
    overload(['uint', 'uint'], 'uint', (one: Uint, other: Uint) => new Uint(operate(one.value, other.value))),
  ];
}

function shift(operate: (bits: bigint, places: bigint) => bigint): Overload[] {
  const bounded = (bits: bigint, places: bigint) => {
    if (places < 0n) throw new EvaluationError('a number of bits to shift by must not be negative');
    return places >= BITS ? 0n : operate(BigInt.asUintN(64, bits), places);
  };
  return [
    overload(['int', 'int'], 'int', (one: bigint, places: bigint) => BigInt.asIntN(64, bounded(one, places))),
    overload(
      ['uint', 'int'],
      'uint',
      (one: Uint, places: bigint) => new Uint(BigInt.asUintN(64, bounded(one.value, places))),
    ),
  ];
}

function rounding(apply: (value: number) => number): Overload[] {
  return [overload(['double'], 'double', apply)];
}

function signOf(value: number): number {
  return Number.isNaN(value) ? value : Math.sign(value);
}

const ABS = [
  overload(['double'], 'double', Math.abs),
  overload(['int'], 'int', magnitude),
  overload(['uint'], 'uint', same),
];
const INT_SAME = overload(['int'], 'int', same);
/** An integer is a number like any other: users expect its root and its sign. */
const squareRoots = [
  overload(['double'], 'double', Math.sqrt),
  overload(['int'], 'double', (value: bigint) => Math.sqrt(Number(value))),
  overload(['uint'], 'double', ({ value }: Uint) => Math.sqrt(Number(value))),
];

export const MATH_FUNCTIONS: Readonly<Record<string, readonly Overload[]>> = {
  floor: [...rounding(Math.floor), INT_SAME],
  ceil: [...rounding(Math.ceil), INT_SAME],
  round: [...rounding(round), INT_SAME],
  abs: ABS,
  'math.floor': rounding(Math.floor),
  'math.ceil': rounding(Math.ceil),
  'math.round': rounding(round),
  'math.trunc': rounding(Math.trunc),
  'math.abs': ABS,
  'math.sqrt': squareRoots,
  'math.sign': [
    overload(['double'], 'double', signOf),
    overload(['int'], 'int', (value: bigint) => (value > 0n ? 1n : value < 0n ? -1n : 0n)),
    overload(['uint'], 'uint', ({ value }: Uint) => new Uint(value > 0n ? 1n : 0n)),
  ],
  'math.isNaN': [overload(['double'], 'bool', Number.isNaN)],
  'math.isInf': [
    overload(['double'], 'bool', (value: number) => Math.abs(value) === Number.POSITIVE_INFINITY),
  ],
  'math.isFinite': [overload(['double'], 'bool', Number.isFinite)],
  'math.greatest': extremes(1),
  'math.least': extremes(-1),
  'math.bitAnd': bitwise((one, other) => one & other),
  'math.bitOr': bitwise((one, other) => one | other),
  'math.bitXor': bitwise((one, other) => one ^ other),
  'math.bitNot': [
    overload(['int'], 'int', (value: bigint) => ~value),
    overload(['uint'], 'uint', ({ value }: Uint) => new Uint(BigInt.asUintN(64, ~value))),
  ],
  'math.bitShiftLeft': shift((bits, places) => bits << places),
  'math.bitShiftRight': shift((bits, places) => bits >> places),
};
