/** Texts that a spreadsheet would take for formulas when it opens a CSV file, and so carry out what a
 *  stranger has written (https://owasp.org/www-community/attacks/CSV_Injection). */

/** What formulas begin with; the wide forms too, which some programs make narrow. */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;

/** The text of a cell, with an apostrophe before what would be a formula. A number stays one. Programs that
 *  read the file have to take the apostrophe away again. */
export function withoutFormula(text: string): string {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}
