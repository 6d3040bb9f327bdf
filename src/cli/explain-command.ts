/** `explain`: why an actor is in the state it is in, told as the chain of causes, first cause first;
 *  below it, for a source or a sink, the last error and what was lost on the way. */

import { addressOf, parseAddress, sinkName } from '../domain/address.ts';
import { realClock } from '../platform/real-clock.ts';
import type { Row, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import type { Output } from './output.ts';
import { displayWidth } from './printable.ts';
import { stopBehind, type Stop } from './explain-stop.ts';
import { withReader, writeAll, type ReadOptions } from './read-commands.ts';
import {
  readableCell,
  readableDuration,
  readableReason,
  readableTime,
  readableWords,
  stateColour,
} from './readable.ts';
import { jsonDocumentWriter } from './row-writers.ts';
import { wrapStyled, wrapWords, type StyledText } from './wrap.ts';

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
    const chain = chainOf(reader, actor, options.at);
    const stop = stopBehind(reader, chain);
    const failures = stop?.trouble?.failures ?? [];
    if (options.json === true) {
      await writeAll(jsonDocumentWriter(output), [...failures, ...chain]);
      return;
    }
    const last = chain.at(-1);
    if (last === undefined) {
      output.note(`nothing is known of ${readableCell(actor)} at ${readableTime(options.at)}`);
      return;
    }
    const before = failures.flatMap((row) => chainLines(reader, row, 0, output));
    const lines = chain.flatMap((row, depth) => chainLines(reader, row, depth, output));
    const layout = { columns: output.columns, hang: '  ', before: 0 };
    const head = wrapWords(headline(reader, chain, { atMs: options.at, stop }), layout, output);
    const losses = options.at === undefined ? lossLines(reader, last, output) : [];
    const gap = before.length === 0 ? [] : [''];
    await output.write([...head, '', ...before, ...gap, ...lines, ...losses, ''].join('\n'));
  });
}

/** A sink may be named as `headgate sinks` lists it. */
function chainOf(reader: TimelineReader, actor: string, atMs: number | undefined): readonly Row[] {
  try {
    return reader.explain(actor, atMs);
  } catch (error) {
    const { tenant, sourceId: id } = parseAddress(actor);
    const isSink = reader.sinks().some((row) => row.sink_id === id && row.tenant === tenant);
    if (!isSink) throw error;
    return reader.explain(sinkName({ tenant, id }), atMs);
  }
}

/** Chains can be long; deeper links than this are not indented further. */
const INDENT_LEVELS_MAX = 12;

interface Told {
  readonly atMs: number | undefined;
  readonly stop: Stop | null;
}

/** `plc-7 is backingOff: nothing listens at … (for 4 min 5 s, since …)`. */
function headline(reader: TimelineReader, chain: readonly Row[], { atMs, stop }: Told): StyledText[] {
  const last = chain.at(-1) as Row;
  const actor: StyledText = { text: readableCell(last.actor), style: 'bold' };
  const since = readableTime(last.at_ms);
  if (typeof last.at_ms !== 'number' || typeof last.to_state !== 'string') {
    return [actor, { text: `${readableCell(last.event)}, at ${since}` }];
  }
  const endMs = atMs ?? presentOf(reader);
  const held = readableDuration(endMs - last.at_ms);
  const span = { text: `(for ${held}, since ${since})` };
  if (stop !== null) return [actor, ...stopWords(chain, last, { atMs, stop }), span];
  const verb = atMs === undefined ? 'is' : 'was';
  const reason = isGood(last.to_state) ? '' : reasonOf(chain);
  const colon = reason === '' ? '' : ':';
  const state = readableCell(last.to_state);
  const style = stateColour(last.to_state);
  const told: StyledText[] =
    atMs === undefined
      ? [{ text: state + colon, style }]
      : [{ text: state, style }, { text: `at ${readableTime(atMs)}${colon}` }];
  return [actor, { text: verb }, ...told, { text: reason }, span].filter(({ text }) => text !== '');
}

/** `was backingOff after 5 failures: nothing listens at …; then stopped by engine.stop`, or `is stopped by
 *  engine.stop`. */
