/** A short timeline, and readers that are closed after the test. */

import { onTestFinished } from 'vitest';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { Row, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import { temporaryFile, timelineRow, writeDatabase } from './fixture.ts';

/** A broker goes away: the registry's command made plc-7, the broker's refusal backs it off; plc-8 lives
 *  beside it. */
export const SCENARIO: TimelineRow[] = [
  timelineRow({
    seq: 1,
    atMs: 100,
    actor: 'engine',
    kind: 'born',
    event: 'engine.started',
    toState: 'running',
  }),
  timelineRow({
    seq: 2,
    atMs: 110,
    actor: 'registry',
    kind: 'command',
    event: 'registry.register',
    cause: 1,
    toState: null,
  }),
  timelineRow({ seq: 3, atMs: 120, kind: 'born', event: 'xstate.init', toState: 'connecting', cause: 2 }),
  timelineRow({
    seq: 4,
    atMs: 130,
    actor: 'north/plc-8',
    tenant: 'north',
    kind: 'born',
    event: 'xstate.init',
    toState: 'streaming',
  }),
  timelineRow({ seq: 5, atMs: 140, toState: 'backingOff', cause: 3, data: { attempt: 1 } }),
  timelineRow({
    seq: 6,
    atMs: 150,
    kind: 'alert',
    event: 'LINK_REFUSED',
    cause: 5,
    data: { severity: 'warning' },
  }),
  timelineRow({
    seq: 7,
    atMs: 160,
    actor: 'north/plc-8',
    tenant: 'north',
    kind: 'ended',
    event: 'source.stop',
    toState: 'stopped',
  }),
];

/** A reader of a database with these rows. */
export async function readerOf(timeline: readonly TimelineRow[]): Promise<TimelineReader> {
  const file = temporaryFile();
  await writeDatabase(file, { timeline });
  return reading(file);
}

export function reading(file: string): TimelineReader {
  const reader = openTimelineReader(file);
  onTestFinished(() => reader.close());
  return reader;
}

export const seqs = (rows: Row[]) => rows.map((row) => row['seq']);
