/** Which rows a live client wants: the same question asked of the log and of a row in hand. */

import { formatAddress, parseAddress } from '../../domain/address.ts';
import type { TimelineKind } from '../../domain/timeline.ts';
import type { HistoryFilter } from '../../../storage/reading/history.ts';
import type { Row } from '../../../storage/reading/timeline-reader.ts';

export interface LiveFilter {
  readonly actor?: string;
  readonly kind?: TimelineKind;
  readonly event?: string;
}

export function fits(row: Row, { actor, kind, event }: LiveFilter): boolean {
  if (kind !== undefined && row['kind'] !== kind) return false;
  if (event !== undefined && row['event'] !== event) return false;
  return actor === undefined || row['actor'] === formatAddress(parseAddress(actor));
}

export function pageAfter(filter: LiveFilter, afterSeq: number, limit: number): HistoryFilter {
  return { ...filter, afterSeq, limit };
}

/** The same text for the same filter: rows are written once for all who share one. */
export function keyOf({ actor, kind, event }: LiveFilter): string {
  return JSON.stringify([actor, kind, event]);
}
