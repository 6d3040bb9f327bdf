/** Builds a map of an expression. */

import { charge } from './budget.ts';
import { EvaluationError, kindOf, mapKey } from './values.ts';

const ADD_STEPS = 5;

/** An object while all keys are texts, otherwise a Map. */
export class MapBuilder {
  readonly #fields: Record<string, unknown> = {};
  #map: Map<unknown, unknown> | null = null;

  /** @throws EvaluationError where the key is there already, or is of a kind that no key has */
  add(key: unknown, value: unknown): void {
    charge(ADD_STEPS);
    if (this.#map === null && typeof key === 'string') return this.#addField(key, value);
    this.#map ??= new Map(Object.entries(this.#fields));
    const kind = kindOf(key);
    const isKey = kind === 'string' || kind === 'int' || kind === 'uint' || kind === 'bool';
    if (!isKey && !Number.isSafeInteger(key)) {
      throw new EvaluationError(`unsupported key type: the key of a map is a ${kind}`);
    }
    const own = mapKey(key);
    if (this.#map.has(own)) throw repeated(key);
    this.#map.set(own, value);
  }

  /** `__proto__` must become a field of its own, as JSON.parse makes it. */
  #addField(key: string, value: unknown): void {
    if (Object.hasOwn(this.#fields, key)) throw repeated(key);
    if (key !== '__proto__') this.#fields[key] = value;
    else
      Object.defineProperty(this.#fields, key, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }

  build(): object {
    return this.#map ?? this.#fields;
  }
}

function repeated(key: unknown): EvaluationError {
  const shown = typeof key === 'string' ? key.slice(0, 40) : String(mapKey(key));
  return new EvaluationError(`repeated key: the map has "${shown}" twice`);
}
