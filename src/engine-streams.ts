/** What the engine's observables are made of. */

import { Observable } from 'rxjs';
import type { Batch, FlowItem } from './domain/record.ts';
import type { TimelineRow } from './domain/timeline.ts';

/** The items of batches, one by one. */
export function eachOf(batches$: Observable<Batch>): Observable<FlowItem> {
  return new Observable((subscriber) =>
    batches$.subscribe((batch) => {
      for (const item of batch) subscriber.next(item);
    }),
  );
}

/** Rows about the life of actors, without the others. */
export function transitionsOf(rows$: Observable<TimelineRow>): Observable<TimelineRow> {
  return new Observable((subscriber) =>
    rows$.subscribe((row) => {
      if (row.kind === 'born' || row.kind === 'transition' || row.kind === 'ended') subscriber.next(row);
    }),
  );
}
