/** Fields of maps and elements of lists. */

import { adopt, entryOf, EvaluationError, fieldOf, kindOf, NONE, Optional, Uint } from './values.ts';

const SHOWN_CHARS_MAX = 60;

function noSuchKey(key: unknown): EvaluationError {
  const text = key instanceof Uint ? String(key.value) : String(key);
  const shown = text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX - 1)}…` : text;
  return new EvaluationError(`no such key: ${shown}`);
}

/** `value.name`. @throws EvaluationError where there is no such field */
export function fieldReader(name: string): (value: unknown) => unknown {
  const isInherited = name in Object.prototype;
  return (value) => {
    // The usual case. A name that no object inherits needs no look at whose it is.
    if (!isInherited && typeof value === 'object' && value !== null) {
      if (Object.getPrototypeOf(value) === Object.prototype) {
        const field = (value as Readonly<Record<string, unknown>>)[name];
        if (field !== undefined) return adopt(field);
      }
    }
    return select(value, name);
  };
}

function select(value: unknown, name: string): unknown {
  const kind = kindOf(value);
  if (kind === 'map') {
    const field = fieldOf(value as object, name);
    if (field !== undefined) return field;
    throw noSuchKey(name);
  }
  if (kind === 'optional') return selectOptional(value, name);
  throw new EvaluationError(`no such key: ${name}; a value of the kind ${kind} has no fields`);
}

/** `value.?name`. @throws EvaluationError where the value has no fields at all */
export function selectOptional(value: unknown, name: string): Optional {
  if (value instanceof Optional) return value.value === undefined ? NONE : selectOptional(value.value, name);
  if (kindOf(value) !== 'map') {
    throw new EvaluationError(`no such key: ${name}; a value of the kind ${kindOf(value)} has no fields`);
  }
  const field = fieldOf(value as object, name);
  return field === undefined ? NONE : new Optional(field);
}

/** `has(value.name)`. @throws EvaluationError where the value has no fields at all */
export function hasField(value: unknown, name: string): boolean {
  return selectOptional(value, name).value !== undefined;
}

/** `value[key]`. @throws EvaluationError where there is no such element */
export function element(value: unknown, key: unknown): unknown {
  if (value instanceof Optional) return elementOptional(value, key);
  const found = lookUp(value, key);
  if (found !== undefined) return found;
  if (!Array.isArray(value)) throw noSuchKey(key);
  throw new EvaluationError(
    `index out of bounds: ${String(placeOf(key))}; the list has ${value.length} elements`,
  );
}

/** `value[?key]`. @throws EvaluationError where the value has no elements at all */
export function elementOptional(value: unknown, key: unknown): Optional {
  if (value instanceof Optional) return value.value === undefined ? NONE : elementOptional(value.value, key);
  const found = lookUp(value, key);
  return found === undefined ? NONE : new Optional(found);
}

function lookUp(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    const place = placeOf(key);
    return place >= 0 && place < value.length ? adopt(value[place]) : undefined;
  }
  const kind = kindOf(value);
  if (kind !== 'map') throw new EvaluationError(`no such overload: ${kind}[${kindOf(key)}]`);
  const isKey = typeof key !== 'object' || key instanceof Uint;
  if (!isKey) throw new EvaluationError(`unsupported key type: ${kindOf(key)}`);
  return entryOf(value as object, key);
}

/** A whole double is a place as well: numbers of a record are doubles. */
function placeOf(key: unknown): number {
  if (typeof key === 'bigint') return Number(key);
  if (typeof key === 'number' && Number.isInteger(key)) return key;
  if (key instanceof Uint) return Number(key.value);
  const shown = typeof key === 'number' ? String(key) : kindOf(key);
  throw new EvaluationError(`invalid argument: a list is asked by whole numbers, not by ${shown}`);
}
