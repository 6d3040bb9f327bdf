/** What single characters, keys and values of a configuration cannot be, although a parser takes them: each
 *  is read otherwise by other programs, or is not what its author sees. */

import type { Node, Scalar } from 'yaml';
import type { Place } from './placed-text.ts';

export interface TextProblem {
  readonly place: Place | null;
  readonly message: string;
}

/** Characters that no text of a configuration has: it is another kind of file, or damaged. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;
/** A line end that YAML takes for one, and most editors do not show. */
const LONE_CARRIAGE_RETURN = /\r(?!\n)/;

/** Problems with the characters of a text, whatever its content. */
export function characterProblem(text: string): TextProblem | null {
  const control = CONTROL.exec(text);
  if (control !== null) {
    const code = (control[0].codePointAt(0) ?? 0).toString(16).padStart(2, '0');
    const message = `holds the control character 0x${code}; it must be UTF-8 text`;
    return { place: placeOf(text, control.index), message };
  }
  const lone = LONE_CARRIAGE_RETURN.exec(text);
  if (lone === null) return null;
  const message = 'ends a line with a carriage return alone; save it with line feeds (LF, or CR LF)';
  return { place: placeOf(text, lone.index), message };
}

function placeOf(text: string, index: number): Place {
  const before = text.slice(0, index).split(/\r\n|[\r\n]/);
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

const TWICE = 'names a key twice; each may stand once';

const MERGE_KEY =
  '"<<" is a merge key, which is not supported; write the fields out, or give a whole value by an ' +
  'alias (*name)';

/** `names`: the keys of the same map that stand before it. */
export function keyProblem(key: Scalar, names: ReadonlySet<unknown>): string | null {
  const { value } = key;
  if (names.has(value)) return TWICE;
  if (value === '__proto__') return 'no key may be called __proto__';
  return value === '<<' ? MERGE_KEY : null;
}

export function scalarProblem(scalar: Scalar): string | null {
  if (scalar.type !== 'PLAIN' || scalar.source === undefined) return null;
  return typeof scalar.value === 'number' ? numberProblem(scalar) : plainTextProblem(scalar.source);
}

const LEADING_ZERO =
  'begins with a zero: some programs take it for octal; remove the zero, or put it in quotes where it ' +
  'is text';

/** Numbers that are read otherwise by other programs, or that a number cannot hold. */
function numberProblem({ value, source = '' }: Scalar): string | null {
  if (/^[-+]?0\d/.test(source)) return LEADING_ZERO;
  if (!Number.isFinite(value)) return 'must be a finite number';
  const isWhole = /^[-+]?\d+$|^0[xo]/.test(source);
  if (!isWhole || Number.isSafeInteger(value)) return null;
  return 'has more digits than a number can hold (2^53); put it in quotes where it is text';
}

/** Soft hyphen, zero-width characters, marks of direction, byte order mark. */
const INVISIBLE = /[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF]/;
/** Spaces that YAML does not take for spaces. */
const ODD_SPACE =
  /^[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]|[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]$/;
const TYPOGRAPHIC_QUOTE = /^[\u2018-\u201F\u00AB\u00BB]|[\u2018\u201A-\u201F\u00AB\u00BB]$/;

/** Of text without quotes. Text in quotes may hold any character. */
function plainTextProblem(text: string): string | null {
  const [hidden] = INVISIBLE.exec(text) ?? ODD_SPACE.exec(text) ?? [];
  if (hidden !== undefined) {
    const code = (hidden.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `holds the character U+${code}, which cannot be seen; remove it, or put the text in quotes`;
  }
  const [quote] = TYPOGRAPHIC_QUOTE.exec(text) ?? [];
  if (quote === undefined) return null;
  return `begins or ends with ${quote}, which quotes nothing; write ' or "`;
}

/** The tags of the core schema. */
const CORE = ['map', 'seq', 'str', 'null', 'bool', 'int', 'float'].map((name) => `tag:yaml.org,2002:${name}`);

/** A tag makes another type of a value: one that no field has. */
export function tagProblem({ tag }: Node): string | null {
  if (tag === undefined || CORE.includes(tag)) return null;
  const shown = tag.replace(/^tag:yaml.org,2002:/, '!!');
  return `the tag ${shown} has no meaning here; ${adviceOn(shown)}`;
}

export function adviceOn(tag: string): string {
  if (/^!+(?:env|secret|var)/i.test(tag)) return 'an environment variable is ${NAME}, a file ${file:PATH}';
  return 'remove it, and write a map, a list, text or a number';
}