function stopWords(chain: readonly Row[], last: Row, { atMs, stop }: Told & { stop: Stop }): StyledText[] {
  const state = { text: readableCell(last.to_state), style: stateColour(last.to_state) };
  const at = atMs === undefined ? [] : [{ text: `at ${readableTime(atMs)}` }];
  const { trouble, by } = stop;
  if (trouble === null) {
    const root = chain.find((row) => row.actor !== last.actor && readableWords(row.data) !== '');
    const words = root === undefined ? '' : `: ${readableCell(root.actor)}: ${readableWords(root.data)}`;
    return [{ text: at.length > 0 ? 'was' : 'is' }, state, ...at, { text: `by ${by}${words}` }];
  }
  const { count, failures } = trouble;
  const colon = count > 1 ? ` after ${count} failures:` : ':';
  const failing = { text: readableCell(trouble.state) + colon, style: stateColour(trouble.state) };
  const reason = `${readableWords(failures.at(-1)?.data)}; then`;
  return [{ text: 'was' }, failing, { text: reason }, state, ...at, { text: `by ${by}` }];
}

/** States that need no reason. */
function isGood(state: string): boolean {
  return stateColour(state) === 'green' || ['running', 'open', 'flowing', 'recording'].includes(state);
}

/** The words of the actor's last row that has any. */
function reasonOf(chain: readonly Row[]): string {
  const { actor } = chain.at(-1) as Row;
  const told = chain.findLast((row) => row.actor === actor && readableWords(row.data) !== '');
  return told === undefined ? '' : readableWords(told.data);
}

/** The time up to which the log speaks: its end where the engine has stopped, else now. */
function presentOf(reader: TimelineReader): number {
  const [last] = reader.timeline({ actor: 'engine', limit: 1 });
  const nowMs = realClock.wallMs();
  return last?.kind === 'ended' && typeof last.at_ms === 'number' ? last.at_ms : nowMs;
}

/** `time  └─ actor  event  from → to  (after 3.2 s)  reason`, on as many lines as that takes. */
function chainLines(reader: TimelineReader, row: Row, depth: number, output: Output): string[] {
  const indent = depth === 0 ? '' : `${'   '.repeat(Math.min(depth, INDENT_LEVELS_MAX) - 1)}└─ `;
  const head = `${readableTime(row.at_ms)}  ${indent}`;
  const change = readableStep(row, heldBefore(reader, row));
  const parts: StyledText[] = [
    { text: readableCell(row.actor), style: 'cyan' },
    { text: readableCell(row.event) },
    { text: change, style: stateColour(row.to_state) },
    { text: readableReason(row.data), style: 'gray' },
  ];
  const { columns } = output;
  const before = displayWidth(head);
  const isNarrow = columns !== null && columns - before < ROOM_MIN;
  const hang = ' '.repeat(isNarrow ? HANG_NARROW : before + 2);
  const [first = '', ...more] = wrapStyled(
    parts.filter(({ text }) => text !== ''),
    { columns, hang, before },
    output,
  );
  return [(head + first).trimEnd(), ...more];
}

/** Columns below which a line goes on under its time rather than under its text. */
const ROOM_MIN = 40;
const HANG_NARROW = 6;

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

/** `last error: …`, `3 dead letters, 12 dropped`: what no transition shows. */
function lossLines(reader: TimelineReader, { actor }: Row, output: Output): string[] {
  const subject = [...reader.sources(), ...reader.sinks()].find((row) => actorOf(row) === actor);
  if (subject === undefined) return [];
  const { last_error: lastError, dead_lettered: dead, dropped } = subject;
  const facts: StyledText[] = [];
  if (typeof lastError === 'string')
    facts.push({ text: `last error: ${readableCell(lastError)}`, style: 'yellow' });
  if (Number(dead) > 0) facts.push({ text: `${readableCell(dead)} dead letters`, style: 'red' });
  if (Number(dropped) > 0) facts.push({ text: `${readableCell(dropped)} records dropped`, style: 'red' });
  const layout = { columns: output.columns, hang: '  ', before: 0 };
  return facts.length === 0 ? [] : ['', ...facts.flatMap((fact) => wrapStyled([fact], layout, output))];
}

function actorOf({ tenant, source_id: source, sink_id: sink }: Row): string {
  const id = String(sink ?? source);
  return sink === undefined
    ? addressOf({ tenant: String(tenant), id })
    : sinkName({ tenant: String(tenant), id });
}
