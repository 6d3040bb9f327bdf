/** The trouble of a source or sink before it was stopped or paused. The causes of a stop lead to the
 *  command; why the link had not worked until then stands in the actor's own rows before. */

import type { Row, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import { readableCell, readableWords } from './readable.ts';

export interface Stop {
  /** The command or event that led to it, as the timeline calls it: `engine.stop`. */
  readonly by: string;
  /** Null where it worked until then, or nothing is stored of it. */
  readonly trouble: Trouble | null;
}

export interface Trouble {
  /** The state in which it was when the stop came. */
  readonly state: string;
  /** The first and the last failure since its link last worked; one row where they are the same. */
  readonly failures: readonly Row[];
  /** How many failures there were. */
  readonly count: number;
}

/** States that a command leads to, and on the way of which nothing fails by itself. */
const STOPPED: ReadonlySet<unknown> = new Set(['paused', 'draining', 'stopped']);
/** States of an actor whose link works. */
const WORKING: ReadonlySet<unknown> = new Set(['streaming', 'delivering']);
/** Rows of the actor before the stop that are looked through. */
const ROWS_MAX = 1_000;

/** Of a chain of causes; null where it does not end in a stop. */
export function stopBehind(reader: TimelineReader, chain: readonly Row[]): Stop | null {
  const last = chain.at(-1);
  if (last === undefined || !STOPPED.has(last.to_state) || last.incarnation === null) return null;
  const left = chain.find((row) => row.actor === last.actor && STOPPED.has(row.to_state));
  const [first] = chain;
  if (left === undefined || first === undefined) return null;
  const isCommand = first.kind === 'command' || first.kind === 'config';
  const by = readableCell((isCommand ? first : left).event);
  return { by, trouble: troubleBefore(reader, left) };
}

function troubleBefore(reader: TimelineReader, left: Row): Trouble | null {
  const { actor, seq, at_ms: untilMs } = left;
  if (typeof actor !== 'string' || typeof untilMs !== 'number') return null;
  const before = reader
    .timeline({ actor, untilMs, limit: ROWS_MAX })
    .filter((row) => Number(row.seq) < Number(seq) && row.incarnation === left.incarnation && isChange(row))
    // A pause before the stop, and what led to it.
    .filter((row) => !STOPPED.has(row.to_state));
  const sinceWorking = before.slice(before.findLastIndex((row) => WORKING.has(row.to_state)) + 1);
  const failures = sinceWorking.filter((row) => readableWords(row.data) !== '');
  const [first, state] = [failures[0], before.at(-1)?.to_state];
  const final = failures.at(-1);
  if (first === undefined || final === undefined || typeof state !== 'string') return null;
  return { state, failures: first === final ? [final] : [first, final], count: failures.length };
}

function isChange({ kind }: Row): boolean {
  return kind === 'transition' || kind === 'born';
}
