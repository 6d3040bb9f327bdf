/** What a run writes first: rows about the past that it found, an outage, and what became of the file. */

import type { AlertDispatcher } from '../../actors/alerts/alert-dispatcher.ts';
import type { TimelineObserver } from '../../actors/timeline/timeline-observer.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { findingsOf } from './storage-findings.ts';

export function reportPreviousRun(
  store: EventStore,
  nowMs: number,
  observer: TimelineObserver,
  dispatcher: AlertDispatcher,
): void {
  if (store.previousRun?.end === 'crash') noteOutage(store, store.previousRun, nowMs, observer);
  for (const { event, data, alert } of findingsOf(store)) {
    const cause = observer.append({ kind: 'storage', event, data, actorId: 'recorder', cause: null });
    if (alert === null) continue;
    const { name, message } = alert;
    const facts = { event: name, severity: 'critical', sourceId: null, timestamp: nowMs } as const;
    dispatcher.raise({ ...facts, message, details: data }, 'recorder', cause);
  }
}

function noteOutage(
  { unfinished }: EventStore,
  { run, lastAtMs }: NonNullable<EventStore['previousRun']>,
  nowMs: number,
  observer: TimelineObserver,
): void {
  const data = { previousRun: run, fromMs: lastAtMs, toMs: nowMs, lengthMs: Math.max(0, nowMs - lastAtMs) };
  const cause = observer.append({
    kind: 'gap',
    event: 'engine.outage',
    data,
    actorId: 'engine',
    cause: null,
  });
  for (const { actor, incarnation, state } of unfinished) {
    observer.noteLostEnd(incarnation === null ? actor : `${actor}#${incarnation}`, state, cause);
  }
}
