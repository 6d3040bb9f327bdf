/** Aligned tables that fit the terminal: columns that can be spared are left out of a narrow one, and the
 *  last column, which holds what is longest, goes on beneath its row. Rows may come in pages: the titles
 *  stand above the first page only, and what a column once needed it keeps, so that later pages stay in line.
 */

import type { Output, Style } from './output.ts';
import { clip, displayWidth } from './printable.ts';
import { wrapStyled } from './wrap.ts';

export interface Column<Item> {
  readonly title: string;
  /** The cell; already printable. */
  readonly cell: (item: Item) => string;
  readonly align?: 'right';
  readonly style?: (item: Item) => Style | undefined;
  /** Whether cells may be cut where the terminal is too narrow. What lines are compared by (times, numbers)
   *  is not. */
  readonly shrinks?: true;
  /** A column that may be left out where the terminal is too narrow; the lowest number goes first. */
  readonly spare?: number;
}

export interface Table<Item> {
  /** The lines of these rows. */
  lines(items: readonly Item[]): string[];
}

const GAP = '  ';
const SHRUNK_WIDTH_MIN = 8;
/** A last column that needs more than this, and more than there is, stands beneath its row. */
const LAST_WIDTH_MIN = 16;

export function createTable<Item>(all: readonly Column<Item>[], output: Output): Table<Item> {
  const needed = new Map(all.map((column) => [column, displayWidth(column.title)]));
  let titled = false;

  const lineOf = (cells: readonly Cell[], layout: Layout<Item>): string[] => {
    const shown = layout.beside.map(({ column, width }, index) => {
      const { text: whole, style } = cells[index] as Cell;
      const text = clip(whole, width);
      const styled = style === undefined || text === '' ? text : output.style(style, text);
      const blank = ' '.repeat(width - displayWidth(text));
      return column.align === 'right' ? blank + styled : styled + blank;
    });
    const row = shown.join(GAP).trimEnd();
    const below = cells[layout.beside.length];
    if (below === undefined || below.text === '') return [row];
    const hang = GAP.repeat(2);
    return [
      row,
      ...wrapStyled([below], { columns: layout.terminal, hang, before: hang.length }, output).map(
        (line, index) => (index === 0 ? hang + line : line),
      ),
    ];
  };

  return {
    lines(items) {
      if (items.length === 0) return [];
      for (const column of all) {
        for (const item of items) {
          needed.set(column, Math.max(needed.get(column) ?? 0, displayWidth(column.cell(item))));
        }
      }
      const layout = layoutOf(all, needed, output.columns);
      const columns = [...layout.beside.map(({ column }) => column), ...layout.below];
      const lines = items.flatMap((item) =>
        lineOf(
          columns.map((column) => ({ text: column.cell(item), style: column.style?.(item) })),
          layout,
        ),
      );
      if (titled) return lines;
      titled = true;
      const titles = layout.beside.map(({ column }): Cell => ({ text: column.title, style: 'bold' }));
      return [...lineOf(titles, layout), ...lines];
    },
  };
}

interface Cell {
  readonly text: string;
  readonly style?: Style | undefined;
}

interface Layout<Item> {
  readonly terminal: number | null;
  readonly beside: readonly { readonly column: Column<Item>; readonly width: number }[];
  /** The last column where it stands beneath the rows; else none. */
  readonly below: readonly Column<Item>[];
}

function layoutOf<Item>(
  all: readonly Column<Item>[],
  needed: ReadonlyMap<Column<Item>, number>,
  terminal: number | null,
): Layout<Item> {
  const widthOf = (column: Column<Item>) => needed.get(column) ?? 0;
  const sumOf = (columns: readonly Column<Item>[], least: (column: Column<Item>) => number) =>
    columns.reduce((sum, column) => sum + least(column), GAP.length * Math.max(0, columns.length - 1));
  if (terminal === null) {
    return { terminal, beside: all.map((column) => ({ column, width: widthOf(column) })), below: [] };
  }
  const least = (column: Column<Item>) =>
    column.shrinks === true && column !== last
      ? Math.min(widthOf(column), SHRUNK_WIDTH_MIN)
      : widthOf(column);
  const last = all.at(-1) as Column<Item>;
  const isBelow = last.shrinks === true && widthOf(last) > LAST_WIDTH_MIN && sumOf(all, least) > terminal;
  let beside = isBelow ? all.slice(0, -1) : [...all];
  while (sumOf(beside, least) > terminal) {
    const spared = beside.filter(({ spare }) => spare !== undefined);
    const first = spared.toSorted((one, other) => (one.spare ?? 0) - (other.spare ?? 0))[0];
    if (first === undefined) break;
    beside = beside.filter((column) => column !== first);
  }
  const widths = shrunk(beside.map(widthOf), beside, terminal);
  return {
    terminal,
    beside: beside.map((column, index) => ({ column, width: widths[index] ?? 0 })),
    below: isBelow ? [last] : [],
  };
}

/** Takes width from the widest column that may shrink until the line fits or nothing more can be taken. */
function shrunk(needed: readonly number[], columns: readonly Column<never>[], terminal: number): number[] {
  const widths = [...needed];
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - terminal;
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
