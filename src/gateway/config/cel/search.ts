/** Search in time that grows with the text alone, whatever is looked for: the search of the JavaScript engine
 *  takes time that grows with the product of the lengths where text and needle are made for that.
 *
 *  Short searches are left to the engine, because their product is small. Others go by the algorithm of
 *  Knuth, Morris and Pratt (SIAM J. Comput. 6, 1977), which never goes back in the text. */

import { charge } from './budget.ts';

/** A product of lengths that the engine's own search is done with in a few microseconds. */
const PRODUCT_MAX = 4_096;
const COMPARISONS_A_STEP = 16;
/** The engine compares at most this many characters at each place, which is as good as linear. */
const NEEDLE_CHARS_MAX = 4;

/** Each character costs some nanoseconds; one character alone is found many times faster. */
const CHARS_A_STEP = 4;
const CHARS_A_STEP_FOR_ONE = 32;

/** The first place of `needle` at or after `from`, -1 where there is none. */
export function indexOf(text: string, needle: string, from = 0): number {
  const length = text.length - from;
  if (needle.length > length) return -1;
  if (isQuick(length, needle)) return text.indexOf(needle, from);
  const failures = failuresOf(needle);
  charge(length / CHARS_A_STEP);
  return findNext(text, needle, failures, from);
}

/** The last place of `needle` at or before `from`, -1 where there is none. */
export function lastIndexOf(text: string, needle: string, from = text.length): number {
  const end = Math.min(text.length, from + needle.length);
  if (needle.length > end) return -1;
  if (isQuick(end, needle)) return text.lastIndexOf(needle, from);
  const failures = failuresOf(needle, -1);
  charge(end / CHARS_A_STEP);
  const last = needle.length - 1;
  let matched = 0;
  for (let at = end - 1; at >= 0; at--) {
    const unit = text.charCodeAt(at);
    while (matched > 0 && needle.charCodeAt(last - matched) !== unit) matched = failures[matched] as number;
    if (needle.charCodeAt(last - matched) === unit) matched++;
    if (matched === needle.length) return at;
  }
  return -1;
}

/** All places of `needle`, which is not empty, that do not overlap; at most `placesMax`. */
export function placesOf(text: string, needle: string, placesMax = Number.POSITIVE_INFINITY): number[] {
  const places: number[] = [];
  const isShort = isQuick(text.length, needle);
  const failures = isShort ? null : failuresOf(needle);
  if (!isShort) charge(text.length / CHARS_A_STEP);
  let from = 0;
  while (places.length < placesMax) {
    const at = failures === null ? text.indexOf(needle, from) : findNext(text, needle, failures, from);
    if (at < 0) break;
    charge(1);
    places.push(at);
    from = at + needle.length;
  }
  return places;
}

/** Whether the search is one for the engine; charges for it where it is. */
function isQuick(chars: number, needle: string): boolean {
  const { length } = needle;
  if (chars * length <= PRODUCT_MAX) charge((chars * length) / COMPARISONS_A_STEP);
  else if (length <= NEEDLE_CHARS_MAX) charge(chars / (length === 1 ? CHARS_A_STEP_FOR_ONE : CHARS_A_STEP));
  else return false;
  return true;
}

/** For each length of a matched beginning, the longest shorter beginning that is an end of it too. With the
 *  direction -1 the needle is read from its end. */
function failuresOf(needle: string, direction: 1 | -1 = 1): Uint32Array {
  charge(needle.length / CHARS_A_STEP);
  const failures = new Uint32Array(needle.length + 1);
  const first = direction === 1 ? 0 : needle.length - 1;
  let matched = 0;
  for (let at = 1; at < needle.length; at++) {
    const unit = needle.charCodeAt(first + direction * at);
    while (matched > 0 && needle.charCodeAt(first + direction * matched) !== unit) {
      matched = failures[matched] as number;
    }
    if (needle.charCodeAt(first + direction * matched) === unit) matched++;
    failures[at + 1] = matched;
  }
  return failures;
}

function findNext(text: string, needle: string, failures: Uint32Array, from: number): number {
  let matched = 0;
  for (let at = from; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    while (matched > 0 && needle.charCodeAt(matched) !== unit) matched = failures[matched] as number;
    if (needle.charCodeAt(matched) === unit) matched++;
    if (matched === needle.length) return at + 1 - matched;
  }
  return -1;
}
