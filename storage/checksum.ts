/** The checksum of a stored record: it fits every column but `seq`, which the table gives. A bit that flips
 *  in the file is found when the row is read; SQLite itself would not notice. */

import { crc32 } from 'node:zlib';
import type { RecordRow } from '../src/domain/timeline.ts';

/** CRC-32 over the identity and the data. */
export function recordChecksum(row: RecordRow): number {
  const key = row.dedupKey === null ? '' : `k${row.dedupKey}`;
  const type = row.contentType === null ? '' : `t${row.contentType}`;
  const source = `${row.tenant}/${row.sourceId}#${row.incarnation}`;
  const identity = `${source}:${row.sourceSeq}@${Math.round(row.atMs)}`;
  return crc32(row.data, crc32(`${identity}\0${key}\0${type}\0`));
}
