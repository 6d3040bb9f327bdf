/** Estimates the memory that records take from the moment they are read until they are stored. Budgets count
 *  these bytes, not those of the wire: `{}` has two bytes as text and some hundreds as a record, and a row of
 *  CSV takes the names of its columns with it. */

/** Record, receipt, queue slots and columns of the commit, whatever the data is. */
export const RECORD_WEIGHT = 512;

/** A value, a property or a list within a record: its slot, and its header where it has one. */
const NODE_WEIGHT = 32;

/** A text that is not longer is not scanned; its structure cannot weigh more than a few of its lengths. */
const SHORT_CHARS = 128;
const SHORT_FACTOR = 4;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Bytes of memory that the record of a JSON text takes; -1 where the text is nested deeper than `depthMax`.
 *  Reads the text before anything is made of it, and a short one not at all. */
export function weighText(text: string, depthMax: number): number {
  const { length } = text;
  if (length <= SHORT_CHARS && length <= 2 * depthMax) return RECORD_WEIGHT + SHORT_FACTOR * length;
  let depth = 0;
  let nodes = 0;
  let isQuoted = false;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (isQuoted) {
      if (unit === BACKSLASH) index++;
      else if (unit === QUOTE) isQuoted = false;
    } else if (unit === QUOTE) isQuoted = true;
    else if (unit === COMMA || unit === COLON) nodes++;
    else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      nodes++;
      if (++depth > depthMax) return -1;
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) depth--;
  }
  return RECORD_WEIGHT + length + NODE_WEIGHT * nodes;
}

/** The same for a row of so many fields, which is `jsonBytes` long as JSON. */
export function weighRow(jsonBytes: number, fields: number): number {
  return RECORD_WEIGHT + jsonBytes + 2 * NODE_WEIGHT * fields;
}

/** The same for bytes that are not decoded yet, as if all of them were structure and none of them text: what
 *  decoding them can come to, apart from {@link RECORD_WEIGHT} for each record. */
export function weighUndecoded(bytes: Uint8Array): number {
  let nodes = 0;
  for (const byte of bytes) {
    if (byte === COMMA || byte === COLON || byte === OPEN_LIST || byte === OPEN_OBJECT || byte === 0x0a)
      nodes++;
  }
  return bytes.length + NODE_WEIGHT * nodes;
}

/** Bytes of memory that decoded values take as records, and about how long they are as JSON. */
export function weighValues(values: readonly unknown[]): {
  readonly weight: number;
  readonly jsonBytes: number;
} {
  let nodes = 0;
  let chars = 0;
  const rest: unknown[] = [...values];
  while (rest.length > 0) {
    const value = rest.pop();
    nodes++;
    if (typeof value === 'string') chars += value.length + 2;
    else if (value instanceof Uint8Array) chars += Math.ceil(value.length / 3) * 4;
    else if (Array.isArray(value)) for (const inner of value as unknown[]) rest.push(inner);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        chars += name.length + 4;
        rest.push(inner);
      }
    } else chars += 8;
  }
  return { weight: RECORD_WEIGHT * values.length + chars + NODE_WEIGHT * nodes, jsonBytes: chars };
}
