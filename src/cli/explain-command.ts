/** `explain`: why an actor is in the state it is in, told as the chain of causes, first cause first. */

import { realClock } from '../real-clock.ts';
import type { Row, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import type { Output } from './output.ts';
import { clip } from './printable.ts';
import { withReader, writeAll, type ReadOptions } from './read-commands.ts';
import { readableCell, readableReason, readableDuration, readableTime, stateColour } from './readable.ts';
import { jsonDocumentWriter } from './row-writers.ts';

export interface ExplainOptions extends ReadOptions {
  /** Epoch milliseconds. */
  readonly at?: number;
}

export function explainCommand(
  path: string,
  actor: string,
  options: ExplainOptions,
  output: Output,
): Promise<void> {
  return withReader(path, async (reader) => {
    const chain = reader.explain(actor, options.at);
    if (options.json === true) {
      await writeAll(jsonDocumentWriter(output), chain);
      return;
    }
    const last = chain.at(-1);
    if (last === undefined) {
      output.note(`nothing is known of ${readableCell(actor)} at ${readableTime(options.at)}`);
      return;
    }
    const lines = chain.map((row, depth) => chainLine(reader, row, depth, output));
    await output.write([headline(reader, last, options.at, output), '', ...lines, ''].join('\n'));
  });
}

/** Chains can be long; deeper links than this are not indented further. */
const INDENT_LEVELS_MAX = 12;

/** `plc-7 is backingOff, for 4 min 5 s (since …)`. */
function headline(reader: TimelineReader, last: Row, atMs: number | undefined, output: Output): string {
  const actor = output.style('bold', readableCell(last.actor));
  const since = readableTime(last.at_ms);
  if (typeof last.at_ms !== 'number' || typeof last.to_state !== 'string') {
    return `${actor}: ${readableCell(last.event)}, at ${since}`;
  }
  const endMs = atMs ?? presentOf(reader);
  const held = readableDuration(endMs - last.at_ms);
  const verb = atMs === undefined ? 'is' : 'was';
  const moment = atMs === undefined ? '' : ` at ${readableTime(atMs)}`;
  return `${actor} ${verb} ${stateText(last.to_state, output)}${moment}, for ${held} (since ${since})`;
}

/** The time up to which the log speaks: its end where the engine has stopped, else now. */
function presentOf(reader: TimelineReader): number {
  const [last] = reader.timeline({ actor: 'engine', limit: 1 });
  const nowMs = realClock.wallMs();
  return last?.kind === 'ended' && typeof last.at_ms === 'number' ? last.at_ms : nowMs;
}

/** `time  └─ actor  event  from → to  (after 3.2 s)  reason`. */
function chainLine(reader: TimelineReader, row: Row, depth: number, output: Output): string {
  const indent = depth === 0 ? '' : `${'   '.repeat(Math.min(depth, INDENT_LEVELS_MAX) - 1)}└─ `;
  const head = `${readableTime(row.at_ms)}  ${indent}`;
  const parts: [text: string, style: Parameters<Output['style']>[0] | undefined][] = [
    [readableCell(row.actor), 'cyan'],
    [readableCell(row.event), undefined],
  ];
  const change = readableStep(row, heldBefore(reader, row));
  if (change !== '') parts.push([change, stateColour(row.to_state)]);
  const reason = readableReason(row.data);
  if (reason !== '') parts.push([reason, 'gray']);
  return head + fitted(parts, output, output.columns === null ? null : output.columns - head.length);
}

/** Styles the parts after cutting them to the room there is: a cut escape sequence would colour the rest. */
function fitted(
  parts: readonly [text: string, style: Parameters<Output['style']>[0] | undefined][],
  output: Output,
  room: number | null,
): string {
  let left = room ?? Number.POSITIVE_INFINITY;
  const shown: string[] = [];
  for (const [text, style] of parts) {
    if (left <= 0) break;
    const cut = clip(text, left);
    left -= cut.length + 2;
    shown.push(style === undefined ? cut : output.style(style, cut));
  }
  return shown.join('  ');
}

/** `streaming (for 2 s) → draining`; for a row that changes no state, `in streaming for 2 s`. */
function readableStep(row: Row, heldMs: number | null): string {
  const from = readableCell(row.from_state);
  const to = readableCell(row.to_state);
  if (from === '') return to === '' ? '' : `→ ${to}`;
  const held = heldMs === null || heldMs < 1 ? '' : `for ${readableDuration(heldMs)}`;
  if (to === '' || to === from) return ['in', from, held].join(' ').trimEnd();
  return held === '' ? `${from} → ${to}` : `${from} (${held}) → ${to}`;
}

/** Rows of the same moment that are looked through for the one that began a state. */
const SAME_MOMENT_ROWS_MAX = 64;

/** How long the actor had been in the state it was in before this row; null where the log does not tell. */
function heldBefore(reader: TimelineReader, row: Row): number | null {
  const { actor, at_ms: atMs, seq } = row;
  if (row.from_state === null || typeof actor !== 'string') return null;
  if (typeof atMs !== 'number' || typeof seq !== 'number') return null;
  const began = (other: Row) => other.to_state === row.from_state && other.from_state !== other.to_state;
  const sameMoment = reader.timeline({ actor, sinceMs: atMs, untilMs: atMs, limit: SAME_MOMENT_ROWS_MAX });
  if (sameMoment.some((other) => Number(other.seq) < seq && began(other))) return 0;
  const before = reader.explain(actor, atMs - 1).at(-1);
  return before !== undefined && began(before) ? atMs - Number(before.at_ms) : null;
}

function stateText(state: string, output: Output): string {
  const colour = stateColour(state);
  const text = readableCell(state);
  return colour === undefined ? text : output.style(colour, text);
}
