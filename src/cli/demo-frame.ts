/** A demo while it runs: as a block of lines, as a line of progress; and the bars of demos. */

import type { SourceHealth } from '../domain/health.ts';
import type { LiveFrame } from './demo-report.ts';
import type { LiveScene } from './live.ts';
import type { Output } from './output.ts';
import { INDENT, sourceLines } from './source-lines.ts';

const BAR_CELLS_MIN = 8;
const BAR_CELLS_MAX = 32;
/** What a bar's label takes beside it, at most. */
const LABEL_COLUMNS = 48;

export function demoScene(frame: LiveFrame, output: Output): LiveScene {
  return { lines: () => frameLines(frame, output), progress: () => progressLine(frame) };
}

/** The block: progress, the queue if there is one, a row for each source. */
export function frameLines(frame: LiveFrame, output: Output): string[] {
  const share = frame.durationMs > 0 ? frame.elapsedMs / frame.durationMs : 1;
  const produced = sum(frame.sources, (source) => source.recordsProduced);
  const rate = sum(frame.sources, (source) => source.rate1s);
  const facts = `${clockText(frame)}   ${produced} records   ${rate.toFixed(0)}/s`;
  const cells = barCells(output.columns);
  const lines = ['', `${INDENT}${output.style('cyan', bar(share, cells))}  ${facts}`];
  if (frame.queue !== undefined) {
    const { name, records, capacityRecords } = frame.queue;
    const fill = records / capacityRecords;
    const style = fill >= 1 ? 'red' : fill > 0.75 ? 'yellow' : 'green';
    lines.push(`${INDENT}${output.style(style, bar(fill, cells))}  ${name} ${records}/${capacityRecords}`);
  }
  return [...lines, '', ...sourceLines(frame.sources, output)];
}

function barCells(columns: number | null): number {
  if (columns === null) return BAR_CELLS_MAX;
  return Math.min(BAR_CELLS_MAX, Math.max(BAR_CELLS_MIN, columns - LABEL_COLUMNS));
}

export function progressLine(frame: LiveFrame): string {
  const produced = sum(frame.sources, (source) => source.recordsProduced);
  const rate = sum(frame.sources, (source) => source.rate1s);
  const queue = frame.queue;
  const fill = queue === undefined ? '' : `, ${queue.name} ${queue.records}/${queue.capacityRecords}`;
  return `  … ${clockText(frame)}, ${produced} records, ${rate.toFixed(0)}/s${fill}`;
}

function clockText(frame: LiveFrame): string {
  const elapsedMs = Math.min(frame.elapsedMs, frame.durationMs);
  return `${(elapsedMs / 1_000).toFixed(1)} of ${(frame.durationMs / 1_000).toFixed(1)} s`;
}

/** A bar of `cells` characters, filled to `share` (0 to 1). */
export function bar(share: number, cells: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * cells);
  return '█'.repeat(filled) + '░'.repeat(cells - filled);
}

function sum(sources: readonly SourceHealth[], of: (source: SourceHealth) => number): number {
  return sources.reduce((total, source) => total + of(source), 0);
}
