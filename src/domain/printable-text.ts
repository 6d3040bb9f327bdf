/** Text that came from outside, made fit for a terminal and for a line of a log: nothing in it can move the
 *  cursor, change colours, begin a line or hide. */

/** Control characters, line and paragraph separators, marks that turn the direction of writing, zero-width
 *  characters that hide text, and halves of surrogate pairs. U+200D stays: emoji are joined by it. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with everything unsafe shown as an escape. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    const short = SHORT_ESCAPES[character];
    if (short !== undefined) return short;
    const code = character.charCodeAt(0);
    return code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** A line of JSON whose strings hold the same values and nothing unsafe: what is unsafe can only stand in
 *  strings, where an escape means the same. */
export function printableJson(line: string): string {
  return line.replaceAll(UNSAFE, (character) => `\\u${hex(character.charCodeAt(0), 4)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
