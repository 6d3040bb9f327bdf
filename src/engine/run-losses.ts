/** Handles records that were lost while the run goes on: a gap row and an alert for each source,
 *  and a source that can go on from a cursor reads again from the last one that is stored. Sources that
 *  acknowledge are told by their receipts. */

import type { SourceDirectory } from '../../actors/registry/source-directory.ts';
import { formatAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { Batch, FlowItem } from '../domain/record.ts';
import type { RunPersistence } from './run-persistence.ts';

export interface LostRecordsPorts {
  readonly clock: Clock;
  readonly books: RunPersistence;
  readonly directory: () => SourceDirectory;
  /** Where a source (`tenant/source`) goes on by what is stored; undefined: at its start. */
  readonly storedCursor: (name: string) => string | undefined;
}

export function lostRecords(ports: LostRecordsPorts): (records: Batch) => void {
  return (records) => {
    const bySource = new Map<string, FlowItem[]>();
    for (const record of records) {
      const actorId = `${formatAddress(record)}#${record.incarnation}`;
      const ofSource = bySource.get(actorId) ?? [];
      ofSource.push(record);
      bySource.set(actorId, ofSource);
    }
    for (const [actorId, ofSource] of bySource) report(ports, actorId, ofSource);
  };
}

function report(
  { clock, books, directory, storedCursor }: LostRecordsPorts,
  actorId: string,
  records: readonly FlowItem[],
): void {
  const [first] = records as [FlowItem];
  const name = formatAddress(first);
  const canGoBack = records.some(({ cursor }) => cursor !== undefined);
  const cursor = storedCursor(`${first.tenant}/${first.sourceId}`) ?? null;
  const data = {
    records: records.length,
    firstSourceSeq: first.seq,
    ...(canGoBack ? { readAgainFrom: cursor } : {}),
  };
  const cause = books.observer.lastRowOf(actorId);
  books.observer.append({ kind: 'gap', event: 'records.lost', data, actorId, cause });
  const next = canGoBack ? 'the source reads them again' : 'they are missing where their source has no copy';
  const message = `${records.length} records of ${name} were refused by the database and are lost; ${next}`;
  books.raise(
    {
      ...{ event: 'RECORDS_LOST', severity: 'critical', sourceId: name },
      ...{ timestamp: clock.wallMs(), message, details: data },
    },
    { actorId },
  );
  if (canGoBack) directory().byActorId(actorId)?.goBack(cursor, new HeadgateError('HG_RECORD_LOST', message));
}
