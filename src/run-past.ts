/** What a run writes first: rows about the past that it found, an outage, and what became of the file. */

import type { AlertDesk } from '../actors/timeline/alert-desk.ts';
import type { Journal } from '../actors/timeline/journal.ts';
import type { EventStore } from '../storage/event-store.ts';
import { findingsOf } from './storage-findings.ts';

export function noteThePast(store: EventStore, nowMs: number, journal: Journal, desk: AlertDesk): void {
  if (store.previousRun?.end === 'crash') noteOutage(store, store.previousRun, nowMs, journal);
  for (const { event, data, alert } of findingsOf(store)) {
    const cause = journal.note({ kind: 'storage', event, data, actorId: 'recorder', cause: null });
    if (alert === null) continue;
    const { name, message } = alert;
    const facts = { event: name, severity: 'critical', sourceId: null, timestamp: nowMs } as const;
    desk.raise({ ...facts, message, details: data }, 'recorder', cause);
  }
}

function noteOutage(
  { unfinished }: EventStore,
  { run, lastAtMs }: NonNullable<EventStore['previousRun']>,
  nowMs: number,
  journal: Journal,
): void {
  const data = { previousRun: run, fromMs: lastAtMs, toMs: nowMs, lengthMs: Math.max(0, nowMs - lastAtMs) };
  const cause = journal.note({ kind: 'gap', event: 'engine.outage', data, actorId: 'engine', cause: null });
  for (const { actor, incarnation, state } of unfinished) {
    journal.noteLostEnd(incarnation === null ? actor : `${actor}#${incarnation}`, state, cause);
  }
}
