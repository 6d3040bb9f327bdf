/** What an engine says about the file it opened: records that wait on disk, damage, rows that are gone, a
 *  mark that tells nothing. */

import { formatAddress } from '../domain/address.ts';
import type { EventStore, LostDatabase } from '../../storage/event-store.ts';
import { RESTORED_EVENT } from '../../storage/tables/lineage.ts';
import { LOST_EVENT } from '../../storage/lost-database.ts';
import { TRUNCATED_EVENT } from '../../storage/truncation.ts';

export interface StorageFinding {
  /** Of the row. */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Null: odd, but nothing is lost. */
  readonly alert: { readonly name: string; readonly message: string } | null;
}

export function findingsOf(
  store: Pick<EventStore, 'spilled' | 'movedAside' | 'restored' | 'truncated' | 'lost' | 'markIsUnreadable'>,
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
  if (store.lost !== null) findings.push(lossFinding(store.lost));
  if (store.markIsUnreadable) findings.push({ event: 'mark.unreadable', data: {}, alert: null });
  return findings;
}

function lossFinding(lost: LostDatabase): StorageFinding {
  const { what, timelineSeq, recordSeq, movedTo } = lost;
  const known =
    timelineSeq === null
      ? 'how far it had come is not known'
      : `it had ${recordSeq} records and ${timelineSeq} timeline rows at least`;
  const left = movedTo === null ? '' : `; what is left of it is kept as ${movedTo}`;
  const message = {
    gone:
      `the database is gone, and a fresh one was begun; ${known}${left}. Restore a backup, ` +
      'or put it back',
    replaced:
      `another database stands in the place of the one that was here; ${known}. Restore a backup by ` +
      'headgate restore, or put it back',
    logGone:
      'the write-ahead log of a run that was killed is gone or was cut short: unless a program has ' +
      'copied it into the database, the last transactions are missing. Compare with the senders, or ' +
      'restore a backup',
  }[what];
  return { event: LOST_EVENT, data: { ...lost }, alert: { name: LOSS_ALERTS[what], message } };
}

const LOSS_ALERTS = {
  gone: 'STORAGE_GONE',
  replaced: 'STORAGE_REPLACED',
  logGone: 'STORAGE_LOG_GONE',
} as const;

function missing(what: string, { found, known }: { found: number; known: number }): string {
  if (known <= found) return `no ${what}`;
  return known === found + 1 ? `${what} ${known}` : `${what}s ${found + 1} to ${known}`;
}
