/** Text broken into lines that fit a terminal: between words, or inside a word that is wider than a line. */

import type { Output, Style } from './output.ts';
import { displayWidth } from './printable.ts';

/** A piece of a line and how it is shown. */
export interface StyledText {
  readonly text: string;
  readonly style?: Style | undefined;
}

const WIDTH_MIN = 16;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

interface Layout {
  readonly columns: number | null;
  /** Prefix of each line after the first. */
  readonly hang: string;
  /** Columns that are taken on the first line. */
  readonly before: number;
}

/** As {@link wrapStyled}, the parts being words of one sentence. */
export function wrapWords(
  parts: readonly StyledText[],
  layout: Layout,
  output: Pick<Output, 'style'>,
): string[] {
  return wrap(parts, layout, output, ' ');
}

/** Lines of at most `columns` columns; null breaks nothing. Two blanks stand between parts. A style never
 *  crosses the end of a line. */
export function wrapStyled(
  parts: readonly StyledText[],
  layout: Layout,
  output: Pick<Output, 'style'>,
): string[] {
  return wrap(parts, layout, output, '  ');
}

function wrap(
  parts: readonly StyledText[],
  { columns, hang, before }: Layout,
  output: Pick<Output, 'style'>,
  gapOfParts: string,
): string[] {
  const show = ({ text, style }: StyledText) => (style === undefined ? text : output.style(style, text));
  if (columns === null) return [parts.map(show).join(gapOfParts)];
  const width = Math.max(WIDTH_MIN, columns - displayWidth(hang));
  const lines: string[] = [];
  let line = '';
  let room = Math.max(0, columns - before);
  let isEmpty = true;
  const breakLine = () => {
    lines.push(lines.length === 0 ? line : hang + line);
    line = '';
    room = width;
    isEmpty = true;
  };
  for (const { text, style } of parts) {
    let gap = gapOfParts;
    for (const word of text.split(' ').flatMap((one) => piecesOf(one, width))) {
      const needed = displayWidth(word) + (isEmpty ? 0 : gap.length);
      if (needed > room && !(isEmpty && room === width)) breakLine();
      line += (isEmpty ? '' : gap) + show({ text: word, style });
      room -= displayWidth(word) + (isEmpty ? 0 : gap.length);
      isEmpty = false;
      gap = ' ';
    }
  }
  if (!isEmpty || lines.length === 0) breakLine();
  return lines;
}

/** The word, or parts of it that each fit a line. */
function piecesOf(word: string, width: number): string[] {
  if (displayWidth(word) <= width) return [word];
  const pieces: string[] = [];
  let piece = '';
  let used = 0;
  for (const { segment } of graphemes.segment(word)) {
    const segmentWidth = displayWidth(segment);
    if (used + segmentWidth > width) {
      pieces.push(piece);
      piece = '';
      used = 0;
    }
    piece += segment;
    used += segmentWidth;
  }
  return [...pieces, piece];
}
