/** Finding rows by wall time without an index over it.
 *
 *  Rows are in order of `seq`; within a segment in which the wall clock never went back
 *  (clock-segments.ts), so are their times, and a binary search finds any time with some twenty seeks.
 *
 *  A time that occurs in several segments is looked for in the latest of them; a time that occurs in none
 *  (the engine was down, or the clock jumped over it) means the end of the segment that ended last before
 *  it. */

import type Database from 'better-sqlite3';
import { ClockSegments, type Segment } from './clock-segments.ts';
import type { SeqRange } from './timeline-queries.ts';

/** Small steps back that are no row of kind `clock`: how far a range of rows reaches beyond its times, to
 *  be cut exactly by comparing each row's own time. */
const UNTOLD_STEP_MS = 60_000;

export interface SeqAtTime {
  /** The last row at or before `atMs`; 0 if there is none. */
  lastSeqAt(atMs: number): number;
  /** Ranges that enclose every row with a time in [sinceMs, untilMs], and few more, in order of `seq`.
   *  Where the clock was set back there are several. */
  seqRanges(sinceMs: number, untilMs: number): readonly SeqRange[];
}

export function seqAtTime(db: Database.Database): SeqAtTime {
  const segments = new ClockSegments(db);
  return {
    lastSeqAt(atMs) {
      let nearest: Segment | undefined;
      for (const segment of segments.all().toReversed()) {
        if (segment.first.at_ms > atMs) continue;
        if (segment.endMs >= atMs) return segments.lastSeqIn(segment, atMs);
        if (nearest === undefined || segment.endMs > nearest.endMs) nearest = segment;
      }
      return nearest?.last.seq ?? 0;
    },
    seqRanges(sinceMs, untilMs) {
      const [fromMs, toMs] = [sinceMs - UNTOLD_STEP_MS, untilMs + UNTOLD_STEP_MS];
      const ranges: { first: number; last: number; reachesEnd: boolean }[] = [];
      for (const segment of segments.all()) {
        const before = ranges.at(-1);
        const reachedEnd = before?.reachesEnd === true;
        if (before !== undefined) before.reachesEnd = false;
        if (segment.last.at_ms < fromMs || segment.first.at_ms > toMs) continue;
        const isFromStart = segment.first.at_ms >= fromMs;
        const last = segments.lastSeqIn(segment, toMs);
        const reachesEnd = last === segment.last.seq;
        // Neighbours are one range: a clock that jumps all the time must not make a query of each segment.
        if (before !== undefined && reachedEnd && isFromStart) Object.assign(before, { last, reachesEnd });
        else {
          const first = isFromStart ? segment.first.seq : segments.lastSeqIn(segment, fromMs);
          ranges.push({ first, last, reachesEnd });
        }
      }
      return ranges;
    },
  };
}
