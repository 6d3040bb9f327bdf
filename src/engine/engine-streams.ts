/** What the engine's observables are made of. */

import { Observable, Subject } from 'rxjs';
import type { Alert } from '../domain/alert.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { SourceHealth } from '../domain/health.ts';
import type { Logger } from '../domain/logger.ts';
import type { Batch, FlowItem } from '../domain/record.ts';
import { throttled } from '../timing/throttle.ts';
import type { DeadLetter, TimelineRow } from '../domain/timeline.ts';

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

/** What a run of the engine puts its news into; they outlive it. */
export function engineSubjects() {
  return {
    rows: new Subject<TimelineRow>(),
    alerts: new Subject<Alert>(),
    deadLetters: new Subject<DeadLetter>(),
    health: new Subject<readonly SourceHealth[]>(),
  };
}

/** Reports what a subscriber throws, throttled: it may throw at every record. Nobody else hears of it. */
export function reportTo(log: Logger, clock: Clock): (error: unknown) => void {
  return throttled(clock, (suppressed, error: unknown) => {
    const fields = { error: messageOf(error), ...(suppressed > 0 && { suppressed }) };
    log.error(fields, 'a subscriber threw; it missed this item, nothing else did');
  });
}
