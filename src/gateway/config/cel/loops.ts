/** Loops over lists and over the keys of maps: `all`, `exists`, `exists_one`, `map`, `filter`, and their
 *  forms with two variables (place or key, and value). */

import { charge, chargeCaught, chargeKeys } from './budget.ts';
import { MapBuilder } from './map-builder.ts';
import { variableName, type Compiled, type CompilePart, type Frame, type Run, type Scope } from './scope.ts';
import type { CallSyntax, Syntax } from './syntax.ts';
import { adopt, entryOf, EvaluationError, keysOf, kindOf } from './values.ts';

const QUANTIFIERS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'existsOne']);
const TRANSFORMS: ReadonlySet<string> = new Set(['transformList', 'transformMap', 'transformMapEntry']);

export const LOOPS: ReadonlySet<string> = new Set([...QUANTIFIERS, ...TRANSFORMS, 'map', 'filter']);

/** Sets the variables for each element in turn and calls `turn`, until it returns true. */
type EachElement = (frame: Frame, turn: () => boolean) => void;

/** Null where the number of arguments is that of no loop. @throws SyntaxProblem */
export function compileLoop(
  { name, args }: CallSyntax,
  receiver: Syntax,
  scope: Scope,
  compile: CompilePart,
): Compiled | null {
  const variables = variableCount(name, args.length);
  if (variables === null) return null;
  const iterable = compile(receiver, scope);
  const names = args.slice(0, variables).map(variableName);
  const { scope: own, slots } = scope.with(names, []);
  const bodies = args.slice(variables).map((arg) => compile(arg, own));
  const turnParts = bodies.reduce((sum, { parts }) => sum + parts, 1);
  const each = eachElement(iterable.run, slots, turnParts, name);
  const runs = bodies.map(({ run }) => run);
  return { kind: KINDS[name] ?? 'bool', run: loopOf(name, each, runs, slots), parts: iterable.parts + 1 };
}

const KINDS: Readonly<Record<string, 'list' | 'map'>> = {
  ...{ map: 'list', filter: 'list', transformList: 'list', transformMap: 'map', transformMapEntry: 'map' },
};

function variableCount(name: string, args: number): 1 | 2 | null {
  if (QUANTIFIERS.has(name)) return args === 2 ? 1 : args === 3 ? 2 : null;
  if (TRANSFORMS.has(name)) return args === 3 || args === 4 ? 2 : null;
  if (name === 'map') return args === 2 || args === 3 ? 1 : null;
  return args === 2 ? 1 : null;
}

function eachElement(iterable: Run, slots: readonly number[], turnParts: number, name: string): EachElement {
  const [first, second] = slots as [number, number?];
  return (frame, turn) => {
    const values = iterable(frame);
    const isList = Array.isArray(values);
    if (!isList && kindOf(values) !== 'map') {
      throw new EvaluationError(`no such overload: ${kindOf(values)}.${name}; it takes a list or a map`);
    }
    const elements: readonly unknown[] = isList ? values : keysOf(values as object);
    if (!isList) chargeKeys(elements.length);
    for (let index = 0; index < elements.length; index++) {
      charge(turnParts);
      const element = adopt(elements[index]);
      if (second === undefined) frame.slots[first] = element;
      else {
        frame.slots[first] = isList ? BigInt(index) : element;
        frame.slots[second] = isList ? element : entryOf(values as object, element);
      }
      if (turn()) return;
    }
  };
}

function loopOf(name: string, each: EachElement, runs: readonly Run[], slots: readonly number[]): Run {
  const [body, after] = runs as [Run, Run?];
  switch (name) {
    case 'all':
      return quantifier(each, body, false);
    case 'exists':
      return quantifier(each, body, true);
    case 'exists_one':
    case 'existsOne':
      return exactlyOne(each, body);
    case 'filter':
      return collect(each, body, (frame) => frame.slots[slots[0] as number]);
    case 'transformMap':
    case 'transformMapEntry':
      return collectMap(each, runs, slots, name === 'transformMapEntry');
    default:
      return after === undefined ? collect(each, null, body) : collect(each, body, after);
  }
}

function bool(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new EvaluationError(`no such overload: a loop asks for true or false, and got ${kindOf(value)}`);
}

/** Ends at the first element that decides. An error at another element does not matter then. */
function quantifier(each: EachElement, body: Run, decisive: boolean): Run {
  return (frame) => {
    let result = !decisive;
    let failure: unknown = null;
    each(frame, () => {
      try {
        if (bool(body(frame)) !== decisive) return false;
        result = decisive;
        return true;
      } catch (error) {
        chargeCaught(error);
        failure ??= error;
        return false;
      }
    });
    if (failure !== null && result !== decisive) throw failure as Error;
    return result;
  };
}

function exactlyOne(each: EachElement, body: Run): Run {
  return (frame) => {
    let found = 0;
    each(frame, () => {
      if (bool(body(frame))) found++;
      return false;
    });
    return found === 1;
  };
}

/** A list of the results of `make` for the elements that pass. */
function collect(each: EachElement, passes: Run | null, make: Run): Run {
  return (frame) => {
    const list: unknown[] = [];
    each(frame, () => {
      if (passes === null || bool(passes(frame))) list.push(make(frame));
      return false;
    });
    return list;
  };
}

/** A map with the same keys and other values, or one of all entries that the elements give. */
function collectMap(
  each: EachElement,
  runs: readonly Run[],
  [key]: readonly number[],
  givesEntries: boolean,
): Run {
  const make = runs.at(-1) as Run;
  const passes = runs.length > 1 ? (runs[0] as Run) : null;
  return (frame) => {
    const map = new MapBuilder();
    each(frame, () => {
      if (passes !== null && !bool(passes(frame))) return false;
      const made = make(frame);
      if (givesEntries) addEntries(map, made);
      else map.add(frame.slots[key as number], made);
      return false;
    });
    return map.build();
  };
}

function addEntries(map: MapBuilder, entries: unknown): void {
  if (kindOf(entries) !== 'map') {
    throw new EvaluationError(`no such overload: transformMapEntry takes a map, and got ${kindOf(entries)}`);
  }
  const keys = keysOf(entries as object);
  chargeKeys(keys.length);
  for (const key of keys) map.add(key, entryOf(entries as object, key));
}
