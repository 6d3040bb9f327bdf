/** The result of an expression as a value that records can hold. */

import { charge, chargeChars, chargeKeys } from './budget.ts';
import { textOfTimestamp } from './conversions.ts';
import { CelValue, Duration, EvaluationError, Timestamp, Uint } from './values.ts';

const NANOS_A_MS = 1_000_000;

/** Timestamps become text, durations milliseconds. An integer becomes a number where a number holds all its
 *  digits, and stays a bigint where none does. Each value costs a step: what an expression makes may hold one
 *  part of the record many times. Values of the record are handed on as they are. @throws EvaluationError
 *  where the value has no such form */
export function toJson(value: unknown): unknown {
  charge(1);
  switch (typeof value) {
    case 'bigint':
      return ofInt(value);
    case 'string':
      chargeChars(value.length);
      return value;
    case 'object':
      return value === null ? null : ofObject(value);
    default:
      return value;
  }
}

/** A value of the record as it is, unless it is one that was adopted.
 *  @throws EvaluationError where the value has no form in JSON */
export function handOn(value: unknown): unknown {
  const isAdopted = typeof value !== 'object' || value instanceof CelValue || value instanceof Map;
  return isAdopted ? toJson(value) : value;
}

function ofInt(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function ofObject(value: object): unknown {
  if (Array.isArray(value)) return ofList(value);
  if (value instanceof CelValue) return ofCelValue(value);
  if (value instanceof Uint8Array) {
    chargeChars(value.length);
    return value;
  }
  if (value instanceof Map) return ofMap(value);
  return ofFields(value as Readonly<Record<string, unknown>>);
}

function ofCelValue(value: CelValue): unknown {
  if (value instanceof Uint) return ofInt(value.value);
  // With milliseconds, as Date writes it, unless it has finer ones.
  if (value instanceof Timestamp) {
    const text = textOfTimestamp(value);
    return text.replace(
      /(?:\.(\d{1,3}))?Z$/,
      (_, digits: string | undefined) => `.${(digits ?? '').padEnd(3, '0')}Z`,
    );
  }
  if (value instanceof Duration) return Number(value.nanos) / NANOS_A_MS;
  throw new EvaluationError(
    `gives a value of the kind ${value.kind}, which JSON does not know; ` +
      'wrap it in string(…), or say .orValue(…)',
  );
}

function ofList(list: readonly unknown[]): readonly unknown[] {
  let changed: unknown[] | null = null;
  for (let index = 0; index < list.length; index++) {
    const made = toJson(list[index]);
    if (!Object.is(made, list[index])) (changed ??= [...list])[index] = made;
  }
  return changed ?? list;
}

function ofMap(map: ReadonlyMap<unknown, unknown>): Record<string, unknown> {
  chargeKeys(map.size);
  return Object.fromEntries([...map].map(([key, value]) => [String(key), toJson(value)]));
}

function ofFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let changed: Record<string, unknown> | null = null;
  const keys = Object.keys(fields);
  charge(keys.length);
  for (const key of keys) {
    const made = toJson(fields[key]);
    if (!Object.is(made, fields[key])) (changed ??= { ...fields })[key] = made;
  }
  return changed ?? fields;
}
