/** Names that rotation gives to files, and the order they stand for. Nothing here looks at the disk.
 *
 *  - a number behind the name: `app.log.1`
 *  - a date or time, behind the name or before its extension: `app.log-20261130`, `app-2026-11-30.log`,
 *    `app.2026-11-30T10.log`, also in front (`20261130-app.log`), with or without a counter
 *  - an identifier of chance (UUID) in the same places
 *  - each with the suffix of a compression */

import { extname } from 'node:path';

const COMPRESSED = /\.(gz|zst|zstd|br|xz|bz2|lz4|lzma|zip|7z|z)$/i;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
/** Digits that are at least a year, a month and a day. */
const DATE_DIGITS_MIN = 6;

/** How files are put in order: `number` by a small number, `date` by the numbers of a date that begins with
 *  the year, `other` by the time of their last writing alone. */
export interface RotatedName {
  readonly kind: 'number' | 'date' | 'other';
  readonly numbers: readonly number[];
  /** Names that differ in numbers and identifiers alone have one family. */
  readonly family: string;
  /** The name without the suffix of a compression. */
  readonly plainName: string;
  readonly isCompressed: boolean;
}

/** The suffix by which a compressed file is known, in lower case; empty where there is none. */
export function compressionOf(path: string): string {
  return COMPRESSED.exec(path)?.[0].toLowerCase() ?? '';
}

/** The place of a file in a rotation, by its name. */
export function readName(name: string): RotatedName {
  const plainName = name.replace(COMPRESSED, '');
  const withoutIds = plainName.replaceAll(UUID, '');
  const runs = withoutIds.match(/\d+/g) ?? [];
  const family = plainName.replaceAll(UUID, '*').replaceAll(/\d+/g, '#');
  const isCompressed = plainName.length < name.length;
  const kind = kindOf(withoutIds, runs);
  const numbers = kind === 'date' ? dateNumbers(runs) : runs.map(Number);
  return { kind, numbers, family, plainName, isCompressed };
}

function kindOf(name: string, runs: readonly string[]): RotatedName['kind'] {
  const [first] = runs;
  if (first === undefined) return 'other';
  if (runs.join('').length < DATE_DIGITS_MIN)
    return runs.length === 1 && /\d$/.test(name) ? 'number' : 'other';
  // A date that begins with the day is in no order of numbers.
  return first.length >= 4 ? 'date' : 'other';
}

/** The day as one number first, whether it is written `20261130` or `2026-11-30`; then what follows it. */
function dateNumbers(runs: readonly string[]): number[] {
  const [first = '', month, day] = runs;
  const isYear = /^(19|20)\d\d$/.test(first) && month?.length === 2;
  if (isYear && day?.length === 2) return [`${first}${month}${day}`, ...runs.slice(3)].map(Number);
  if (isYear) return [`${first}${month}00`, ...runs.slice(2)].map(Number);
  if (!/^(19|20)\d{6,}$/.test(first)) return runs.map(Number);
  return [first.slice(0, 8), ...(first.length > 8 ? [first.slice(8)] : []), ...runs.slice(1)].map(Number);
}

/** The same for a file that stands beside `current`, null where its name is none that rotation would have
 *  given to that. */
export function rotatedName(name: string, current: string): RotatedName | null {
  const read = readName(name);
  const marker = markerOf(read.plainName, current);
  if (marker === null) return null;
  const { kind, numbers } = readName(marker);
  return { ...read, kind, numbers };
}

/** The part that `name` has beyond `current`, without the separator. */
function markerOf(name: string, current: string): string | null {
  const extension = extname(current);
  const stem = current.slice(0, current.length - extension.length);
  const isBehind = name.startsWith(current);
  if (isBehind && /^[-._]\d{1,5}$/.test(name.slice(current.length))) return name.slice(current.length + 1);
  const parts = [
    isBehind ? name.slice(current.length) : '',
    name.endsWith(current) ? reverseSeparator(name.slice(0, -current.length)) : '',
    name.startsWith(stem) && name.endsWith(extension) && name.length > current.length
      ? name.slice(stem.length, name.length - extension.length)
      : '',
  ];
  return parts.find(isDateOrId)?.slice(1) ?? null;
}

/** `20261130-` as `-20261130`. */
function reverseSeparator(part: string): string {
  return /[-._]$/.test(part) ? `${part.at(-1)}${part.slice(0, -1)}` : '';
}

function isDateOrId(part: string): boolean {
  if (!/^[-._@]/.test(part)) return false;
  const rest = part.slice(1);
  const withoutIds = rest.replaceAll(UUID, '');
  const digits = withoutIds.replaceAll(/\D/g, '').length;
  if (withoutIds !== rest && /^[-._]?$/.test(withoutIds)) return true;
  return digits >= DATE_DIGITS_MIN && /^\d[\dTWZ:._+-]*$/.test(withoutIds);
}

export interface Ordered {
  readonly rotated: RotatedName;
  readonly mtimeMs: number;
  readonly birthMs: number;
}

/** The files in the order in which they were written, oldest first: by their names where all of them bear a
 *  number or all bear a date, else by the time of their last writing. */
export function inOrder<File extends Ordered>(files: readonly File[]): File[] {
  const kinds = new Set(files.map(({ rotated }) => rotated.kind));
  const [kind] = kinds;
  if (kinds.size !== 1) return files.toSorted(byTime);
  if (kind === 'other') {
    // A process may write to a renamed file for a while: of plain files the birth says more. That of a
    // compressed file is when it was compressed.
    return files.toSorted(files.some(({ rotated }) => rotated.isCompressed) ? byTime : byBirth);
  }
  const byNumbers = files.toSorted(
    (a, b) => compareNumbers(a.rotated.numbers, b.rotated.numbers) || byTime(a, b),
  );
  return kind === 'date' || numbersRise(byNumbers) ? byNumbers : byNumbers.toReversed();
}

function byTime(a: Ordered, b: Ordered): number {
  return (
    a.mtimeMs - b.mtimeMs || a.birthMs - b.birthMs || compareNumbers(a.rotated.numbers, b.rotated.numbers)
  );
}

function byBirth(a: Ordered, b: Ordered): number {
  return a.birthMs - b.birthMs || byTime(a, b);
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether the highest number is the newest file. logrotate gives 1 to the newest, others count on: the
 *  times show which. Of a file that is written to after its renaming, and of one that was copied and
 *  emptied, birth and last writing say different things: they do not count. */
function numbersRise(byNumbers: readonly Ordered[]): boolean {
  let rising = 0;
  for (let index = 1; index < byNumbers.length; index++) {
    const lower = byNumbers[index - 1] as Ordered;
    const higher = byNumbers[index] as Ordered;
    const written = Math.sign(higher.mtimeMs - lower.mtimeMs);
    // A compressed file was born when it was compressed.
    const isComparable = lower.rotated.isCompressed === higher.rotated.isCompressed;
    if (isComparable && Math.sign(higher.birthMs - lower.birthMs) === written) rising += written;
  }
  return rising > 0;
}
