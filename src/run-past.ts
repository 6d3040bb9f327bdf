/** What a run writes first: rows about what it found of the past, an outage, records that wait
 *  on disk, a damaged file. */

import type { AlertDesk } from '../actors/timeline/alert-desk.ts';
import type { Journal } from '../actors/timeline/journal.ts';
import type { EventStore } from '../storage/event-store.ts';
import { formatAddress } from './domain/address.ts';

export function noteThePast(store: EventStore, nowMs: number, journal: Journal, desk: AlertDesk): void {
  if (store.previousRun?.end === 'crash') noteOutage(store, store.previousRun, nowMs, journal);
  for (const { tenant, sourceId, records } of store.spilled) {
    const data = { source: formatAddress({ tenant, sourceId }), records };
    journal.note({ kind: 'storage', event: 'spill.left', data, actorId: 'recorder', cause: null });
  }
  if (store.movedAside !== null) noteDamage(store.movedAside, nowMs, journal, desk);
}

function noteOutage(
  { unfinished }: EventStore,
  { run, lastAtMs }: NonNullable<EventStore['previousRun']>,
  nowMs: number,
  journal: Journal,
): void {
  const data = { previousRun: run, fromMs: lastAtMs, toMs: nowMs, lengthMs: nowMs - lastAtMs };
  const cause = journal.note({ kind: 'gap', event: 'engine.outage', data, actorId: 'engine', cause: null });
  for (const { actor, incarnation, state } of unfinished) {
    journal.noteLostEnd(incarnation === null ? actor : `${actor}#${incarnation}`, state, cause);
  }
}

function noteDamage(movedTo: string, nowMs: number, journal: Journal, desk: AlertDesk): void {
  const details = { movedTo };
  const actorId = 'recorder';
  const cause = journal.note({
    kind: 'storage',
    event: 'storage.damaged',
    data: details,
    actorId,
    cause: null,
  });
  const message = `the database was damaged; it was kept as ${movedTo} and a fresh one begun`;
  const alert = { event: 'STORAGE_DAMAGED', severity: 'critical', sourceId: null } as const;
  desk.raise({ ...alert, timestamp: nowMs, message, details }, actorId, cause);
}
