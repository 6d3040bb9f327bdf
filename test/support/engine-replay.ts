/** What the timeline says, put together again: the state of every actor after its rows. */

import { expect } from 'vitest';
import type { TimelineEntry } from './engine-rig.ts';

const LIFE: ReadonlySet<string> = new Set(['born', 'transition', 'ended']);

/** The state of every actor that has not ended after these rows, by its id. Each row must fit the one before
 *  it of the same actor. */
export function replay(rows: readonly TimelineEntry[]): Map<string, string> {
  const states = new Map<string, string>();
  const ended = new Set<string>();
  for (const row of rows) {
    const id = row.incarnation === null ? row.actor : `${row.actor}#${row.incarnation}`;
    const where = `row ${row.seq} of ${id}`;
    if (!LIFE.has(row.kind)) continue;
    expect(row.from_state, where).toBe(row.kind === 'born' ? null : (states.get(id) ?? null));
    expect(ended.has(id), `${where} comes after its end`).toBe(false);
    if (row.kind === 'ended') {
      states.delete(id);
      ended.add(id);
    } else {
      states.set(id, String(row.to_state));
    }
  }
  return states;
}

/** Every row is one later than the one before, and is caused by an earlier one, or by nobody. */
export function expectSoundCauses(rows: readonly TimelineEntry[]): void {
  for (const [index, { seq, cause }] of rows.entries()) {
    expect(seq).toBe((rows[0]?.seq as number) + index);
    if (cause !== null) expect(cause).toBeLessThan(seq);
  }
}
