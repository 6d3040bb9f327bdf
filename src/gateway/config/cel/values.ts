/** The values of CEL and how JavaScript holds them.
 *
 *  | CEL | JavaScript |
 *  |---|---|
 *  | int | bigint |
 *  | double | number; so is every number of JSON |
 *  | uint | {@link Uint} |
 *  | string, bool, null | string, boolean, null |
 *  | bytes | Uint8Array |
 *  | list | array |
 *  | map | object (its own fields), or Map where a key is no text |
 *  | timestamp, duration, optional, type | classes of this file |
 *
 *  Values of a record are read in place. {@link adopt} makes a value of CEL of whatever a record can hold. */

export type Kind =
  | ('int' | 'uint' | 'double' | 'string' | 'bytes' | 'bool' | 'null' | 'list' | 'map')
  | ('timestamp' | 'duration' | 'optional' | 'type');

/** An evaluation fails. The message is shown to the user. */
export class EvaluationError extends Error {}

/** Values of CEL that JavaScript has no type for. No value of JSON is an instance. */
export abstract class CelValue {
  abstract readonly kind: Kind;
}

export class Uint extends CelValue {
  readonly kind = 'uint';
  readonly value: bigint;

  constructor(value: bigint) {
    super();
    this.value = value;
  }
}

/** Nanoseconds since 1970 in UTC. */
export class Timestamp extends CelValue {
  readonly kind = 'timestamp';
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    super();
    this.nanos = nanos;
  }
}

export class Duration extends CelValue {
  readonly kind = 'duration';
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    super();
    this.nanos = nanos;
  }
}

export class CelType extends CelValue {
  readonly kind = 'type';
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

export class Optional extends CelValue {
  readonly kind = 'optional';
  /** Undefined where there is no value. */
  readonly value: unknown;

  constructor(value: unknown) {
    super();
    this.value = value;
  }
}

export const NONE = new Optional(undefined);

/** The kind of a value of CEL. */
export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    default:
      return kindOfObject(value as object | null);
  }
}

function kindOfObject(value: object | null): Kind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (value instanceof CelValue) return value.kind;
  return value instanceof Uint8Array ? 'bytes' : 'map';
}

/** The names of the kinds in `type(x)`. */
const TYPE_NAMES: Readonly<Record<Kind, string>> = {
  ...{ int: 'int', uint: 'uint', double: 'double', string: 'string', bytes: 'bytes', bool: 'bool' },
  ...{ null: 'null_type', list: 'list', map: 'map', type: 'type', optional: 'optional_type' },
  ...{ timestamp: 'google.protobuf.Timestamp', duration: 'google.protobuf.Duration' },
};

const TYPES = new Map(Object.values(TYPE_NAMES).map((name) => [name, new CelType(name)]));

export function typeOf(value: unknown): CelType {
  return TYPES.get(TYPE_NAMES[kindOf(value)]) as CelType;
}

/** The type that a name stands for, such as `int`. */
export function typeNamed(name: string): CelType | undefined {
  return TYPES.get(name);
}

/** A value of CEL for a value that a record holds. Plain objects and arrays are taken as they are, and their
 *  elements are adopted when they are read. An instance of a class is read by its own fields, or as what its
 *  `toJSON` returns, because the log stores it so.
 *  @throws EvaluationError where JSON does not know such a value */
export function adopt(value: unknown): unknown {
  switch (typeof value) {
    case 'object':
      return value === null ? null : adoptObject(value);
    case 'undefined':
      return null;
    case 'function':
    case 'symbol':
      throw new EvaluationError(`the record holds a ${typeof value}, which an expression cannot read`);
    default:
      return value;
  }
}

function adoptObject(value: object): unknown {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === Array.prototype || prototype === latestReadable)
    return value;
  if (prototype === null) return value;
  let adoption = adoptions.get(prototype);
  if (adoption === undefined) adoptions.set(prototype, (adoption = adoptionOf(value)));
  if (adoption !== asItIs) return adoption(value);
  latestReadable = prototype;
  return value;
}

type Adoption = (value: object) => unknown;

/** By prototype: to find it out takes many comparisons. */
const adoptions = new WeakMap<object, Adoption>();
/** Records of one source hold instances of one class. */
let latestReadable: object | null = null;

const asItIs: Adoption = (value) => value;

/** How instances of the class of this value are read. */
function adoptionOf(value: object): Adoption {
  if (value instanceof Uint8Array || value instanceof CelValue || value instanceof Map) return asItIs;
  if (Array.isArray(value)) return asItIs;
  if (value instanceof Date) return (date) => timestampOf(date as Date);
  if (value instanceof Set) return (set) => [...(set as Set<unknown>)];
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return (boxed) => boxed.valueOf();
  }
  if (ArrayBuffer.isView(value) || UNREADABLE.some((made) => value instanceof made)) {
    const name = value.constructor.name;
    return () => {
      throw new EvaluationError(`the record holds an instance of ${name}, which an expression cannot read`);
    };
  }
  return 'toJSON' in value ? (instance) => adopt((instance as { toJSON: () => unknown }).toJSON()) : asItIs;
}

/** Classes whose instances hold nothing that JSON knows. */
const UNREADABLE = [Error, RegExp, Promise, WeakMap, WeakSet, WeakRef, ArrayBuffer, SharedArrayBuffer];

const NANOS_A_MS = 1_000_000n;

export function timestampOf(date: Date): Timestamp {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new EvaluationError('the record holds an invalid date');
  return new Timestamp(BigInt(ms) * NANOS_A_MS);
}

/** The value of a field; undefined where there is none. A field that is undefined is none, as in JSON. */
export function fieldOf(map: object, key: string): unknown {
  const value: unknown = map instanceof Map ? map.get(key) : ownField(map, key);
  return value === undefined ? undefined : adopt(value);
}

function ownField(map: object, key: string): unknown {
  return Object.hasOwn(map, key) ? (map as Readonly<Record<string, unknown>>)[key] : undefined;
}

/** The form of a key that is no text within a Map. Numbers of all kinds that are equal are one key. */
export function mapKey(key: unknown): unknown {
  if (key instanceof Uint) return key.value;
  return typeof key === 'number' && Number.isSafeInteger(key) ? BigInt(key) : key;
}

export function entryOf(map: object, key: unknown): unknown {
  if (typeof key === 'string') return fieldOf(map, key);
  if (!(map instanceof Map)) return undefined;
  const value: unknown = map.get(mapKey(key));
  return value === undefined ? undefined : adopt(value);
}

/** The keys of a map, in their order. */
export function keysOf(map: object): unknown[] {
  if (map instanceof Map) return [...map.keys()];
  const fields = map as Readonly<Record<string, unknown>>;
  return Object.keys(map).filter((key) => fields[key] !== undefined);
}

const INT_BITS = 64;

/** @throws EvaluationError where the number takes more than 64 bits */
export function checkedInt(value: bigint): bigint {
  if (BigInt.asIntN(INT_BITS, value) === value) return value;
  throw new EvaluationError('integer overflow: the result does not fit into 64 bits');
}

/** @throws EvaluationError where the number is negative, or takes more than 64 bits */
export function checkedUint(value: bigint): Uint {
  if (BigInt.asUintN(INT_BITS, value) === value) return new Uint(value);
  throw new EvaluationError('integer overflow: the result does not fit into an unsigned 64-bit integer');
}
