/** The checksum of a stored record: it fits every column but `seq`, which the table gives. A bit that flips
 *  in the file is found when the row is read; SQLite itself would not notice. */

import { crc32 } from 'node:zlib';
import type { RecordRow } from '../../src/domain/record-row.ts';

type Owner = Pick<RecordRow, 'tenant' | 'sourceId' | 'incarnation' | 'contentType'>;

/** The owner of the row before, and the checksum over it: records of one source come together. */
let lastOwner: Owner | null = null;
let lastOwnerCrc = 0;

/** CRC-32 over owner, number, time, key and data. */
export function recordChecksum(row: RecordRow): number {
  let crc = ownerChecksum(row);
  crc = withNumber(crc, row.sourceSeq);
  crc = withNumber(crc, Math.round(row.atMs));
  if (row.dedupKey !== null) crc = crc32(`k${row.dedupKey}\0`, crc);
  return crc32(row.data, crc);
}

function ownerChecksum(row: Owner): number {
  if (
    lastOwner === null ||
    row.sourceId !== lastOwner.sourceId ||
    row.incarnation !== lastOwner.incarnation ||
    row.tenant !== lastOwner.tenant ||
    row.contentType !== lastOwner.contentType
  ) {
    const { tenant, sourceId, incarnation, contentType } = row;
    lastOwner = { tenant, sourceId, incarnation, contentType };
    lastOwnerCrc = crc32(JSON.stringify([tenant, sourceId, incarnation, contentType]));
  }
  return lastOwnerCrc;
}

const TWO_TO_32 = 2 ** 32;

/** Goes on with the eight bytes of a whole number, the lowest first. In JavaScript: entering zlib for so few
 *  bytes costs more than they do. */
function withNumber(crc: number, value: number): number {
  return withWord(withWord(crc, value >>> 0), Math.floor(value / TWO_TO_32) >>> 0);
}

function withWord(crc: number, word: number): number {
  let state = ~crc;
  for (let shift = 0; shift < 32; shift += 8) {
    state = (TABLE[(state ^ (word >>> shift)) & 0xff] as number) ^ (state >>> 8);
  }
  return ~state >>> 0;
}

/** Of the polynomial 0xedb88320, as zlib has it (RFC 1952, 8). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let entry = byte;
  for (let bit = 0; bit < 8; bit++) entry = (entry & 1) === 1 ? 0xedb88320 ^ (entry >>> 1) : entry >>> 1;
  return entry;
});
