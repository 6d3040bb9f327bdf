/** A history that reads in the caller's thread: the same questions, answered by the synchronous reader. */

import { openTimelineReader } from '../../storage/open-timeline-reader.ts';
import type { History, HistoryFilter } from '../../storage/history.ts';
import type { Row, TimelineFilter } from '../../storage/timeline-reader.ts';

export function directHistory(file: string): History {
  const reader = openTimelineReader(file);
  const page = (read: (filter: TimelineFilter) => Row[], filter: HistoryFilter = {}): Row[] => {
    const { event, beforeSeq, limit, ...rest } = filter;
    const isForward = rest.afterSeq !== undefined;
    const rows = read(rest).filter(
      (row) =>
        (event === undefined || row['event'] === event) &&
        (beforeSeq === undefined || (row['seq'] as number) < beforeSeq),
    );
    if (limit === undefined) return rows;
    return isForward ? rows.slice(0, limit) : rows.slice(-limit);
  };
  return {
    timeline: async (filter) => page((asked) => reader.timeline(asked), filter),
    alerts: async (filter) => page((asked) => reader.alerts(asked), filter),
    sources: async () => reader.sources(),
    sinks: async () => reader.sinks(),
    explain: async (actor, atMs) => reader.explain(actor, atMs),
    stateAt: async (atMs) => reader.stateAt(atMs),
    close: async () => reader.close(),
  };
}
