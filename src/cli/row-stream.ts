/** Rows of a log, page by page: all there are, the last few, or those that are still to come. Only a page at
 *  a time is in memory, however long the log is. */

import { remedyOf } from '../domain/errors.ts';
import type { Clock } from '../domain/clock.ts';
import type { Row, TimelineFilter, TimelineReader } from '../../storage/reading/timeline-reader.ts';

const PAGE_ROWS = 1_000;
const FOLLOW_POLL_MS = 200;

/** One of the reader's listings whose rows bear the `seq` of the timeline. */
export type Listing = (filter: TimelineFilter) => Row[];

/** The rows there are now, in order of `seq`. */
export function* storedRows(listing: Listing, filter: TimelineFilter): Generator<Row[]> {
  if (filter.limit !== undefined) {
    yield listing(filter);
    return;
  }
  let afterSeq = 0;
  for (;;) {
    const rows = listing({ ...filter, afterSeq, limit: PAGE_ROWS });
    yield rows;
    if (rows.length < PAGE_ROWS) return;
    afterSeq = seqOf(rows.at(-1));
  }
}

/** The rows there are now, then new ones as they come, until `signal` aborts. */
export async function* followedRows(
  reader: TimelineReader,
  listing: Listing,
  filter: TimelineFilter,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Row[]> {
  // The end of the log is read before its rows: what is written in between is seen by the next look, never
  // missed.
  let afterSeq = endOf(reader);
  for (const rows of storedRows(listing, filter)) {
    yield rows;
    afterSeq = Math.max(afterSeq, seqOf(rows.at(-1)));
  }
  const { limit: _stored, ...rest } = filter;
  while (!signal.aborted) {
    try {
      const endSeq = endOf(reader);
      const rows = endSeq > afterSeq ? listing({ ...rest, afterSeq, limit: PAGE_ROWS }) : [];
      afterSeq = rows.length < PAGE_ROWS ? Math.max(endSeq, seqOf(rows.at(-1))) : seqOf(rows.at(-1));
      yield rows;
      if (rows.length === PAGE_ROWS) continue;
    } catch (error) {
      if (remedyOf(error) !== 'retry') throw error;
    }
    await clock.sleep(FOLLOW_POLL_MS, signal);
  }
}

/** The last `seq` of the log. */
function endOf(reader: TimelineReader): number {
  return seqOf(reader.timeline({ limit: 1 }).at(-1));
}

function seqOf(row: Row | undefined): number {
  return typeof row?.seq === 'number' ? row.seq : 0;
}
