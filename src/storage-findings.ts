/** What an engine says about the file it opened: records that wait on disk, damage, rows that are gone, a
 *  mark that tells nothing. */

import { formatAddress } from './domain/address.ts';
import type { EventStore } from '../storage/event-store.ts';
import { RESTORED_EVENT } from '../storage/tables/lineage.ts';
import { TRUNCATED_EVENT } from '../storage/truncation.ts';

export interface StorageFinding {
  /** Of the row. */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Null: odd, but nothing is lost. */
  readonly alert: { readonly name: string; readonly message: string } | null;
}

export function findingsOf(
  store: Pick<EventStore, 'spilled' | 'movedAside' | 'restored' | 'truncated' | 'markIsUnreadable'>,
): StorageFinding[] {
  const findings: StorageFinding[] = store.spilled.map(({ tenant, sourceId, records }) => ({
    event: 'spill.left',
    data: { source: formatAddress({ tenant, sourceId }), records },
    alert: null,
  }));
  if (store.movedAside !== null) {
    const message = `the database was damaged; it was kept as ${store.movedAside} and a fresh one begun`;
    const alert = { name: 'STORAGE_DAMAGED', message };
    findings.push({ event: 'storage.damaged', data: { movedTo: store.movedAside }, alert });
  }
  if (store.restored !== null) {
    const { dbUuid, timeline, records } = store.restored;
    findings.push({ event: RESTORED_EVENT, data: { from: dbUuid, timeline, records }, alert: null });
  }
  if (store.truncated !== null) {
    const { timeline, records } = store.truncated;
    const message =
      `the end of the database is gone: ${missing('timeline row', timeline)}, ` +
      `${missing('record', records)}; numbers go on after the lost ones`;
    const alert = { name: 'STORAGE_TRUNCATED', message };
    findings.push({ event: TRUNCATED_EVENT, data: { timeline, records }, alert });
  }
  if (store.markIsUnreadable) findings.push({ event: 'mark.unreadable', data: {}, alert: null });
  return findings;
}

function missing(what: string, { found, known }: { found: number; known: number }): string {
  if (known <= found) return `no ${what}`;
  return known === found + 1 ? `${what} ${known}` : `${what}s ${found + 1} to ${known}`;
}
