/** Aligned tables that fit the terminal. Rows may come in pages: the titles stand above the first page only,
 *  and what a column once needed it keeps, so that later pages stay in line. */

import type { Output, Style } from './output.ts';
import { clip, displayWidth } from './printable.ts';

export interface Column<Item> {
  readonly title: string;
  /** The cell; already printable. */
  readonly cell: (item: Item) => string;
  readonly align?: 'right';
  readonly style?: (item: Item) => Style | undefined;
  /** Whether cells may be cut where the terminal is too narrow. What lines are compared by (times, numbers)
   *  is not. */
  readonly shrinks?: true;
}

export interface Table<Item> {
  /** The lines of these rows. */
  lines(items: readonly Item[]): string[];
}

const GAP = '  ';
const SHRUNK_WIDTH_MIN = 8;
/** The last column, which holds what is longest, gives way down to this before any other does. */
const LAST_WIDTH_MIN = 16;

export function createTable<Item>(columns: readonly Column<Item>[], output: Output): Table<Item> {
  const needed = columns.map((column) => displayWidth(column.title));
  let titled = false;

  const lineOf = (cells: readonly string[], widths: readonly number[], styleOf: StyleOfColumn): string => {
    const parts = columns.map((column, index) => {
      const width = widths[index] ?? 0;
      const text = clip(cells[index] ?? '', width);
      const style = styleOf(index);
      const styled = style === undefined || text === '' ? text : output.style(style, text);
      const blank = ' '.repeat(width - displayWidth(text));
      return column.align === 'right' ? blank + styled : styled + blank;
    });
    return parts.join(GAP).trimEnd();
  };

  return {
    lines(items) {
      if (items.length === 0) return [];
      const rows = items.map((item) => columns.map((column) => column.cell(item)));
      for (const cells of rows) {
        cells.forEach((cell, index) => {
          needed[index] = Math.max(needed[index] ?? 0, displayWidth(cell));
        });
      }
      const widths = fitted(needed, columns, output.columns);
      const lines = items.map((item, row) =>
        lineOf(rows[row] ?? [], widths, (index) => columns[index]?.style?.(item)),
      );
      if (titled) return lines;
      titled = true;
      const titles = columns.map((column) => column.title);
      return [lineOf(titles, widths, () => 'bold'), ...lines];
    },
  };
}

type StyleOfColumn = (index: number) => Style | undefined;

/** Takes width from the last column while it is readable, then from the widest that may shrink, until the
 *  line fits or nothing more can be taken. */
function fitted(
  needed: readonly number[],
  columns: readonly Column<never>[],
  terminal: number | null,
): number[] {
  const widths = [...needed];
  if (terminal === null) return widths;
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - terminal;
  const last = widths.length - 1;
  if (excess > 0 && columns[last]?.shrinks === true) {
    const taken = Math.min(excess, Math.max(0, (widths[last] ?? 0) - LAST_WIDTH_MIN));
    widths[last] = (widths[last] ?? 0) - taken;
    excess -= taken;
  }
  while (excess > 0) {
    let widest = -1;
    widths.forEach((width, index) => {
      if (columns[index]?.shrinks !== true || width <= SHRUNK_WIDTH_MIN) return;
      if (widest < 0 || width > (widths[widest] ?? 0)) widest = index;
    });
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
  return widths;
}
