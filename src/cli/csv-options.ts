/** How a command writes CSV: for programs as it is, for spreadsheets where it is told so. */

export interface CsvOptions {
  /** Whether an apostrophe stands before what a spreadsheet would take for a formula. */
  readonly escapeFormulas?: boolean;
}

export const ESCAPE_FORMULAS = '--escape-formulas';
export const ESCAPE_FORMULAS_MEANING = 'for spreadsheets: an apostrophe before what they take for a formula';
